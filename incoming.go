package coracle

import (
	"context"
	"crypto/sha256"
	"errors"
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
