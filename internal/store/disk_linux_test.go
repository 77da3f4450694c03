package store

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/coraclehq/coracle/internal/sys"
	"github.com/coraclehq/coracle/internal/testenv"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A store on a disk of every size, from too small to large enough: what does not fit
// is ErrNoSpace, leaves nothing, and what is there can be used and removed.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	testenv.Root(t)
	ctx := context.Background()
	page := int64(os.Getpagesize())
	done := 0
	for pages := int64(1); pages <= 40; pages++ {
		dir := testenv.Tmpfs(t, pages*page, 0)
		s, err := Open(ctx, dir, Options{})
		if err != nil {
			require.ErrorIs(t, err, ErrNoSpace)
			left, err := os.ReadDir(dir)
			require.NoError(t, err)
			require.Empty(t, left, "%d pages", pages)
			continue
		}
		for name, op := range map[string]func() error{
			"blob": func() error {
				w, err := s.NewBlob()
				if err != nil {
					return err
				}
				if _, err := w.Write(make([]byte, 10*page)); err != nil {
					return errors.Join(err, w.Abort())
				}
				if _, _, err := w.Commit("", -1); err != nil {
					return err
				}
				_, err = s.Collect(ctx)
				return err
			},
			"container": func() error {
				c, err := s.CreateContainer(ctx, NewContainer{Record: Record{Name: "web"}, Spec: make([]byte, 3*page)})
				if err != nil {
					return err
				}
				return s.RemoveContainer(ctx, c.ID)
			},
			"layer": func() error {
				w, err := s.NewLayer()
				if err != nil {
					return err
				}
				if err := w.Dir.WriteFile("file", make([]byte, 5*page), 0o600, true); err != nil {
					return errors.Join(classify(err), w.Abort())
				}
				if _, err := w.Commit(ctx, Layer{}); err != nil {
					return err
				}
				_, err = s.Collect(ctx)
				return err
			},
		} {
			before := used(t, dir)
			err := op()
			if err != nil {
				require.ErrorIs(t, err, ErrNoSpace, name)
			} else {
				done++
			}
			require.NoError(t, s.Settle(ctx))
			// Not at once: a child that another test is just starting has a copy of
			// every descriptor until it executes.
			eventually(t, name+" gives back its space", func() bool { return used(t, dir) <= before })
		}
		require.NoError(t, s.Close())
		requireWhole(t, dir)
	}
	assert.Greater(t, done, 10)
}

func used(t *testing.T, dir string) uint64 {
	t.Helper()
	var st syscall.Statfs_t
	require.NoError(t, syscall.Statfs(dir, &st))
	return st.Blocks - st.Bfree
}

// On a disk without a free inode, not even a writer can be made, and yet containers
// can be removed.
func TestRemoveOnFullDisk(t *testing.T) {
	t.Parallel()
	testenv.Root(t)
	dir := testenv.Tmpfs(t, 1<<20, 100)
	s := open(t, dir)
	c := addContainer(t, s, "web")
	require.NoError(t, s.Close())
	full := 0
	for ; ; full++ {
		if err := os.Mkdir(filepath.Join(dir, "locks", itoa(full)), 0o700); err != nil {
			require.ErrorIs(t, err, syscall.ENOSPC)
			break
		}
	}
	s = open(t, dir)
	_, err := s.CreateContainer(context.Background(), NewContainer{})
	require.ErrorIs(t, err, ErrNoSpace)
	_, err = s.Container("web")
	require.NoError(t, err)
	require.NoError(t, s.RemoveContainer(context.Background(), c.ID))
	require.NoError(t, s.Settle(context.Background()))
	require.NoError(t, os.Remove(filepath.Join(dir, "locks", "0"))) // for the writer
	addContainer(t, s, "web")
	require.NoError(t, s.Close())
}

// A disk that is mounted read-only can be read.
func TestReadOnlyDisk(t *testing.T) {
	t.Parallel()
	testenv.Root(t)
	dir := testenv.Tmpfs(t, 1<<20, 0)
	s := open(t, dir)
	ctx := context.Background()
	i := addImage(t, s, "busybox", "one")
	c := addContainer(t, s, "web")
	require.NoError(t, s.Close())
	require.NoError(t, os.Mkdir(filepath.Join(dir, "tmp", "dead"), 0o700))
	require.NoError(t, sys.Mount("tmpfs", dir, "tmpfs", sys.MS_REMOUNT|sys.MS_RDONLY, ""))

	s = open(t, dir)
	got, err := s.Image("busybox")
	require.NoError(t, err)
	assert.Equal(t, i, got)
	running, err := s.Running(c.ID)
	require.NoError(t, err)
	assert.False(t, running)
	_, err = s.CreateContainer(ctx, NewContainer{})
	assert.ErrorIs(t, err, ErrReadOnly)
	assert.ErrorIs(t, s.Tag(ctx, "busybox", "x", false), ErrReadOnly)
	assert.ErrorIs(t, s.RemoveContainer(ctx, c.ID), ErrReadOnly)
	_, err = s.RemoveImage(ctx, "busybox", false)
	assert.ErrorIs(t, err, ErrReadOnly)
	require.NoError(t, s.Close())

	require.NoError(t, os.RemoveAll(filepath.Join(t.TempDir(), "x")))
	_, err = Open(ctx, filepath.Join(dir, "new"), Options{})
	assert.ErrorIs(t, err, ErrReadOnly)
}

// A user who may not use a store is told so.
func TestNoPermission(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.Chmod(dir, 0o755))
	store := filepath.Join(dir, "store")
	requireClosed(t, open(t, store))
	if os.Geteuid() == 0 {
		p := child(t, "as nobody", store)
		assert.Equal(t, "true", p.line())
		p.wait(t)
		return
	}
	require.NoError(t, os.Chmod(store, 0))
	_, err := Open(context.Background(), store, Options{})
	require.NoError(t, os.Chmod(store, 0o700))
	assert.ErrorIs(t, err, fs.ErrPermission)
}
