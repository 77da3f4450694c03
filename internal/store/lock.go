package store

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/coraclehq/coracle/internal/sys"
	digest "github.com/opencontainers/go-digest"
)

// Locks are flock(2) on files and directories of the store; the kernel releases
// them with their process. They are tried without blocking, because a blocked
// flock cannot be given up when a context ends.
//
// A process that holds several takes them in this order:
//
//	hold.lock          shared by who brings in an image, exclusive for who collects garbage
//	locks/<name>       one digest that is being fetched, one network
//	containers/<id>    one container, while it is started, changed or removed
//	lock               names.json, index.json, layer-ids, container-names and what they
//	                   refer to: shared to add a container, exclusive for the rest
//
// The last is held for microseconds and never handed out, so that nothing can be
// waited for while it is held.

// Lock is a lock held. It ends with Unlock or with the process.
type Lock struct {
	f    *sys.FD
	dir  *sys.FD // with name: a file to remove at Unlock
	name string
}

// Unlock releases the lock. It is called once.
func (l *Lock) Unlock() error {
	var err error
	if l.name != "" {
		// Still locked: who gets the lock of a removed file notices, in try.
		err = l.dir.Unlink(l.name)
	}
	// A child that is just being started may hold a duplicate of the descriptor,
	// so closing it would not be enough.
	return classify(errors.Join(err, l.f.Unlock(), l.f.Close()))
}

// Lock takes the exclusive lock of that name, which other processes on the store
// agree on, and waits for it while ctx allows. Names follow the rules for
// container names.
func (s *Store) Lock(ctx context.Context, name string) (_ *Lock, err error) {
	if err := s.begin(); err != nil {
		return nil, err
	}
	defer s.end(&err)
	if err := CheckContainerName(name); err != nil {
		return nil, fmt.Errorf("lock %w", err)
	}
	if s.newer != nil {
		return nil, s.newer
	}
	l, err := acquire(ctx, s.locks, name, true)
	if err != nil {
		return nil, err
	}
	l.dir, l.name = s.locks, name
	return l, nil
}

// LockBlob takes the lock of one digest. Processes that need the same blob fetch it
// under this lock, and look again when they get it.
func (s *Store) LockBlob(ctx context.Context, d digest.Digest) (*Lock, error) {
	if err := CheckDigest(d); err != nil {
		return nil, err
	}
	return s.Lock(ctx, linkName(d))
}

// Hold keeps everything that is in the store, or comes into it, from being
// collected as garbage. Who brings in an image takes it before looking for blobs
// and layers that are there already, and releases it after PutImage.
func (s *Store) Hold(ctx context.Context) (_ *Lock, err error) {
	if err := s.begin(); err != nil {
		return nil, err
	}
	defer s.end(&err)
	if s.newer != nil {
		return nil, s.newer
	}
	return acquire(ctx, s.root, "hold.lock", false)
}

// lock takes the store's own lock.
func (s *Store) lock(ctx context.Context, exclusive bool) (*Lock, error) {
	if s.newer != nil {
		return nil, s.newer
	}
	return acquire(ctx, s.root, "lock", exclusive)
}

// locked runs f under the store's own lock.
func (s *Store) locked(ctx context.Context, exclusive bool, f func() error) (err error) {
	l, err := s.lock(ctx, exclusive)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Unlock()) }()
	return f()
}

// acquire waits for the lock of file name in dir.
func acquire(ctx context.Context, dir *sys.FD, name string, exclusive bool) (*Lock, error) {
	return wait(ctx, name, func() (*Lock, error) { return try(dir, name, exclusive) })
}

// try returns nil when the lock is taken by another.
func try(dir *sys.FD, name string, exclusive bool) (*Lock, error) {
	f, err := openOrCreate(dir, name)
	if err != nil {
		return nil, err
	}
	ok, err := f.TryLock(exclusive)
	if err != nil || !ok {
		return nil, errors.Join(err, f.Close())
	}
	st, err := f.Stat()
	if err != nil || st.Nlink == 0 {
		return nil, errors.Join(err, f.Close())
	}
	return &Lock{f: f}, nil
}

// openOrCreate opens a file that is locked and has no content.
func openOrCreate(dir *sys.FD, name string) (*sys.FD, error) {
	f, err := dir.Open(name, sys.O_RDWR, 0)
	if !errors.Is(err, sys.ENOENT) {
		return f, err
	}
	if f, err = dir.Open(name, sys.O_RDWR|sys.O_CREAT, filePerm); err != nil {
		return nil, err
	}
	if err := f.Chmod(filePerm); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// wait calls f, with growing pauses, until it returns a lock or an error.
func wait[T any](ctx context.Context, what string, f func() (*T, error)) (*T, error) {
	const least, most = 50 * time.Microsecond, 10 * time.Millisecond
	for pause := least; ; pause = min(2*pause, most) {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("lock %s: %w", what, context.Cause(ctx))
		}
		l, err := f()
		if l != nil || err != nil {
			return l, err
		}
		// Half of it by chance, or waiting processes would keep step.
		t := time.NewTimer(pause/2 + rand.N(pause))
		select {
		case <-ctx.Done():
		case <-t.C:
		}
		t.Stop()
	}
}
