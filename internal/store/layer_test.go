package store

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	digest "github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/identity"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestLayer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	w, err := s.NewLayer()
	require.NoError(t, err)
	require.NoError(t, w.Dir.WriteFile("file", []byte("x"), 0o644, false))
	d := digest.FromString("x")
	_, ok, err := s.LayerByDiffID(d)
	require.NoError(t, err)
	require.False(t, ok)
	l, err := w.Commit(context.Background(), Layer{DiffID: d, Size: 1})
	require.NoError(t, err)
	require.WithinDuration(t, time.Now(), l.Created, time.Minute)
	assert.Equal(t, "x", readFile(t, dir, l.Path(), "file"))
	_, err = w.Commit(context.Background(), Layer{DiffID: d})
	assert.ErrorIs(t, err, os.ErrClosed)
	assert.ErrorIs(t, w.Abort(), os.ErrClosed)

	found, ok, err := s.LayerByDiffID(d)
	require.NoError(t, err)
	require.True(t, ok)
	assert.Equal(t, Layer{ID: l.ID, DiffID: d}, found)
	read, err := s.Layer(l.ID)
	require.NoError(t, err)
	assert.Equal(t, l, read)
	for _, bad := range []string{"", "..", "../../etc", "0123456789ab/"} {
		_, err := s.Layer(bad)
		assert.ErrorIs(t, err, ErrInvalid)
	}
	_, err = s.Layer("0123456789ab")
	assert.ErrorIs(t, err, ErrNotFound)
	_, _, err = s.LayerByDiffID("sha256:../x")
	assert.ErrorIs(t, err, ErrInvalid)
}

func TestLayerIsGivenUp(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	w, err := s.NewLayer()
	require.NoError(t, err)
	require.NoError(t, w.Dir.WriteFile("file", []byte("x"), 0o644, false))
	require.NoError(t, w.Abort())
	w, err = s.NewLayer()
	require.NoError(t, err)
	_, err = w.Commit(context.Background(), Layer{DiffID: "sha256:../x"})
	require.ErrorIs(t, err, ErrInvalid)
	require.NoError(t, s.Settle(context.Background()))
	names, err := s.writer.dir.Names()
	require.NoError(t, err)
	assert.Empty(t, names)
	names, err = s.layers.Names()
	require.NoError(t, err)
	assert.Empty(t, names)
}

// Who unpacks the same layer at the same time gets one layer.
func TestLayerAtOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	stores := []*Store{open(t, dir), open(t, dir)}
	var all sync.WaitGroup
	ids := make([]string, 16)
	for n := range ids {
		all.Go(func() { ids[n] = addLayer(t, stores[n%2], "same").ID })
	}
	all.Wait()
	for _, id := range ids {
		assert.Equal(t, ids[0], id)
	}
	names, err := stores[0].layers.Names()
	require.NoError(t, err)
	assert.Len(t, names, 1)
	requireClosed(t, stores...)
	requireWhole(t, dir)
}

func TestLayersOf(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	a, b, c := digest.FromString("a"), digest.FromString("b"), digest.FromString("c")
	chain := identity.ChainIDs([]digest.Digest{a, b, c})
	commit := func(l Layer) string {
		w, err := s.NewLayer()
		require.NoError(t, err)
		l, err = w.Commit(context.Background(), l)
		require.NoError(t, err)
		return l.ID
	}
	idA := commit(Layer{DiffID: a})
	idB := commit(Layer{DiffID: b})
	idC := commit(Layer{DiffID: c, ChainID: chain[2]})
	idOther := commit(Layer{}) // of a fork: nobody has asked for its digest

	got, err := s.LayersOf([]digest.Digest{a, b, c})
	require.NoError(t, err)
	assert.Equal(t, []Layer{{ID: idA, DiffID: a}, {ID: idB, DiffID: b}, {ID: idC, DiffID: c}}, got)
	got, err = s.LayersOf([]digest.Digest{b, a, c, a})
	require.NoError(t, err)
	assert.Equal(t, []Layer{{ID: idB, DiffID: b}, {ID: idA, DiffID: a}, {DiffID: c}, {ID: idA, DiffID: a}}, got,
		"a layer that depends on those below it serves on them alone")
	_, err = s.LayersOf([]digest.Digest{a, "sha256:.."})
	assert.ErrorIs(t, err, ErrInvalid)
	l, err := s.Layer(idOther)
	require.NoError(t, err)
	assert.Empty(t, l.DiffID)

	// A layer whose directory is gone is unpacked again, under the same digest.
	require.NoError(t, os.RemoveAll(filepath.Join(s.Path(), "layers", idA)))
	_, ok, err := s.LayerByDiffID(a)
	require.NoError(t, err)
	require.False(t, ok)
	again := commit(Layer{DiffID: a})
	found, _, err := s.LayerByDiffID(a)
	require.NoError(t, err)
	assert.Equal(t, again, found.ID)
}

func TestLowers(t *testing.T) {
	t.Parallel()
	i := Image{Layers: []Layer{{ID: "a"}, {ID: "b"}, {ID: "a"}, {ID: "c"}}}
	assert.Equal(t, []string{"c", "a", "b"}, i.Lowers())
	assert.Empty(t, Image{}.Lowers())
}

func requireClosed(tb testing.TB, stores ...*Store) {
	for _, s := range stores {
		require.NoError(tb, s.Close())
	}
}
