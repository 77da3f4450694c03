package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	digest "github.com/opencontainers/go-digest"
	imagespec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Options are how an archive is read. The zero value is ready to use.
type Options struct {
	// Platform is what the images are for. Where the archive offers one image
	// for several platforms, the one for this is chosen and the others are left
	// out; an image for other platforms alone is a [PlatformError].
	//
	// Nil means this machine's, and is more lenient: an image that the archive
	// holds for one platform only is taken whatever that is.
	Platform *imagespec.Platform

	Limits Limits
}

// Contents is what an archive holds.
type Contents struct {
	// Images has an entry for each image, in the order in which the archive
	// first names them; at least one.
	Images []Image

	// Skipped are entries of index.json that are no images for the platform.
	Skipped []Skipped
}

// Skipped is an entry of an archive that was not read, and why.
type Skipped struct {
	Descriptor imagespec.Descriptor
	Reason     string
}

// Read reads an image archive from an uncompressed tar stream: an OCI image
// layout, what docker save writes, or both in one, as Docker does since version
// 25. It reads r to its end, and ctx bounds the time between two reads.
//
// Every blob in the stream goes to the sink as it passes, so the sink can be left
// with blobs that no image needs. Those of the images returned are complete,
// except that their layers were not looked into: see [Unpack].
//
// An error that comes from the archive matches [ErrInvalid], and one that the
// platform causes is a [PlatformError]; others are those of r and of the sink.
func Read(ctx context.Context, r io.Reader, sink Sink, o Options) (Contents, error) {
	rd := newReader(sink, o)
	s := &stream{reader: rd, docs: make(map[string][]byte), files: make(map[string]stored), links: make(map[string]string)}
	if err := s.scan(ctx, r); err != nil {
		return Contents{}, err
	}
	return rd.contents(ctx, s)
}

// A reader has what reading needs, whatever the archive is kept in.
type reader struct {
	sink     Sink
	platform *imagespec.Platform
	budget   *budget
	images   []Image // by the digest of their manifests, each once
	skipped  []Skipped
	configs  map[digest.Digest]bool // of all images of a layout, for whatever platform
	parsed   map[parsedKey]candidate
}

func newReader(sink Sink, o Options) *reader {
	return &reader{
		sink:     sink,
		platform: o.Platform,
		budget:   newBudget(o.Limits),
		configs:  make(map[digest.Digest]bool),
		parsed:   make(map[parsedKey]candidate),
	}
}

// A tree finds the files of an archive by their names.
type tree interface {
	// document returns the whole of a small file. The error matches ErrMissing
	// if there is none.
	document(ctx context.Context, name string) ([]byte, error)

	// blob puts a file into the sink, if it is not there already. The error
	// matches ErrMissing if there is none.
	blob(ctx context.Context, name string) (stored, error)

	// has reports whether the file is there.
	has(name string) bool

	// stray is a name that tells a user what is wrong with an archive that has
	// neither form, or empty.
	stray() string
}

// The documents that an archive has by their names.
const (
	layoutName = imagespec.ImageLayoutFile
	indexName  = imagespec.ImageIndexFile
	dockerName = "manifest.json"
)

// contents makes images of what the tree holds. An archive in both forms is an
// image layout whose images have names from manifest.json besides.
func (rd *reader) contents(ctx context.Context, t tree) (Contents, error) {
	var err error
	switch {
	case t.has(indexName) || t.has(layoutName):
		if err = rd.layout(ctx, t); err == nil && t.has(dockerName) {
			err = rd.dockerNames(ctx, t)
		}
	case t.has(dockerName):
		err = rd.dockerImages(ctx, t)
	default:
		err = neither(t)
	}
	if err == nil {
		err = rd.uniqueNames()
	}
	if err != nil {
		return Contents{}, err
	}
	return Contents{rd.images, rd.skipped}, nil
}

// neither says what is wrong with an archive that is no image archive.
func neither(t tree) error {
	err := fmt.Errorf("neither %s nor %s: %w", indexName, dockerName, ErrMissing)
	if s := t.stray(); s != "" {
		err = fmt.Errorf("%w; there is %s", err, quote(s))
	}
	return &invalid{err}
}

// uniqueNames makes every name stand once, and refuses an archive in which one
// stands for two images: readers that take the first and the last would differ.
func (rd *reader) uniqueNames() error {
	owner := make(map[string]int)
	for i := range rd.images {
		var names []string
		for _, n := range rd.images[i].Names {
			j, ok := owner[n]
			if ok && j != i {
				return invalidf("the name %s stands for two images: manifests %s and %s", n, rd.images[j].Manifest.Digest, rd.images[i].Manifest.Digest)
			}
			if !ok {
				owner[n] = i
				names = append(names, n)
			}
		}
		rd.images[i].Names = names
	}
	return nil
}

// image returns the image with a manifest, and adds it by make if there is none.
func (rd *reader) image(manifest digest.Digest, make func() (Image, error)) (*Image, error) {
	i := slices.IndexFunc(rd.images, func(img Image) bool { return img.Manifest.Digest == manifest })
	if i < 0 {
		img, err := make()
		if err != nil {
			return nil, err
		}
		rd.images = append(rd.images, img)
		i = len(rd.images) - 1
	}
	return &rd.images[i], nil
}

// layer takes the file of a layer into the sink and checks it against what the
// documents say.
func (rd *reader) layer(ctx context.Context, t tree, name string, l Layer) error {
	b, err := t.blob(ctx, name)
	if err != nil {
		return err
	}
	if b.size != l.Size {
		return wrongSize(name, b.size, l.Size)
	}
	return b.checkLayer(name, l.DiffID)
}

// checkLayer checks what can be told of a layer without unpacking it: one that is
// not compressed is what its diffID says.
func (b stored) checkLayer(name string, diffID digest.Digest) error {
	if _, ok := b.form.layerMediaType(); !ok {
		return invalidf("%s: a layer compressed with %s is not supported", shown(name), b.form)
	}
	if b.form == noCompression && b.digest != diffID {
		return &MismatchError{Name: name, What: "diffID", Got: b.digest.String(), Want: diffID.String()}
	}
	return nil
}

// isMissing reports whether err says that a file is not in the archive.
func isMissing(err error) bool { return errors.Is(err, ErrMissing) }
