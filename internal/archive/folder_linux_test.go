package archive

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A folder of which a file was replaced by something else. None of it is opened,
// or it would block or be read for ever.
func TestReadDirRefusesSpecialFiles(t *testing.T) {
	t.Parallel()
	m := newMemory()
	img := makeImage(t, m, own(), "a")
	outside := filepath.Join(t.TempDir(), "outside")
	require.NoError(t, os.WriteFile(outside, m.blobs[img.ID()], 0o600))
	for _, tt := range []struct {
		name string
		make func(path string) error
	}{
		{"FIFO", func(p string) error { return syscall.Mkfifo(p, 0o600) }},
		{"link to a device", func(p string) error { return os.Symlink("/dev/zero", p) }},
		{"link to the same content outside", func(p string) error { return os.Symlink(outside, p) }},
		{"link to itself", func(p string) error { return os.Symlink(filepath.Base(p), p) }},
		{"folder", func(p string) error { return os.Mkdir(p, 0o700) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, name := range []string{"oci-layout", "index.json", blobName(img.Manifest.Digest), blobName(img.ID()), blobName(img.Layers[0].Digest)} {
				dir := t.TempDir()
				require.NoError(t, WriteDir(t.Context(), dir, []Image{img}, m))
				path := filepath.Join(dir, name)
				require.NoError(t, os.Remove(path))
				require.NoError(t, tt.make(path))
				_, err := ReadDir(t.Context(), dir, newMemory(), Options{})
				require.ErrorIs(t, err, ErrInvalid, name)
			}
		})
	}
}

// A folder above the blobs that leads elsewhere is not followed out.
func TestReadDirStaysInside(t *testing.T) {
	t.Parallel()
	m := newMemory()
	img := makeImage(t, m, own(), "a")
	dir, outside := t.TempDir(), filepath.Join(t.TempDir(), "layout")
	require.NoError(t, WriteDir(t.Context(), dir, []Image{img}, m))
	require.NoError(t, WriteDir(t.Context(), outside, []Image{img}, m))
	require.NoError(t, os.RemoveAll(filepath.Join(dir, "blobs")))
	require.NoError(t, os.Symlink(filepath.Join(outside, "blobs"), filepath.Join(dir, "blobs")))
	_, err := ReadDir(t.Context(), dir, newMemory(), Options{})
	require.Error(t, err)

	_, err = ReadDir(t.Context(), filepath.Join(dir, "none"), newMemory(), Options{})
	assert.ErrorIs(t, err, os.ErrNotExist)
}

// A FIFO that takes the place of a file between look and open does not block.
func TestOpenOfAFIFO(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, syscall.Mkfifo(filepath.Join(dir, "index.json"), 0o600))
	root, err := os.OpenRoot(dir)
	require.NoError(t, err)
	defer root.Close()
	f, err := rooted{root}.Open("index.json")
	require.NoError(t, err)
	require.NoError(t, f.Close())
}
