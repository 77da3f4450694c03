package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"

	digest "github.com/opencontainers/go-digest"
	imagespec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Image is an image as it was when it was looked up.
type Image struct {
	ID       digest.Digest // of its configuration
	Manifest imagespec.Descriptor
	Config   imagespec.Image
	// RawConfig is the configuration's text, which may have more members than Config,
	// those of docker among them.
	RawConfig []byte
	Layers    []Layer  // bottom first; only ID and DiffID are set
	Names     []string // full names, sorted; none for a dangling image
	// Host images have the machine's own root file system below their layers.
	Host bool
}

// Lowers returns the IDs of the layers as overlay wants them: top first, and each
// once. The kernel refuses a directory that is there twice (ELOOP), and what the
// lower one would add, the upper one has already covered.
func (i Image) Lowers() []string {
	var ids []string
	for _, l := range slices.Backward(i.Layers) {
		if !slices.Contains(ids, l.ID) {
			ids = append(ids, l.ID)
		}
	}
	return ids
}

// Image finds an image by digest ("sha256:...", of manifest or configuration), ID,
// name, or beginning of an ID, in that order. A beginning that fits several is
// ErrInvalid. By its ID, an image that is listed with several manifests has all of
// their names.
func (s *Store) Image(ref string) (_ Image, err error) {
	if err := s.begin(); err != nil {
		return Image{}, err
	}
	defer s.end(&err)
	x, err := s.readIndex()
	if err != nil {
		return Image{}, err
	}
	found, _, err := x.find(ref)
	if err != nil {
		return Image{}, err
	}
	i, err := s.readImage(found[0])
	if err != nil {
		return Image{}, err
	}
	for _, e := range found[1:] { // the same image, compressed differently
		i.Names = append(i.Names, e.Names...)
	}
	slices.Sort(i.Names)
	return i, nil
}

// Images returns the images, in the order in which they came, dangling ones too. An
// image that cannot be read yields its error and does not end the iteration.
func (s *Store) Images() iter.Seq2[Image, error] {
	return func(yield func(Image, error) bool) {
		x, err := func() (_ *index, err error) {
			if err := s.begin(); err != nil {
				return nil, err
			}
			defer s.end(&err)
			return s.readIndex()
		}()
		if err != nil {
			yield(Image{}, err)
			return
		}
		for _, e := range x.Images {
			i, err := s.imageOf(e)
			if errors.Is(err, ErrNotFound) && !s.lists(e) {
				continue // removed meanwhile
			}
			if !yield(i, err) {
				return
			}
		}
	}
}

func (s *Store) imageOf(e *entry) (_ Image, err error) {
	if err := s.begin(); err != nil {
		return Image{}, err
	}
	defer s.end(&err)
	return s.readImage(e)
}

// lists says whether the store still has the image.
func (s *Store) lists(e *entry) bool {
	if s.begin() != nil {
		return false
	}
	defer s.calls.Done()
	x, err := s.readIndex()
	return err == nil && slices.ContainsFunc(x.Images, func(o *entry) bool {
		return o.Manifest.Digest == e.Manifest.Digest
	})
}

func (s *Store) readImage(e *entry) (Image, error) {
	i := Image{ID: e.Config, Manifest: e.Manifest, Names: slices.Sorted(slices.Values(e.Names)), Host: e.Host}
	var err error
	if i.RawConfig, i.Config, err = s.readConfig(e.Config); err != nil {
		return Image{}, fmt.Errorf("image %s: %w", e.Config, err)
	}
	if i.Layers, err = s.layersOf(i.Config.RootFS.DiffIDs); err != nil {
		return Image{}, fmt.Errorf("image %s: %w", e.Config, err)
	}
	for _, l := range i.Layers {
		if l.ID == "" {
			return Image{}, fmt.Errorf("image %s: layer %s: %w", e.Config, l.DiffID, ErrNotFound)
		}
	}
	return i, nil
}

func (s *Store) readConfig(d digest.Digest) ([]byte, imagespec.Image, error) {
	data, err := s.readBlob(d)
	if err != nil {
		return nil, imagespec.Image{}, err
	}
	var c imagespec.Image
	if err := json.Unmarshal(data, &c); err != nil {
		return nil, imagespec.Image{}, fmt.Errorf("configuration %s: %w: %w", d, ErrInvalid, err)
	}
	return data, c, nil
}

func (s *Store) readManifest(d digest.Digest) ([]byte, imagespec.Manifest, error) {
	data, err := s.readBlob(d)
	if err != nil {
		return nil, imagespec.Manifest{}, err
	}
	var m imagespec.Manifest
	if err := json.Unmarshal(data, &m); err != nil {
		return nil, imagespec.Manifest{}, fmt.Errorf("manifest %s: %w: %w", d, ErrInvalid, err)
	}
	return data, m, nil
}
