package store

import (
	"context"
	"fmt"
	"slices"

	imagespec "github.com/opencontainers/image-spec/specs-go/v1"
)

// NewImage says what [Store.PutImage] is to list.
type NewImage struct {
	// Manifest is the descriptor of an OCI or docker manifest. Media type, digest and
	// size are kept.
	Manifest imagespec.Descriptor
	Names    []string // in any form that ParseName takes; may be empty
	// Replace takes names away from other images that have them. Without it they are
	// ErrExists: who loads an archive must not choose what "alpine" means.
	Replace bool
	// Host says that the layers lie on the machine's own root file system. Only such
	// an image can be called [HostName].
	Host bool
}

// PutImage lists an image whose blobs and layers the store has, all of them, and
// gives it names. An image that is listed already gets the names in addition.
func (s *Store) PutImage(ctx context.Context, n NewImage) (_ Image, err error) {
	if err := s.begin(); err != nil {
		return Image{}, err
	}
	defer s.end(&err)
	e, err := s.newEntry(n)
	if err != nil {
		return Image{}, err
	}
	m, err := s.checkImage(e)
	if err != nil {
		return Image{}, fmt.Errorf("image with manifest %s: %w", e.Manifest.Digest, err)
	}
	var image Image
	err = s.locked(ctx, true, func() error {
		if err := s.checkParts(m); err != nil {
			return fmt.Errorf("image %s: %w", e.Config, err)
		}
		x, err := s.readIndex()
		if err != nil {
			return err
		}
		if e, err = x.add(e, n.Replace); err != nil {
			return err
		}
		// Read first: an image that cannot be used is not listed.
		if image, err = s.readImage(e); err != nil {
			return err
		}
		return s.writeIndex(x)
	})
	if err != nil {
		return Image{}, err
	}
	return image, nil
}

// mediaTypeDockerManifest is docker's schema 2, which has the members of OCI's.
const mediaTypeDockerManifest = "application/vnd.docker.distribution.manifest.v2+json"

func (s *Store) newEntry(n NewImage) (*entry, error) {
	if err := CheckDigest(n.Manifest.Digest); err != nil {
		return nil, err
	}
	switch n.Manifest.MediaType {
	case imagespec.MediaTypeImageManifest, mediaTypeDockerManifest:
	default:
		return nil, fmt.Errorf("manifest %s has media type %.100q: %w", n.Manifest.Digest, n.Manifest.MediaType, ErrInvalid)
	}
	// Whatever else a descriptor from outside holds, addresses and annotations among
	// it, is nothing to keep.
	d := imagespec.Descriptor{MediaType: n.Manifest.MediaType, Digest: n.Manifest.Digest, Size: n.Manifest.Size}
	e := &entry{Manifest: d, Host: n.Host}
	for _, name := range n.Names {
		full, err := ParseName(name)
		if err != nil {
			return nil, err
		}
		if err := e.mayBe(full); err != nil {
			return nil, err
		}
		if !slices.Contains(e.Names, full) {
			e.Names = append(e.Names, full)
		}
	}
	return e, nil
}

// mayBe says whether the image may have that full name.
func (e *entry) mayBe(full string) error {
	if full == HostName && !e.Host {
		return fmt.Errorf("image name %q is the machine's own: %w", full, ErrInvalid)
	}
	if d := pinned(full); d != "" && d != e.Manifest.Digest {
		return fmt.Errorf("image name %s for manifest %s: %w", FamiliarName(full), e.Manifest.Digest, ErrMismatch)
	}
	return nil
}

// checkImage reads manifest and configuration, which must fit each other, and
// completes e.
func (s *Store) checkImage(e *entry) (imagespec.Manifest, error) {
	var none imagespec.Manifest
	data, m, err := s.readManifest(e.Manifest.Digest)
	if err != nil {
		return none, err
	}
	if int64(len(data)) != e.Manifest.Size {
		return none, fmt.Errorf("manifest has %d bytes, descriptor says %d: %w", len(data), e.Manifest.Size, ErrMismatch)
	}
	// A document that says to be something else may be read as that by others
	// (CVE-2021-41190).
	if m.MediaType != "" && m.MediaType != e.Manifest.MediaType {
		return none, fmt.Errorf("manifest says to be %.100q, descriptor %q: %w", m.MediaType, e.Manifest.MediaType, ErrMismatch)
	}
	if err := CheckDigest(m.Config.Digest); err != nil {
		return none, err
	}
	e.Config = m.Config.Digest
	raw, c, err := s.readConfig(m.Config.Digest)
	if err != nil {
		return none, err
	}
	if int64(len(raw)) != m.Config.Size {
		return none, fmt.Errorf("configuration has %d bytes, manifest says %d: %w", len(raw), m.Config.Size, ErrMismatch)
	}
	if len(m.Layers) != len(c.RootFS.DiffIDs) {
		return none, fmt.Errorf("%d layers in the manifest, %d in the configuration: %w",
			len(m.Layers), len(c.RootFS.DiffIDs), ErrInvalid)
	}
	if t := c.RootFS.Type; t != "layers" && t != "" {
		return none, fmt.Errorf("root file system of type %.50q: %w", t, ErrInvalid)
	}
	return m, nil
}

// checkParts says whether the blobs of a manifest are there. The caller holds the
// store's lock, so none is being collected.
func (s *Store) checkParts(m imagespec.Manifest) error {
	for _, d := range append([]imagespec.Descriptor{m.Config}, m.Layers...) {
		size, ok, err := s.hasBlob(d.Digest)
		if err != nil {
			return err
		}
		if !ok {
			return fmt.Errorf("blob %s: %w", d.Digest, ErrNotFound)
		}
		if size != d.Size {
			return fmt.Errorf("blob %s has %d bytes, manifest says %d: %w", d.Digest, size, d.Size, ErrMismatch)
		}
	}
	return nil
}

// add lists e, or gives its names to the entry of the same manifest, which it
// returns.
func (x *index) add(e *entry, replace bool) (*entry, error) {
	at := slices.IndexFunc(x.Images, func(o *entry) bool { return o.Manifest.Digest == e.Manifest.Digest })
	if at < 0 {
		names := e.Names
		e.Names = nil
		x.Images = append(x.Images, e)
		return e, x.name(e, names, replace)
	}
	old := x.Images[at]
	if old.Host != e.Host {
		return nil, fmt.Errorf("image %s is listed with another base: %w", e.Config, ErrExists)
	}
	return old, x.name(old, e.Names, replace)
}

// name gives full names to a listed entry.
func (x *index) name(e *entry, names []string, replace bool) error {
	for _, n := range names {
		holder := x.named(n)
		if holder == e {
			continue
		}
		if holder != nil && !replace {
			return fmt.Errorf("image name %s belongs to %s: %w", FamiliarName(n), holder.Config, ErrExists)
		}
		if holder != nil {
			holder.Names = slices.DeleteFunc(holder.Names, func(o string) bool { return o == n })
		}
		e.Names = append(e.Names, n)
	}
	return nil
}

// Tag gives the image one more name. A name that another image has is ErrExists
// unless replace is set.
func (s *Store) Tag(ctx context.Context, ref, name string, replace bool) (err error) {
	if err := s.begin(); err != nil {
		return err
	}
	defer s.end(&err)
	full, err := ParseName(name)
	if err != nil {
		return err
	}
	return s.locked(ctx, true, func() error {
		x, err := s.readIndex()
		if err != nil {
			return err
		}
		found, _, err := x.find(ref)
		if err != nil {
			return err
		}
		if err := found[0].mayBe(full); err != nil {
			return err
		}
		if err := x.name(found[0], []string{full}, replace); err != nil {
			return err
		}
		return s.writeIndex(x)
	})
}

// Untag takes a name away. The image stays, dangling if that was the last one.
func (s *Store) Untag(ctx context.Context, name string) (err error) {
	if err := s.begin(); err != nil {
		return err
	}
	defer s.end(&err)
	full, err := ParseName(name)
	if err != nil {
		return err
	}
	return s.locked(ctx, true, func() error {
		x, err := s.readIndex()
		if err != nil {
			return err
		}
		e := x.named(full)
		if e == nil {
			return fmt.Errorf("image %s: %w", FamiliarName(full), ErrNotFound)
		}
		e.Names = slices.DeleteFunc(e.Names, func(o string) bool { return o == full })
		return s.writeIndex(x)
	})
}
