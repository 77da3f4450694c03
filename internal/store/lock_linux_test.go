package store

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	digest "github.com/opencontainers/go-digest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestLock(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	ctx := context.Background()
	l, err := s.Lock(ctx, "net")
	require.NoError(t, err)
	other, err := s.Lock(ctx, "other")
	require.NoError(t, err)

	short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	_, err = s.Lock(short, "net")
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorContains(t, err, "lock net")
	ended, cancel := context.WithCancel(ctx)
	cancel()
	_, err = s.Lock(ended, "free")
	require.ErrorIs(t, err, context.Canceled)

	require.NoError(t, l.Unlock())
	require.NoError(t, other.Unlock())
	l, err = s.Lock(ctx, "net")
	require.NoError(t, err)
	require.NoError(t, l.Unlock())
	left, err := os.ReadDir(filepath.Join(s.Path(), "locks"))
	require.NoError(t, err)
	require.Empty(t, left)

	for _, name := range []string{"", "..", "a/b", "-x"} {
		_, err := s.Lock(ctx, name)
		assert.ErrorIs(t, err, ErrInvalid, name)
	}
	_, err = s.LockBlob(ctx, "sha256:../../x")
	assert.ErrorIs(t, err, ErrInvalid)
	l, err = s.LockBlob(ctx, digest.FromString("x"))
	require.NoError(t, err)
	require.NoError(t, l.Unlock())
}

// Goroutines and processes exclude each other: a number in a file is read, increased
// and written by all of them.
func TestLockContention(t *testing.T) {
	t.Parallel()
	const processes, each = 4, 100
	dir, file := t.TempDir(), filepath.Join(t.TempDir(), "number")
	s := open(t, dir)
	var children []*process
	for range processes {
		children = append(children, child(t, "count", dir, "net", file, "100"))
	}
	var all sync.WaitGroup
	for range 2 {
		all.Go(func() {
			for range each {
				l, err := s.Lock(context.Background(), "net")
				if !assert.NoError(t, err) {
					return
				}
				text, _ := os.ReadFile(file)
				n := 0
				for _, c := range text {
					n = 10*n + int(c-'0')
				}
				assert.NoError(t, os.WriteFile(file, []byte(itoa(n+1)), 0o600))
				assert.NoError(t, l.Unlock())
			}
		})
	}
	all.Wait()
	for _, c := range children {
		c.wait(t)
	}
	require.Equal(t, itoa((processes+2)*each), readFile(t, file))
}

func TestLockEndsWithItsProcess(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	p := child(t, "hold", dir, "net")
	require.Equal(t, "held", p.line())
	short, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	_, err := s.Lock(short, "net")
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Error(t, p.kill())
	l, err := s.Lock(context.Background(), "net")
	require.NoError(t, err)
	require.NoError(t, l.Unlock())
}

func TestRepairRemovesLockFilesOfTheDead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	held, err := s.Lock(context.Background(), "held")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "locks", "stale"), nil, 0o600))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "tmp", "dead"), 0o700))
	requireWhole(t, dir)
	left, err := os.ReadDir(filepath.Join(dir, "locks"))
	require.NoError(t, err)
	require.Len(t, left, 1)
	require.Equal(t, "held", left[0].Name())
	require.NoError(t, held.Unlock())
}

func TestTryLockContainer(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	c := addContainer(t, s, "one")
	l, err := s.TryLockContainer(c.ID)
	require.NoError(t, err)
	require.NotNil(t, l)
	other, err := s.TryLockContainer(c.ID)
	require.NoError(t, err)
	require.Nil(t, other)
	require.NoError(t, l.Unlock())
	l, err = s.TryLockContainer(c.ID)
	require.NoError(t, err)
	require.NoError(t, errors.Join(l.Remove(context.Background()), l.Unlock()))
	_, err = s.TryLockContainer(c.ID)
	require.ErrorIs(t, err, ErrNotFound)
	_, err = s.TryLockContainer("one")
	require.ErrorIs(t, err, ErrInvalid, "an ID is asked for")
}
