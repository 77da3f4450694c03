package store

import (
	"context"
	"errors"
	"fmt"

	digest "github.com/opencontainers/go-digest"
)

// Collected is what a collection of garbage took away.
type Collected struct {
	Blobs  []digest.Digest
	Layers []string // IDs
	Bytes  int64    // freed when the removal in the background is done
}

// Collect removes the blobs and layers that no image and no container needs. It is
// ErrInUse while somebody holds what there is; see [Store.Hold]. If any image or
// container cannot be read, nothing is removed.
func (s *Store) Collect(ctx context.Context) (c Collected, err error) {
	if err := s.begin(); err != nil {
		return Collected{}, err
	}
	defer s.end(&err)
	err = s.locked(ctx, true, func() error {
		x, err := s.readIndex()
		if err != nil {
			return err
		}
		c, err = s.collect(x)
		return err
	})
	if err != nil {
		return Collected{}, err
	}
	return c, nil
}

// collect removes what is not reachable from x and the containers. The caller holds
// the store's lock, so no image and no container is being added. Here hold.lock comes
// after it, against the order, but is not waited for.
func (s *Store) collect(x *index) (_ Collected, err error) {
	held, err := try(s.root, "hold.lock", true)
	if err != nil {
		return Collected{}, err
	}
	if held == nil {
		return Collected{}, fmt.Errorf("images are being brought in: %w", ErrInUse)
	}
	defer func() { err = errors.Join(err, held.Unlock()) }()
	used, err := s.reachable(x)
	if err != nil {
		return Collected{}, err
	}
	var c Collected
	if err := s.collectLayers(used, &c); err != nil {
		return Collected{}, err
	}
	s.step("layers discarded")
	if err := s.collectBlobs(used, &c); err != nil {
		return Collected{}, err
	}
	return c, nil
}

// reachable returns the file names of blobs and the IDs of layers that are needed.
func (s *Store) reachable(x *index) (map[string]bool, error) {
	used := map[string]bool{}
	for _, e := range x.Images {
		_, m, err := s.readManifest(e.Manifest.Digest)
		if err != nil {
			return nil, err
		}
		used[digestHex(e.Manifest.Digest)] = true
		used[digestHex(e.Config)] = true
		for _, l := range m.Layers {
			used[digestHex(l.Digest)] = true
		}
		_, c, err := s.readConfig(e.Config)
		if err != nil {
			return nil, err
		}
		layers, err := s.layersOf(c.RootFS.DiffIDs)
		if err != nil {
			return nil, err
		}
		for _, l := range layers {
			used[l.ID] = true
		}
	}
	for c, err := range s.records() {
		if err != nil {
			return nil, err
		}
		for _, id := range c.Layers {
			used[id] = true
		}
	}
	return used, nil
}

func (s *Store) collectLayers(used map[string]bool, c *Collected) error {
	links, err := s.layerIDs.Names()
	if err != nil {
		return err
	}
	// Links first: what cannot be found is not used again.
	for _, l := range links {
		id, err := s.layerIDs.Readlink(l)
		if err != nil {
			return err
		}
		if !used[id] {
			if err := s.layerIDs.Unlink(l); err != nil {
				return err
			}
		}
	}
	s.step("layers unlinked")
	ids, err := s.layers.Names()
	if err != nil {
		return err
	}
	for _, id := range ids {
		if used[id] || !isHex(id, layerIDDigits) {
			continue
		}
		// A size that cannot be read is not counted, the layer goes all the same.
		l, _ := s.readLayer(id)
		if err := s.discard(s.layers, id); err != nil {
			return err
		}
		c.Layers, c.Bytes = append(c.Layers, id), c.Bytes+l.Size
	}
	return nil
}

func (s *Store) collectBlobs(used map[string]bool, c *Collected) error {
	names, err := s.blobs.Names()
	if err != nil {
		return err
	}
	for _, n := range names {
		if used[n] || !isHex(n, 64) {
			continue
		}
		st, err := s.blobs.StatAt(n, false)
		if err != nil {
			return err
		}
		if err := s.discard(s.blobs, n); err != nil {
			return err
		}
		c.Blobs, c.Bytes = append(c.Blobs, digest.Digest("sha256:"+n)), c.Bytes+st.Size
	}
	return nil
}
