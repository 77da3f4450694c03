package archive

import (
	"errors"
	"fmt"

	digest "github.com/opencontainers/go-digest"
	imagespec "github.com/opencontainers/image-spec/specs-go/v1"
)

// An Image is an image with its documents, as it stands in an archive or is to be
// written to one. It is plain data.
type Image struct {
	// Manifest describes ManifestBytes: media type, digest and size.
	Manifest      imagespec.Descriptor
	ManifestBytes []byte

	// ConfigDescriptor describes ConfigBytes, of which Config is the part that
	// the OCI specification knows. Its digest is the image's ID.
	ConfigDescriptor imagespec.Descriptor
	ConfigBytes      []byte
	Config           imagespec.Image

	// Layers are in the order of the manifest, the lowest first. The same layer
	// may stand more than once.
	Layers []Layer

	// Names are complete references such as docker.io/library/alpine:3, without
	// a digest, each one once.
	Names []string

	// Refs are those values of the annotation org.opencontainers.image.ref.name
	// in index.json that are not complete references. Often they are a tag:
	// "latest".
	Refs []string
}

// A Layer is one layer of an image.
type Layer struct {
	MediaType string
	Digest    digest.Digest // of the blob
	Size      int64         // of the blob, in bytes
	DiffID    digest.Digest // of the uncompressed tar stream
}

// descriptor is how a manifest refers to the layer.
func (l Layer) descriptor() imagespec.Descriptor {
	return imagespec.Descriptor{MediaType: l.MediaType, Digest: l.Digest, Size: l.Size}
}

// NewImage makes an image of its two documents, which it parses and verifies:
// manifest is what d describes, and config what the manifest describes. The image
// has no names. It keeps both slices.
func NewImage(d imagespec.Descriptor, manifest, config []byte) (Image, error) {
	m, err := ParseManifest(d, manifest)
	if err != nil {
		return Image{}, err
	}
	return newImage(d, manifest, m, config)
}

func newImage(d imagespec.Descriptor, manifest []byte, m imagespec.Manifest, config []byte) (Image, error) {
	name := "manifest " + d.Digest.String()
	if !isConfig(m.Config.MediaType) {
		return Image{}, &DocumentError{name, "/config/mediaType", fmt.Errorf("an artifact of type %s, not an image", quote(m.Config.MediaType))}
	}
	c, err := ParseConfig(m.Config, config)
	if err != nil {
		return Image{}, err
	}
	if len(m.Layers) != len(c.RootFS.DiffIDs) {
		return Image{}, &DocumentError{name, "/layers", fmt.Errorf("%d layers, but the config has %d diff_ids", len(m.Layers), len(c.RootFS.DiffIDs))}
	}
	img := Image{
		Manifest:         imagespec.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size},
		ManifestBytes:    manifest,
		ConfigDescriptor: imagespec.Descriptor{MediaType: m.Config.MediaType, Digest: m.Config.Digest, Size: m.Config.Size},
		ConfigBytes:      config,
		Config:           c,
	}
	for i, l := range m.Layers {
		if !isLayer(l.MediaType) {
			return Image{}, &DocumentError{name, fmt.Sprintf("/layers/%d/mediaType", i), unsupported(l.MediaType)}
		}
		img.Layers = append(img.Layers, Layer{l.MediaType, l.Digest, l.Size, c.RootFS.DiffIDs[i]})
	}
	if err := img.consistent(name); err != nil {
		return Image{}, err
	}
	return img, nil
}

// consistent refuses an image that says two things about one blob.
func (img *Image) consistent(name string) error {
	byDigest := make(map[digest.Digest]Layer)
	for i, l := range img.Layers {
		before, ok := byDigest[l.Digest]
		byDigest[l.Digest] = l
		if ok && (before.Size != l.Size || before.DiffID != l.DiffID) {
			return &DocumentError{name, fmt.Sprintf("/layers/%d", i), errors.New("the same blob as a layer below with another size or diffID")}
		}
	}
	return nil
}

// ID is the digest of the config, by which an image is known whatever manifest
// refers to it.
func (img *Image) ID() digest.Digest { return img.ConfigDescriptor.Digest }

// Platform is what the config says that the image runs on. Its fields may be
// empty.
func (img *Image) Platform() imagespec.Platform { return img.Config.Platform }

// Blobs are the blobs that the image consists of, each once: the manifest, the
// config and the layers from the lowest up.
func (img *Image) Blobs() []imagespec.Descriptor {
	blobs := []imagespec.Descriptor{img.Manifest, img.ConfigDescriptor}
	seen := map[digest.Digest]bool{img.Manifest.Digest: true, img.ConfigDescriptor.Digest: true}
	for _, l := range img.Layers {
		if !seen[l.Digest] {
			seen[l.Digest] = true
			blobs = append(blobs, l.descriptor())
		}
	}
	return blobs
}
