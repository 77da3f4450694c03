package coracle

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"

	imagespec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/coraclehq/coracle/internal/archive"
	"github.com/coraclehq/coracle/internal/store"
)

// Layer is a layer of an image, or to be one. Its methods are safe for concurrent
// use.
type Layer struct {
	e    *Engine
	blob archive.Layer
	host bool // of an image over the host's root file system
}

// DiffID is the digest of the layer's uncompressed tar stream, "sha256:" and 64
// hexadecimal digits: the same files, the same DiffID, however it is compressed.
func (l *Layer) DiffID() string { return l.blob.DiffID.String() }

// Digest is the digest of the layer as it is stored and sent.
func (l *Layer) Digest() string { return l.blob.Digest.String() }

// Size is the size of the layer as it is stored and sent, in bytes.
func (l *Layer) Size() int64 { return l.blob.Size }

// NewLayer takes in a layer from a tar stream, compressed with gzip or zstd or not,
// which it reads to its end. A stream that is no acceptable layer is ErrInvalid.
//
// A layer that no image has is kept while the program holds on to the Layer and the
// engine is open. Nothing that was removed is cleared from the disk meanwhile.
func (e *Engine) NewLayer(ctx context.Context, r io.Reader) (*Layer, error) {
	l, err := e.newLayer(ctx, r)
	return l, wrap("new layer", "", err)
}

func (e *Engine) newLayer(ctx context.Context, r io.Reader) (_ *Layer, err error) {
	if err := e.begin(); err != nil {
		return nil, err
	}
	defer e.runs.Done()
	l := &Layer{e: e}
	// Pinned before it is there: it is nobody's in between, else.
	if err := e.pins.add(ctx, e.store); err != nil {
		return nil, err
	}
	err = e.held(ctx, func() error {
		n, err := e.incoming(ctx, r)
		if err == nil {
			l.blob, err = n.keep(ctx, nil)
		}
		return err
	})
	if err != nil {
		return nil, errors.Join(err, e.pins.drop(), e.collect(ctx)) // the pin was in the way
	}
	runtime.AddCleanup(l, func(p *pins) { p.drop() }, &e.pins)
	return l, nil
}

// layersOf are the layers of an image, the lowest first.
func (e *Engine) layersOf(i store.Image) ([]*Layer, error) {
	blobs, err := e.layerBlobs(i)
	if err != nil {
		return nil, err
	}
	var layers []*Layer
	for _, b := range blobs {
		layers = append(layers, &Layer{e: e, blob: b, host: i.Host})
	}
	return layers, nil
}

// layerBlobs joins what manifest and configuration say of an image's layers.
func (e *Engine) layerBlobs(i store.Image) ([]archive.Layer, error) {
	data, err := e.store.ReadBlob(i.Manifest.Digest)
	if err != nil {
		return nil, err
	}
	var m imagespec.Manifest
	if err := json.Unmarshal(data, &m); err != nil {
		return nil, errors.Join(ErrDamaged, err)
	}
	if len(m.Layers) != len(i.Layers) {
		return nil, fmt.Errorf("image %s: %d layers in the manifest, %d in the configuration: %w", i.ID, len(m.Layers), len(i.Layers), ErrDamaged)
	}
	var layers []archive.Layer
	for n, d := range m.Layers {
		layers = append(layers, archive.Layer{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size, DiffID: i.Layers[n].DiffID})
	}
	return layers, nil
}

// pins keep what is in the store from being collected while it is only in the hands
// of this program.
type pins struct {
	mu   sync.Mutex // guards what follows
	n    int
	hold *store.Lock // nil: n is 0, or the engine is closed
}

// add is undone by drop.
func (p *pins) add(ctx context.Context, s *store.Store) (err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.n == 0 {
		if p.hold, err = s.Hold(ctx); err != nil {
			return err
		}
	}
	p.n++
	return nil
}

func (p *pins) drop() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.n--; p.n > 0 {
		return nil
	}
	return p.release()
}

// close lets go of everything.
func (p *pins) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.release()
}

// release gives up the lock. The caller holds p.mu.
func (p *pins) release() error {
	if p.hold == nil {
		return nil
	}
	err := p.hold.Unlock()
	p.hold = nil
	return err
}
