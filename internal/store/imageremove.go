package store

import (
	"context"
	"errors"
	"fmt"
	"slices"

	digest "github.com/opencontainers/go-digest"
)

// Removed says what [Store.RemoveImage] did.
type Removed struct {
	Untagged []string        // full names
	Deleted  []digest.Digest // IDs of images that are listed no more
	Collected
}

// RemoveImage removes an image. By a name, while it has others, only that name goes.
// By ID or digest, an image with several names is ErrInUse unless force is set. An
// image that a container was made from is always ErrInUse. Blobs and layers that
// nothing needs any more go with it, except while somebody holds them (see
// [Store.Hold]): then they are left to the next [Store.Collect].
func (s *Store) RemoveImage(ctx context.Context, ref string, force bool) (r Removed, err error) {
	if err := s.begin(); err != nil {
		return Removed{}, err
	}
	defer s.end(&err)
	err = s.locked(ctx, true, func() error {
		x, err := s.readIndex()
		if err != nil {
			return err
		}
		before := len(x.Images)
		if r, err = s.unlist(x, ref, force); err != nil {
			return err
		}
		if err := s.writeIndex(x); err != nil {
			return err
		}
		if len(x.Images) == before {
			return nil
		}
		r.Collected, err = s.collect(x)
		if err != nil && !errors.Is(err, ErrInUse) {
			return fmt.Errorf("image %s is removed, but not its files: %w", ref, err)
		}
		return nil
	})
	if err != nil {
		return Removed{}, err
	}
	return r, nil
}

// unlist takes ref out of x, if that is allowed.
func (s *Store) unlist(x *index, ref string, force bool) (Removed, error) {
	found, name, err := x.find(ref)
	if err != nil {
		return Removed{}, err
	}
	if e := found[0]; name != "" && len(e.Names) > 1 {
		e.Names = slices.DeleteFunc(e.Names, func(o string) bool { return o == name })
		return Removed{Untagged: []string{name}}, nil
	}
	var r Removed
	for _, e := range found {
		r.Untagged = append(r.Untagged, e.Names...)
	}
	if len(r.Untagged) > 1 && !force {
		return Removed{}, fmt.Errorf("image %s has %d names: %w", ref, len(r.Untagged), ErrInUse)
	}
	id := found[0].Config
	x.Images = slices.DeleteFunc(x.Images, func(e *entry) bool { return slices.Contains(found, e) })
	if slices.ContainsFunc(x.Images, func(e *entry) bool { return e.Config == id }) {
		return r, nil // the same image, compressed differently, stays
	}
	for c, err := range s.records() {
		if err != nil {
			return Removed{}, err
		}
		if c.Image == id {
			return Removed{}, fmt.Errorf("image %s: container %s: %w", ref, c.label(), ErrInUse)
		}
	}
	r.Deleted = []digest.Digest{id}
	return r, nil
}
