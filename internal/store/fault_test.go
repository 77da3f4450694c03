//go:build faults

package store

import (
	"context"
	"errors"
	"syscall"
	"testing"

	"github.com/coraclehq/coracle/internal/sys"
	"github.com/coraclehq/coracle/internal/testenv"
	digest "github.com/opencontainers/go-digest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Every call that a change makes fails once, as on a broken disk and as on a full
// one. The error comes back, and the store is whole: the change is made or it is not.
func TestFaults(t *testing.T) {
	ctx := context.Background()
	byName := func(s *Store, name string) (*ContainerLock, error) {
		c, err := s.Container(name)
		if err != nil {
			return nil, err
		}
		return s.LockContainer(ctx, c.ID)
	}
	changes := map[string]func(*Store) error{
		"create": func(s *Store) error {
			_, err := s.CreateContainer(ctx, NewContainer{
				Record: Record{Name: "new"}, Spec: []byte("{}"), Files: map[string][]byte{"hosts": nil},
			})
			return err
		},
		"rename": func(s *Store) error {
			l, err := byName(s, "old")
			if err != nil {
				return err
			}
			return errors.Join(l.Rename(ctx, "new"), l.Unlock())
		},
		"update": func(s *Store) error {
			c, err := s.Container("old")
			if err != nil {
				return err
			}
			_, err = s.UpdateRecord(ctx, c.ID, func(*Record) error { return nil })
			return err
		},
		"start": func(s *Store) error {
			l, err := byName(s, "old")
			if err != nil {
				return err
			}
			alive, err := l.TakeAlive(ctx)
			if err == nil {
				err = errors.Join(l.AddUndo(Undo{"cgroup", "x"}), l.WriteState(State{}), alive.Close())
			}
			return errors.Join(err, l.Unlock())
		},
		"remove": func(s *Store) error {
			c, err := s.Container("old")
			if err != nil {
				return err
			}
			return s.RemoveContainer(ctx, c.ID)
		},
		"blob": func(s *Store) error { _, err := s.PutBlob([]byte("new")); return err },
		"layer": func(s *Store) error {
			w, err := s.NewLayer()
			if err != nil {
				return err
			}
			_, err = w.Commit(ctx, Layer{DiffID: digest.FromString("new")})
			return err
		},
		"tag":     func(s *Store) error { return s.Tag(ctx, "old", "new", false) },
		"rmi":     func(s *Store) error { _, err := s.RemoveImage(ctx, "old", false); return err },
		"collect": func(s *Store) error { _, err := s.Collect(ctx); return err },
	}
	for name, change := range changes {
		for _, errno := range []syscall.Errno{sys.EIO, sys.ENOSPC} {
			t.Run(name+" "+sys.ErrnoName(errno), func(t *testing.T) {
				testenv.FailNth(t, func(n int) bool {
					dir := t.TempDir()
					s := open(t, dir)
					addImage(t, s, "old", "old")
					addContainer(t, s, "old")
					addLayer(t, s, "unused")
					s.opts.Volatile = false
					var err error
					reached := testenv.Fault(t, n, errno, func() {
						err = change(s)
						assert.NoError(t, s.Settle(ctx))
					})
					requireKind(t, err, errno)
					s.Close() // what could not be removed in the background, it says
					requireClosed(t, requireWhole(t, dir))
					return reached
				})
			})
		}
	}
}

// requireKind accepts success, since a fault may hit what is done in the background,
// or the fault's own error.
func requireKind(t *testing.T, err error, errno syscall.Errno) {
	t.Helper()
	if err == nil {
		return
	}
	require.ErrorIs(t, err, errno)
	if errno == sys.ENOSPC {
		require.ErrorIs(t, err, ErrNoSpace)
	}
}

// The same while a store is opened: made, found, and repaired.
func TestFaultsInOpen(t *testing.T) {
	for _, errno := range []syscall.Errno{sys.EIO, sys.ENOSPC} {
		for name, prepare := range map[string]func(dir string){
			"new": func(string) {},
			"old": func(dir string) {
				s := open(t, dir)
				addContainer(t, s, "old")
				requireClosed(t, s)
			},
			"crashed": func(dir string) {
				s := open(t, dir)
				addContainer(t, s, "old")
				requireClosed(t, s)
				require.NoError(t, syscall.Mkdir(dir+"/tmp/dead", 0o700))
				require.NoError(t, syscall.Unlink(dir+"/index.json"))
			},
		} {
			t.Run(name+" "+sys.ErrnoName(errno), func(t *testing.T) {
				testenv.FailNth(t, func(n int) bool {
					dir := t.TempDir()
					prepare(dir)
					var s *Store
					var err error
					reached := testenv.Fault(t, n, errno, func() {
						if s, err = Open(context.Background(), dir, Options{}); err == nil {
							assert.NoError(t, s.Settle(context.Background()))
						}
					})
					requireKind(t, err, errno)
					if s != nil {
						s.Close()
					}
					requireClosed(t, requireWhole(t, dir))
					return reached
				})
			})
		}
	}
}
