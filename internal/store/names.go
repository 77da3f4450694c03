package store

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	digest "github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	imagespec "github.com/opencontainers/image-spec/specs-go/v1"
)

// index is names.json: the images of the store, also those without a name, and what
// they are called. It is changed under the store's lock alone.
type index struct {
	Version int      `json:"version"`
	Images  []*entry `json:"images"`

	rest unknown
}

// entry is one image. Two entries have different manifests, but may have one
// configuration: an image that was compressed twice.
type entry struct {
	Manifest imagespec.Descriptor `json:"manifest"`
	Config   digest.Digest        `json:"config"` // the image's ID
	Names    []string             `json:"names,omitempty"`
	Host     bool                 `json:"host,omitempty"`

	rest unknown
}

func (x *index) UnmarshalJSON(data []byte) (err error) {
	// In one pass, as long as there is nothing unknown at any level: looking up an
	// image is part of making a container.
	type plainEntry entry
	var fast struct {
		Version int           `json:"version"`
		Images  []*plainEntry `json:"images"`
	}
	if rest, err := decode(data, &fast); err == nil && rest == nil {
		x.Version, x.Images, x.rest = fast.Version, make([]*entry, len(fast.Images)), nil
		for i, e := range fast.Images {
			x.Images[i] = (*entry)(e)
		}
		return nil
	}
	type plain index
	x.rest, err = decode(data, (*plain)(x))
	return err
}

func (x index) MarshalJSON() ([]byte, error) {
	type plain index
	if x.Images == nil {
		x.Images = []*entry{}
	}
	return encode(plain(x), x.rest)
}

func (e *entry) UnmarshalJSON(data []byte) (err error) {
	type plain entry
	e.rest, err = decode(data, (*plain)(e))
	return err
}

func (e entry) MarshalJSON() ([]byte, error) {
	type plain entry
	return encode(plain(e), e.rest)
}

// readIndex reads names.json.
func (s *Store) readIndex() (*index, error) {
	data, err := s.root.ReadFile("names.json", maxDocument)
	if err != nil {
		return nil, err
	}
	x := &index{}
	if err := json.Unmarshal(data, x); err != nil {
		return nil, fmt.Errorf("names.json: %w: %w", ErrDamaged, err)
	}
	for i, e := range x.Images {
		if e == nil || CheckDigest(e.Config) != nil || CheckDigest(e.Manifest.Digest) != nil {
			return nil, fmt.Errorf("names.json: image %d: %w", i, ErrDamaged)
		}
	}
	return x, nil
}

// writeIndex makes x what the store has, first in names.json, then in index.json for
// other tools. The caller holds the store's lock.
func (s *Store) writeIndex(x *index) error {
	for _, e := range x.Images {
		slices.Sort(e.Names)
	}
	data, err := json.Marshal(x)
	if err != nil {
		return err
	}
	if err := s.replace(s.root, "names.json", data, true); err != nil {
		return err
	}
	s.step("image listed")
	return s.writeOCIIndex(x)
}

// writeOCIIndex makes index.json anew. A failure is repaired by whoever writes next.
func (s *Store) writeOCIIndex(x *index) error {
	data, err := x.render()
	if err != nil {
		return err
	}
	return s.replace(s.root, imagespec.ImageIndexFile, data, false)
}

// annotationName is the full name of an image where org.opencontainers.image.ref.name
// is only its tag: containerd's key, which its import and docker's look at first.
const annotationName = "io.containerd.image.name"

// render returns the OCI index: one descriptor for each name, and one for an image
// without. Images on top of the host's files are left out: nobody else has those.
func (x index) render() ([]byte, error) {
	doc := imagespec.Index{
		Versioned: specs.Versioned{SchemaVersion: 2},
		MediaType: imagespec.MediaTypeImageIndex,
		Manifests: []imagespec.Descriptor{},
	}
	for _, e := range x.Images {
		if e.Host {
			continue
		}
		if len(e.Names) == 0 {
			doc.Manifests = append(doc.Manifests, e.Manifest)
		}
		for _, n := range e.Names {
			d := e.Manifest
			d.Annotations = map[string]string{}
			for k, v := range e.Manifest.Annotations {
				d.Annotations[k] = v
			}
			d.Annotations[imagespec.AnnotationRefName] = n
			d.Annotations[annotationName] = n
			doc.Manifests = append(doc.Manifests, d)
		}
	}
	return json.Marshal(doc)
}

// named returns the entry that has the full name, or nil.
func (x *index) named(name string) *entry {
	i := slices.IndexFunc(x.Images, func(e *entry) bool { return slices.Contains(e.Names, name) })
	if i < 0 {
		return nil
	}
	return x.Images[i]
}

// find resolves what a user typed: a digest or full ID, else a name, else the
// beginning of an ID. It returns all entries of one ID, and the full name if it was
// one.
func (x *index) find(ref string) (found []*entry, name string, err error) {
	hex, isDigest := strings.CutPrefix(ref, "sha256:")
	if isHex(hex, 64) {
		// Never a name as well: it would pass for an image that is not here.
		found = x.filter(func(e *entry) bool {
			return e.Config.Encoded() == hex || isDigest && e.Manifest.Digest.Encoded() == hex
		})
		return x.only(found, ref)
	}
	full, nameErr := ParseName(ref)
	if nameErr == nil {
		if e := x.named(full); e != nil {
			return []*entry{e}, full, nil
		}
		if d := pinned(full); d != "" {
			return x.only(x.filter(func(e *entry) bool {
				return e.Manifest.Digest == d && slices.ContainsFunc(e.Names, func(n string) bool {
					return repository(n) == repository(full)
				})
			}), ref)
		}
	}
	if hex != "" && isHex(hex, len(hex)) {
		return x.only(x.filter(func(e *entry) bool { return strings.HasPrefix(e.Config.Encoded(), hex) }), ref)
	}
	if nameErr != nil {
		return nil, "", nameErr
	}
	return x.only(nil, ref)
}

// only returns what was found for ref if it is one image.
func (x *index) only(found []*entry, ref string) ([]*entry, string, error) {
	switch ids := idsOf(found); len(ids) {
	case 0:
		return nil, "", fmt.Errorf("image %.300s: %w", ref, ErrNotFound)
	case 1:
		return found, "", nil
	default:
		return nil, "", fmt.Errorf("image %s is ambiguous, %d IDs begin so: %w", ref, len(ids), ErrInvalid)
	}
}

func (x *index) filter(keep func(*entry) bool) (found []*entry) {
	for _, e := range x.Images {
		if keep(e) {
			found = append(found, e)
		}
	}
	return found
}

// idsOf returns the different IDs of entries.
func idsOf(entries []*entry) (ids []digest.Digest) {
	for _, e := range entries {
		if !slices.Contains(ids, e.Config) {
			ids = append(ids, e.Config)
		}
	}
	return ids
}
