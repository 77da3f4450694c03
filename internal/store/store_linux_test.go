package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestOpenMakesAStoreOnce(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "a", "b")
	s := open(t, dir)
	assert.Len(t, s.ID(), 16)
	assert.Equal(t, dir, s.Path())
	before := tree(t, dir)
	again := open(t, dir)
	assert.Equal(t, s.ID(), again.ID())
	assert.Equal(t, before, tree(t, dir), "a store that is only opened is not written to")
	assert.Equal(t, `{"imageLayoutVersion":"1.0.0"}`, readFile(t, dir, "oci-layout"))
	assert.JSONEq(t, `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}`,
		readFile(t, dir, "index.json"))
}

func TestOpenTakesUpWhatWasCutShort(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "blobs"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "names.json"), nil, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, ".tmp-version-x"), nil, 0o600))
	s := open(t, dir)
	addImage(t, s, "busybox", "one")
	requireClosed(t, s)
	requireWhole(t, dir)
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	foreign := func(t *testing.T) string {
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, "thesis.tex"), nil, 0o600))
		return dir
	}
	version := func(text string) func(*testing.T) string {
		return func(t *testing.T) string {
			dir := t.TempDir()
			open(t, dir)
			require.NoError(t, os.WriteFile(filepath.Join(dir, "version"), []byte(text), 0o600))
			return dir
		}
	}
	for _, tt := range []struct {
		name string
		dir  func(*testing.T) string
		want error
	}{
		{"a directory of somebody else", foreign, ErrInvalid},
		{"no version", version(""), ErrDamaged},
		{"version zero", version(`{"version":0,"id":"0123456789abcdef"}`), ErrDamaged},
		{"a bad ID", version(`{"version":1,"id":"../../../../etc/"}`), ErrDamaged},
		{"a version that is a directory", func(t *testing.T) string {
			dir := t.TempDir()
			require.NoError(t, os.Mkdir(filepath.Join(dir, "version"), 0o700))
			return dir
		}, nil},
		{"a directory that others may write to", func(t *testing.T) string {
			dir := t.TempDir()
			open(t, dir)
			require.NoError(t, os.Chmod(dir, 0o777))
			return dir
		}, ErrInvalid},
		{"a file", func(t *testing.T) string { return filepath.Join(foreign(t), "thesis.tex") }, fs.ErrExist},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := tt.dir(t)
			before := tree(t, dir)
			s, err := Open(context.Background(), dir, Options{})
			require.Error(t, err)
			require.Nil(t, s)
			if tt.want != nil && tt.want != fs.ErrExist {
				assert.ErrorIs(t, err, tt.want)
			}
			assert.Equal(t, before, tree(t, dir))
		})
	}
}

func TestNewerVersionIsReadOnly(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	i := addImage(t, s, "busybox", "one")
	c := addContainer(t, s, "web")
	require.NoError(t, s.Close())
	require.NoError(t, os.WriteFile(filepath.Join(dir, "version"), []byte(`{"version":7,"id":"`+s.ID()+`"}`), 0o600))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "tmp", "dead"), 0o700))
	before := tree(t, dir)

	s = open(t, dir)
	got, err := s.Image("busybox")
	require.NoError(t, err)
	assert.Equal(t, i.ID, got.ID)
	r, err := s.Container("web")
	require.NoError(t, err)
	assert.Equal(t, c.ID, r.ID)

	ctx := context.Background()
	for name, change := range map[string]func() error{
		"NewBlob":         func() error { _, err := s.NewBlob(); return err },
		"NewLayer":        func() error { _, err := s.NewLayer(); return err },
		"PutImage":        func() error { _, err := s.PutImage(ctx, NewImage{Manifest: i.Manifest}); return err },
		"Tag":             func() error { return s.Tag(ctx, "busybox", "other", true) },
		"Untag":           func() error { return s.Untag(ctx, "busybox") },
		"RemoveImage":     func() error { _, err := s.RemoveImage(ctx, "busybox", true); return err },
		"Collect":         func() error { _, err := s.Collect(ctx); return err },
		"CreateContainer": func() error { _, err := s.CreateContainer(ctx, NewContainer{}); return err },
		"RemoveContainer": func() error { return s.RemoveContainer(ctx, c.ID) },
		"Lock":            func() error { _, err := s.Lock(ctx, "net"); return err },
		"Hold":            func() error { _, err := s.Hold(ctx); return err },
		"Recover":         func() error { return s.Recover(ctx) },
	} {
		err := change()
		var v *VersionError
		require.ErrorAs(t, err, &v, name)
		assert.Equal(t, VersionError{Path: dir, Found: 7, Known: 1}, *v, name)
		assert.ErrorIs(t, err, ErrReadOnly, name)
	}
	require.NoError(t, s.Close())
	assert.Equal(t, before, tree(t, dir))
}

func TestOpenAtOnce(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "store")
	var all sync.WaitGroup
	ids := make([]string, 16)
	for n := range ids {
		all.Go(func() {
			s, err := Open(context.Background(), dir, Options{Volatile: true})
			if assert.NoError(t, err) {
				ids[n] = s.ID()
				assert.NoError(t, s.Close())
			}
		})
	}
	all.Wait()
	for _, id := range ids {
		assert.Equal(t, ids[0], id)
	}
	requireWhole(t, dir)
}

func TestClose(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	c := addContainer(t, s, "web")
	blob, err := s.NewBlob()
	require.NoError(t, err)
	layer, err := s.NewLayer()
	require.NoError(t, err)
	require.NoError(t, s.Close())
	assert.ErrorIs(t, s.Close(), ErrClosed)

	_, err = s.Container(c.ID)
	assert.ErrorIs(t, err, ErrClosed)
	for _, err := range s.Containers() {
		assert.ErrorIs(t, err, ErrClosed)
	}
	for _, err := range s.Images() {
		assert.ErrorIs(t, err, ErrClosed)
	}
	_, _, err = blob.Commit("", -1)
	assert.ErrorIs(t, err, ErrClosed)
	assert.ErrorIs(t, blob.Abort(), ErrClosed)
	_, err = layer.Commit(context.Background(), Layer{})
	assert.ErrorIs(t, err, ErrClosed)
	assert.ErrorIs(t, layer.Abort(), ErrClosed)
	assert.ErrorIs(t, layer.Abort(), os.ErrClosed)
	requireWhole(t, dir)
}

// A Close in the middle of other calls must neither break them nor let them use
// descriptors that are somebody else's by then.
func TestCloseUnderLoad(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	var all sync.WaitGroup
	for g := range 8 {
		all.Go(func() {
			for n := 0; ; n++ {
				_, err := s.CreateContainer(context.Background(), NewContainer{Record: Record{Name: fmt.Sprintf("c%d-%d", g, n)}})
				if errors.Is(err, ErrClosed) {
					return
				}
				if !assert.NoError(t, err) {
					return
				}
				if n == 20 && g == 0 {
					assert.NoError(t, s.Close())
				}
			}
		})
	}
	all.Wait()
	requireWhole(t, dir)
}

// Nothing in a store can be read by others, whatever the umask (CVE-2021-41091,
// CVE-2024-25621). The umask belongs to the process, so children of the test have it.
func TestPermissions(t *testing.T) {
	t.Parallel()
	for _, umask := range []string{"0", "077", "0777"} {
		t.Run(umask, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "store")
			child(t, "fill", dir, umask).wait(t)
			open := map[string]string{} // what others could enter, if they came so far
			require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
				require.NoError(t, err)
				info, err := d.Info()
				require.NoError(t, err)
				rel, _ := filepath.Rel(dir, path)
				switch {
				case info.Mode()&fs.ModeSymlink != 0:
				case d.Name() == "upper" || d.Name() == "fs":
					assert.Equal(t, fs.FileMode(0o755), info.Mode().Perm(), rel)
					open[path] = filepath.Dir(path)
					return fs.SkipDir
				case d.IsDir():
					assert.Equal(t, fs.FileMode(0o700), info.Mode().Perm(), rel)
				default:
					assert.Equal(t, fs.FileMode(0o600), info.Mode().Perm(), rel)
				}
				return nil
			}))
			assert.Len(t, open, 2)
		})
	}
}
