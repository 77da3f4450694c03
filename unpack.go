package coracle

import (
	"context"
	"errors"
	"fmt"
	"io"

	digest "github.com/opencontainers/go-digest"

	"github.com/coraclehq/coracle/internal/archive"
	"github.com/coraclehq/coracle/internal/layer"
	"github.com/coraclehq/coracle/internal/store"
	"github.com/coraclehq/coracle/internal/sys"
)

// unpack unpacks those layers of an image that the store does not have as trees.
// Each is verified: the blob's digest and size, and the diffID. It is called within
// held.
func (e *Engine) unpack(ctx context.Context, layers []archive.Layer, from archive.Source) error {
	for {
		s, todo, err := e.missing(layers)
		if err != nil || len(todo) == 0 {
			return err
		}
		s.from = from
		if err := archive.Unpack(ctx, archive.Image{Layers: todo}, from, s, parallel); err != nil {
			return err
		}
	}
}

// parallel is how many layers of an image are unpacked at a time: decompressing is
// what takes longest, and each has a processor to itself for it.
const parallel = 4

// missing are the layers to unpack next. A layer that stands twice may depend on
// what is below, and then it is two trees: the second one has its turn later.
func (e *Engine) missing(layers []archive.Layer) (*layerSink, []archive.Layer, error) {
	s := &layerSink{e: e, layers: layers, diffIDs: diffIDs(layers)}
	var err error
	if s.there, err = e.store.LayersOf(s.diffIDs); err != nil {
		return nil, nil, err
	}
	var todo []archive.Layer
	seen := map[digest.Digest]bool{}
	for i, l := range layers {
		if s.there[i].ID != "" {
			continue
		}
		if seen[l.DiffID] {
			break
		}
		seen[l.DiffID] = true
		todo = append(todo, l)
	}
	return s, todo, nil
}

// layerSink takes in layers of an image, which are committed from the lowest up.
type layerSink struct {
	e       *Engine
	from    archive.Source
	layers  []archive.Layer // of the whole image, the lowest first
	diffIDs []digest.Digest
	there   []store.Layer // those without ID are not there
}

func (s *layerSink) Has(context.Context, digest.Digest) (bool, error) { return false, nil }

func (s *layerSink) New(context.Context) (archive.LayerWriter, error) {
	tree, err := s.e.store.NewLayer()
	if err != nil {
		return nil, err
	}
	return &treeWriter{sink: s, tree: tree}, nil
}

// next is the place of the lowest layer with a diffID that is not there.
func (s *layerSink) next(diffID digest.Digest) (int, error) {
	for i, d := range s.diffIDs {
		if d == diffID && s.there[i].ID == "" {
			return i, nil
		}
	}
	return 0, fmt.Errorf("layer %s is none of the image's", diffID)
}

// base opens what lies below the i-th layer; nil: nothing.
func (s *layerSink) base(i int) (*sys.FD, error) {
	below := store.Image{Layers: s.there[:i]}
	if i == 0 {
		return nil, nil
	}
	return s.e.viewLayers(below.Lowers(), false)
}

// treeWriter is one layer of a layerSink.
type treeWriter struct {
	sink   *layerSink
	tree   *store.LayerWriter
	result layer.Result
}

func (w *treeWriter) Unpack(ctx context.Context, r io.Reader) (diffID digest.Digest, err error) {
	// A cut would be noticed by the digests.
	w.result, diffID, _, err = unpackStream(ctx, r, w.tree.Dir, layer.Options{Defer: true, AllowMissingEnd: true})
	return diffID, err
}

func (w *treeWriter) Commit(ctx context.Context, diffID digest.Digest) (err error) {
	i, err := w.sink.next(diffID)
	if err != nil {
		return err
	}
	if w.result.Deferred() {
		if err := w.settle(ctx, i); err != nil {
			return err
		}
	}
	if err := commitTree(ctx, w.tree, w.result, w.sink.diffIDs[:i+1]); err != nil {
		return err
	}
	there, err := w.sink.e.store.LayersOf(w.sink.diffIDs[:i+1])
	if err == nil {
		w.sink.there[i] = there[i]
	}
	return err
}

// settle completes the tree on the layers below the i-th.
func (w *treeWriter) settle(ctx context.Context, i int) (err error) {
	base, err := w.sink.base(i)
	if err != nil {
		return err
	}
	if base != nil {
		defer func() { err = errors.Join(err, base.Close()) }()
	}
	err = layer.Settle(ctx, w.tree.Dir, base, &w.result)
	if errors.Is(err, layer.ErrNeedsBase) {
		err = w.again(ctx, i, base)
	}
	return err
}

// again unpacks the i-th layer once more, with what it lies on at hand.
func (w *treeWriter) again(ctx context.Context, i int, base *sys.FD) (err error) {
	if err := w.tree.Abort(); err != nil {
		return err
	}
	if w.tree, err = w.sink.e.store.NewLayer(); err != nil {
		return err
	}
	l := w.sink.layers[i]
	blob, err := w.sink.from.Open(ctx, l.Digest)
	if err != nil {
		return err
	}
	defer blob.Close()
	var diffID digest.Digest
	w.result, diffID, _, err = unpackStream(ctx, blob, w.tree.Dir, layer.Options{Base: base, AllowMissingEnd: true})
	if err == nil && diffID != l.DiffID { // it was right a moment ago
		err = fmt.Errorf("layer %s: %w", l.Digest, ErrDamaged)
	}
	return err
}

func (w *treeWriter) Abort() error {
	if w.tree == nil { // again could not make one
		return nil
	}
	return w.tree.Abort()
}

func diffIDs(layers []archive.Layer) []digest.Digest {
	var ids []digest.Digest
	for _, l := range layers {
		ids = append(ids, l.DiffID)
	}
	return ids
}
