package coracle

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"runtime"

	digest "github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	imagespec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/coraclehq/coracle/internal/archive"
	"github.com/coraclehq/coracle/internal/layer"
	"github.com/coraclehq/coracle/internal/store"
)

// Source is what an image is made from: FromArchive, FromFS, FromLayers, FromHost.
// A Source that reads from a stream serves once.
type Source interface {
	load(ctx context.Context, e *Engine, name string) (*Image, error)
}

// FromArchive is an image in an archive, compressed with gzip or zstd or not: an
// image layout of OCI as a tar stream, or what docker save writes. It is read once,
// to its end, and not sought in; a read that waits is not interrupted by the end of
// the context.
//
// Of an archive with several images NewImage takes, with a name, the one that is
// called so in the archive; without, all of them, and returns the first. See
// Engine.Load. Of an image for several platforms it takes the one for this machine.
func FromArchive(r io.Reader) Source { return archiveSource{r} }

// FromFS is an image of one layer with the files of fsys: an embed.FS, what
// os.DirFS returns, a zip.Reader. They belong to root; permissions and times are
// those that fsys tells. Symbolic links are kept if fsys is an fs.ReadLinkFS.
// Files that are neither regular nor directories nor links are left out.
//
// The same files with the same configuration are the same image.
func FromFS(fsys fs.FS, cfg ImageConfig) Source { return fsSource{fsys, cfg} }

// FromLayers is an image of layers of the same engine, the lowest first, be they
// from Engine.NewLayer or another image's. Those of an image over the machine's own
// root file system are ErrNotPortable.
func FromLayers(cfg ImageConfig, layers ...*Layer) Source { return layersSource{cfg, layers} }

// FromHost is the machine's own root file system: a first container with nothing to
// download. Only the root mount is seen, and of it neither the homes, /var/lib,
// /srv, /run and /tmp, nor the store, nor shadow files and ssh host keys. What the
// container writes goes to its own layer.
//
// Without another name its image is called "host", which no other can be. An image
// that was committed on it cannot leave the machine: ErrNotPortable.
func FromHost() Source { return hostSource{} }

type hostSource struct{}

func (hostSource) load(ctx context.Context, e *Engine, name string) (image *Image, err error) {
	config := ImageConfig{Cmd: []string{"/bin/sh"}}.document()
	config.RootFS = rootFS(nil, true)
	err = e.held(ctx, func() (err error) {
		data, err := json.Marshal(config)
		if err == nil {
			image, err = e.put(ctx, first(name, store.HostName), data, nil, true)
		}
		return err
	})
	return image, err
}

type fsSource struct {
	fsys fs.FS
	cfg  ImageConfig
}

func (s fsSource) load(ctx context.Context, e *Engine, name string) (image *Image, err error) {
	if s.fsys == nil {
		return nil, fmt.Errorf("no file system: %w", ErrInvalid)
	}
	err = e.held(ctx, func() error {
		n, err := e.packed(ctx, func(w io.Writer) error {
			_, err := layer.PackFS(ctx, w, s.fsys)
			return err
		})
		if err != nil {
			return err
		}
		l, err := n.keep(ctx, nil)
		if err == nil {
			image, err = e.compose(ctx, name, s.cfg, []archive.Layer{l})
		}
		return err
	})
	return image, err
}

type layersSource struct {
	cfg    ImageConfig
	layers []*Layer
}

func (s layersSource) load(ctx context.Context, e *Engine, name string) (image *Image, err error) {
	defer runtime.KeepAlive(s.layers) // they may be what keeps them from being collected
	var layers []archive.Layer
	for _, l := range s.layers {
		switch {
		case l == nil || l.e != e:
			return nil, fmt.Errorf("a layer of another engine: %w", ErrInvalid)
		case l.host:
			return nil, fmt.Errorf("layer %s: %w", l.blob.DiffID, ErrNotPortable)
		}
		layers = append(layers, l.blob)
	}
	err = e.held(ctx, func() (err error) {
		image, err = e.compose(ctx, name, s.cfg, layers)
		return err
	})
	return image, err
}

// compose makes an image of layers whose blobs the store has. It is called within
// held.
func (e *Engine) compose(ctx context.Context, name string, cfg ImageConfig, layers []archive.Layer) (*Image, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	if err := e.unpack(ctx, layers, blobs{e.store}); err != nil {
		return nil, err
	}
	config := cfg.document()
	for range layers {
		config.History = append(config.History, imagespec.History{Created: config.Created, CreatedBy: "coracle"})
	}
	config.RootFS = rootFS(layers, false)
	data, err := json.Marshal(config)
	if err != nil {
		return nil, err
	}
	return e.put(ctx, name, data, layers, false)
}

// rootFS lists the layers of an image. Over the host's root file system it is of no
// type: an archive's is "layers", or it is refused, and so none can hold an image
// that has the ID of one over the host.
func rootFS(layers []archive.Layer, host bool) imagespec.RootFS {
	r := imagespec.RootFS{Type: "layers", DiffIDs: append([]digest.Digest{}, diffIDs(layers)...)}
	if host {
		r.Type = ""
	}
	return r
}

// put lists an image by its configuration and its layers, which the store has.
func (e *Engine) put(ctx context.Context, name string, config []byte, layers []archive.Layer, host bool) (*Image, error) {
	manifest := imagespec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2},
		MediaType: imagespec.MediaTypeImageManifest,
		Layers:    []imagespec.Descriptor{}, // required, also when empty
	}
	for _, l := range layers {
		manifest.Layers = append(manifest.Layers, imagespec.Descriptor{MediaType: l.MediaType, Digest: l.Digest, Size: l.Size})
	}
	var err error
	if manifest.Config, err = e.putDocument(imagespec.MediaTypeImageConfig, config); err != nil {
		return nil, err
	}
	data, err := json.Marshal(manifest)
	if err != nil {
		return nil, err
	}
	m, err := e.putDocument(imagespec.MediaTypeImageManifest, data)
	if err != nil {
		return nil, err
	}
	n := store.NewImage{Manifest: m, Replace: true, Host: host}
	if name != "" {
		n.Names = []string{name}
	}
	i, err := e.store.PutImage(ctx, n)
	if err != nil {
		return nil, err
	}
	return &Image{e, i.ID.String(), name}, nil
}

// putDocument stores a JSON document. One that could not be read again is refused.
func (e *Engine) putDocument(mediaType string, data []byte) (imagespec.Descriptor, error) {
	if len(data) > store.MaxManifest {
		return imagespec.Descriptor{}, errors.Join(fmt.Errorf("a document of %d bytes, more than %d", len(data), store.MaxManifest), ErrInvalid)
	}
	d, err := e.store.PutBlob(data)
	return imagespec.Descriptor{MediaType: mediaType, Digest: d, Size: int64(len(data))}, err
}
