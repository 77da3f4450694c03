package store

import (
	"encoding/json"
	"fmt"
	"time"

	digest "github.com/opencontainers/go-digest"
)

// Record is what a container is: all that another process needs to start it.
type Record struct {
	Version int    `json:"version"`
	ID      string `json:"id"`             // 64 hexadecimal digits
	Name    string `json:"name,omitempty"` // "" for none
	// Image is the ID of the image it was made from, "" for a bundle, and ImageName
	// what the image was called then.
	Image     digest.Digest `json:"image,omitempty"`
	ImageName string        `json:"imageName,omitempty"`
	Layers    []string      `json:"layers,omitempty"` // IDs, top first
	// Host says that the machine's own root file system lies below the layers.
	Host    bool            `json:"host,omitempty"`
	Created time.Time       `json:"created"`
	Config  json.RawMessage `json:"config,omitempty"` // the engine's own, which the store does not read

	rest unknown
}

// UnmarshalJSON keeps members that it does not know, for MarshalJSON.
func (r *Record) UnmarshalJSON(data []byte) (err error) {
	type plain Record
	r.rest, err = decode(data, (*plain)(r))
	return err
}

// MarshalJSON writes also what UnmarshalJSON did not know.
func (r Record) MarshalJSON() ([]byte, error) {
	type plain Record
	return encode(plain(r), r.rest)
}

// label is how a message calls the container.
func (r Record) label() string {
	if r.Name == "" {
		return r.ID[:12]
	}
	return fmt.Sprintf("%s (%s)", r.Name, r.ID[:12])
}

// check says whether r can be written.
func (r Record) check() error {
	if err := checkID(r.ID); err != nil {
		return err
	}
	if r.Name != "" {
		if err := CheckContainerName(r.Name); err != nil {
			return fmt.Errorf("container %w", err)
		}
	}
	if r.Image != "" {
		if err := CheckDigest(r.Image); err != nil {
			return err
		}
	}
	for _, l := range r.Layers {
		if !isHex(l, layerIDDigits) {
			return fmt.Errorf("layer ID %.100q: %w", l, ErrInvalid)
		}
	}
	return nil
}

// readRecord reads the record of container id, which the caller has checked.
func (s *Store) readRecord(id string) (r Record, err error) {
	data, err := s.containers.ReadFile(id+"/record.json", maxDocument)
	if err != nil {
		return Record{}, missing(err, "container %s", id)
	}
	if err := json.Unmarshal(data, &r); err != nil {
		return Record{}, fmt.Errorf("container %s: record.json: %w: %w", id, ErrDamaged, err)
	}
	if r.ID != id || r.check() != nil {
		return Record{}, fmt.Errorf("container %s: record.json: %w", id, ErrDamaged)
	}
	return r, nil
}
