package coracle

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	digest "github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/identity"
	imagespec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/coraclehq/coracle/internal/archive"
	"github.com/coraclehq/coracle/internal/layer"
	"github.com/coraclehq/coracle/internal/store"
	"github.com/coraclehq/coracle/internal/sys"
)

// incoming is a layer on its way into the store, blob and tree at once. Nobody sees
// anything of it before keep. It ends with keep or drop.
type incoming struct {
	e      *Engine
	blob   *store.BlobWriter
	tree   *store.LayerWriter
	result layer.Result
	diffID digest.Digest
	form   layer.Compression
}

// incoming reads a layer, compressed or not, to its end. It is called within held.
func (e *Engine) incoming(ctx context.Context, r io.Reader) (_ *incoming, err error) {
	n := &incoming{e: e}
	if n.blob, err = e.store.NewBlob(); err != nil {
		return nil, err
	}
	if n.tree, err = e.store.NewLayer(); err != nil {
		return nil, errors.Join(err, n.blob.Abort())
	}
	raw := io.TeeReader(r, n.blob)
	n.result, n.diffID, n.form, err = unpackStream(ctx, raw, n.tree.Dir, layer.Options{Defer: true})
	if err != nil {
		return nil, errors.Join(err, n.drop())
	}
	return n, nil
}

// packed reads a layer that pack writes. It is kept uncompressed: the next container
// has it at once, and whoever sends it far can compress it.
func (e *Engine) packed(ctx context.Context, pack func(io.Writer) error) (*incoming, error) {
	r, w := io.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.CloseWithError(pack(w))
	}()
	n, err := e.incoming(ctx, r)
	r.Close()
	<-done
	return n, err
}

// keep makes the blob visible, and the tree if it is complete: on the layers of
// those diffIDs if it depends on them. What is incomplete is unpacked when it is
// known what it lies on.
func (n *incoming) keep(ctx context.Context, below []digest.Digest) (archive.Layer, error) {
	d, size, err := n.blob.Commit("", -1)
	if err != nil {
		return archive.Layer{}, errors.Join(err, n.tree.Abort())
	}
	l := archive.Layer{MediaType: mediaType(n.form), Digest: d, Size: size, DiffID: n.diffID}
	if n.result.Deferred() {
		return l, n.tree.Abort()
	}
	return l, commitTree(ctx, n.tree, n.result, append(below[:len(below):len(below)], n.diffID))
}

// drop gives the layer up.
func (n *incoming) drop() error { return errors.Join(n.blob.Abort(), n.tree.Abort()) }

// commitTree makes a tree visible, the top one of those diffIDs.
func commitTree(ctx context.Context, tree *store.LayerWriter, r layer.Result, diffIDs []digest.Digest) error {
	meta := store.Layer{DiffID: diffIDs[len(diffIDs)-1], Size: r.Size}
	if r.Depends {
		meta.ChainID = identity.ChainID(diffIDs)
	}
	_, err := tree.Commit(ctx, meta)
	return err
}

func mediaType(c layer.Compression) string {
	switch c {
	case layer.Gzip:
		return imagespec.MediaTypeImageLayerGzip
	case layer.Zstd:
		return imagespec.MediaTypeImageLayerZstd
	}
	return imagespec.MediaTypeImageLayer
}

// unpackStream unpacks a layer as it is stored, reads it to its end and tells its
// diffID.
func unpackStream(ctx context.Context, r io.Reader, dir *sys.FD, o layer.Options) (_ layer.Result, _ digest.Digest, _ layer.Compression, err error) {
	plain, form, err := layer.Decompress(r, o.Limits)
	if err != nil {
		return layer.Result{}, "", 0, err
	}
	defer func() { err = errors.Join(err, plain.Close()) }()
	hash := sha256.New()
	in := io.TeeReader(plain, hash)
	result, err := layer.Unpack(ctx, in, dir, o)
	if err == nil { // what follows the end mark belongs to the diffID, too
		_, err = io.Copy(io.Discard, in)
	}
	if err != nil {
		return layer.Result{}, "", 0, err
	}
	return result, digest.NewDigest(digest.SHA256, hash), form, nil
}

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
