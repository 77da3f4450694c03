package store

import (
	"context"
	"errors"
	"sync"

	"github.com/coraclehq/coracle/internal/sys"
)

// remover removes trees in one goroutine, which lives while there are any. The zero
// value is ready.
type remover struct {
	mu    sync.Mutex // guards the fields below
	queue []removal
	idle  chan struct{} // closed when the goroutine has ended; nil before the first
	busy  bool
	err   error
}

// removal is a tree to remove. A held directory is a dead writer's: the lock keeps
// other processes from doing the same.
type removal struct {
	dir  *sys.FD
	name string
	held *sys.FD
	// empty says that only what is in the held directory is removed.
	empty bool
}

func (t removal) run() (err error) {
	if t.empty {
		names, err := t.held.Names()
		for _, n := range names {
			err = errors.Join(err, t.held.RemoveAll(n))
		}
		return errors.Join(err, t.held.Unlock(), t.held.Close())
	}
	err = t.dir.RemoveAll(t.name)
	if t.held != nil {
		err = errors.Join(err, t.held.Unlock(), t.held.Close())
	}
	return err
}

func (r *remover) add(t removal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.queue = append(r.queue, t)
	if !r.busy {
		r.busy, r.idle = true, make(chan struct{})
		go r.run()
	}
}

func (r *remover) run() {
	for {
		r.mu.Lock()
		if len(r.queue) == 0 {
			r.busy = false
			close(r.idle)
			r.mu.Unlock()
			return
		}
		t := r.queue[0]
		r.queue = r.queue[1:]
		r.mu.Unlock()

		if err := t.run(); err != nil {
			r.mu.Lock()
			r.err = errors.Join(r.err, err)
			r.mu.Unlock()
		}
	}
}

// wait returns when nothing is left to remove.
func (r *remover) wait(ctx context.Context) error {
	r.mu.Lock()
	idle := r.idle
	r.mu.Unlock()
	if idle == nil {
		return nil
	}
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// close waits for the goroutine and returns what it could not remove.
func (r *remover) close() error {
	r.wait(context.Background())
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}
