package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/coraclehq/coracle/internal/sys"
	digest "github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/identity"
)

// layerIDDigits is short, because the paths of all layers of a container must fit
// into the 4095 bytes that mount(2) takes. A layer is made under an ID that is free,
// so chance decides nothing.
const layerIDDigits = 12

// Layer is an unpacked layer.
type Layer struct {
	ID string `json:"-"`
	// DiffID is the digest of the layer's tar stream. It is empty as long as nobody
	// has needed it: a forked container's files become a layer without being read.
	DiffID digest.Digest `json:"diffID,omitempty"`
	// ChainID is set if the tree depends on the layers below it, by a hard link into
	// one or a parent directory that only they describe: the layer then serves on
	// top of the same layers only.
	ChainID digest.Digest `json:"chainID,omitempty"`
	// Size is the sum of the sizes of its files, in bytes.
	Size    int64     `json:"size"`
	Created time.Time `json:"created"`

	Version int `json:"version"`
}

// Path returns the layer's tree relative to the store.
func (l Layer) Path() string { return LayerPath(l.ID) }

// LayerPath returns the tree of layer id relative to the store.
func LayerPath(id string) string { return "layers/" + id + "/fs" }

// LayerByDiffID finds a layer that serves on top of any other layers.
func (s *Store) LayerByDiffID(diffID digest.Digest) (_ Layer, ok bool, err error) {
	if err := s.begin(); err != nil {
		return Layer{}, false, err
	}
	defer s.end(&err)
	if err := CheckDigest(diffID); err != nil {
		return Layer{}, false, err
	}
	return s.findLayer(diffID)
}

// LayersOf finds the layers of an image, from its diffIDs, bottom first. A layer
// that is not there has no ID.
func (s *Store) LayersOf(diffIDs []digest.Digest) (_ []Layer, err error) {
	if err := s.begin(); err != nil {
		return nil, err
	}
	defer s.end(&err)
	return s.layersOf(diffIDs)
}

func (s *Store) layersOf(diffIDs []digest.Digest) ([]Layer, error) {
	for _, d := range diffIDs {
		if err := CheckDigest(d); err != nil {
			return nil, err
		}
	}
	chain := identity.ChainIDs(append([]digest.Digest(nil), diffIDs...))
	layers := make([]Layer, len(diffIDs))
	for i, d := range diffIDs {
		l, ok, err := s.findLayer(chain[i])
		if !ok && err == nil && chain[i] != d {
			l, ok, err = s.findLayer(d)
		}
		if err != nil {
			return nil, err
		}
		if l.DiffID = d; !ok {
			l = Layer{DiffID: d}
		}
		layers[i] = l
	}
	return layers, nil
}

// findLayer follows a link of layer-ids. The result has an ID and the digest, no
// more: that needs no file to be read.
func (s *Store) findLayer(key digest.Digest) (Layer, bool, error) {
	id, err := s.layerIDs.Readlink(linkName(key))
	if err != nil || !isHex(id, layerIDDigits) {
		return Layer{}, false, ignoreMissing(err)
	}
	if _, err := s.layers.StatAt(id+"/fs", false); err != nil {
		return Layer{}, false, ignoreMissing(err)
	}
	return Layer{ID: id, DiffID: key}, true, nil
}

// Layer reads what is known about a layer.
func (s *Store) Layer(id string) (_ Layer, err error) {
	if err := s.begin(); err != nil {
		return Layer{}, err
	}
	defer s.end(&err)
	return s.readLayer(id)
}

func (s *Store) readLayer(id string) (l Layer, err error) {
	if !isHex(id, layerIDDigits) {
		return Layer{}, fmt.Errorf("layer ID %.100q: %w", id, ErrInvalid)
	}
	data, err := s.layers.ReadFile(id+"/layer.json", maxDocument)
	if err != nil {
		return Layer{}, missing(err, "layer %s", id)
	}
	if err := json.Unmarshal(data, &l); err != nil {
		return Layer{}, fmt.Errorf("layer %s: layer.json: %w: %w", id, ErrDamaged, err)
	}
	l.ID = id
	return l, nil
}

// key is the digest that the layer is found by, "" for none.
func (l Layer) key() digest.Digest {
	if l.ChainID != "" {
		return l.ChainID
	}
	return l.DiffID
}

// linkLayer points key at a layer, in place of one that is gone. The caller holds
// the store's lock.
func (s *Store) linkLayer(key digest.Digest, id string) error {
	err := s.layerIDs.Symlink(id, linkName(key))
	if !errors.Is(err, sys.EEXIST) {
		return err
	}
	if err := s.layerIDs.Unlink(linkName(key)); err != nil {
		return err
	}
	return s.layerIDs.Symlink(id, linkName(key))
}
