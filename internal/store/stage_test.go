package store

import (
	"context"
	"io"
	"os"
	"strings"
	"testing"

	digest "github.com/opencontainers/go-digest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestStage(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	g := s.NewStage()
	put := func(text string) digest.Digest {
		d, n, err := g.Put(strings.NewReader(text), digest.FromString(text), int64(len(text)))
		require.NoError(t, err)
		require.EqualValues(t, len(text), n)
		return d
	}
	read := func(d digest.Digest) string {
		f, err := g.Open(d)
		require.NoError(t, err)
		defer f.Close()
		data, err := io.ReadAll(f)
		require.NoError(t, err)
		return string(data)
	}
	staged := func() []os.DirEntry {
		all, err := os.ReadDir(dir + "/tmp/" + s.writer.name)
		require.NoError(t, err)
		return all
	}

	a, b := put("a"), put("b")
	require.Equal(t, b, put("b"), "once more")
	require.Len(t, staged(), 2)
	require.Equal(t, "a", read(a))
	_, err := s.OpenBlob(a)
	require.ErrorIs(t, err, ErrNotFound, "not the store's")
	require.NoError(t, g.Keep(a))
	require.Equal(t, "a", read(a))
	_, err = s.ReadBlob(a)
	require.NoError(t, err)
	require.NoError(t, g.Keep(a), "it is there")
	require.ErrorIs(t, g.Keep(digest.FromString("c")), ErrNotFound)

	require.NoError(t, os.WriteFile(dir+"/blobs/sha256/"+a.Encoded(), []byte("damaged"), 0o600))
	put("a")
	require.NoError(t, g.Keep(a))
	require.Equal(t, "a", read(a))

	for _, tt := range []struct {
		want digest.Digest
		size int64
	}{{a, -1}, {"", 3}, {"sha256:x", -1}} {
		_, _, err = g.Put(strings.NewReader("c"), tt.want, tt.size)
		require.Error(t, err)
	}
	_, _, err = g.Put(io.MultiReader(strings.NewReader("c"), iotestErr{}), "", -1)
	require.ErrorIs(t, err, os.ErrPermission)
	require.Len(t, staged(), 1)

	require.NoError(t, g.Drop())
	require.NoError(t, g.Drop())
	require.Empty(t, staged())
	_, err = g.Open(b)
	require.ErrorIs(t, err, ErrNotFound)

	put("left")
	require.NoError(t, s.Close())
	require.ErrorIs(t, g.Drop(), ErrClosed)
	_, _, err = g.Put(strings.NewReader("d"), "", -1)
	require.ErrorIs(t, err, ErrClosed)
	require.ErrorIs(t, g.Keep(b), ErrClosed)
	all, err := os.ReadDir(dir + "/tmp")
	require.NoError(t, err)
	assert.Empty(t, all)
}

type iotestErr struct{}

func (iotestErr) Read([]byte) (int, error) { return 0, os.ErrPermission }

// Garbage collection does not see what is staged.
func TestCollectLeavesTheStageAlone(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	g := s.NewStage()
	d, _, err := g.Put(strings.NewReader("a"), "", -1)
	require.NoError(t, err)
	_, err = s.Collect(context.Background())
	require.NoError(t, err)
	require.NoError(t, g.Keep(d))
	require.NoError(t, g.Drop())
}
