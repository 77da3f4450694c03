package namespace

import (
	"errors"
	"io/fs"
	"sync"

	"github.com/coraclehq/coracle/internal/sys"
)

// Pool keeps network namespaces ready, with loopback up: making one costs a third
// of a container's start. It makes none before the first Get. Methods may be
// called concurrently.
type Pool struct {
	prepare func() error
	room    chan struct{} // one token for each namespace that may still be made
	ready   chan result   // holds as many as there are tokens
	done    chan struct{}

	start sync.Once
	maker sync.WaitGroup

	mu     sync.Mutex // guards what follows
	closed bool
}

type result struct {
	ns  *sys.FD
	err error
}

// NewPool makes a pool of up to size namespaces; with size 0 each is made when it
// is asked for. Unless it is nil, prepare is called inside each new namespace, on a
// thread of its own, to set its sysctls, say. The caller closes the pool.
func NewPool(size int, prepare func() error) *Pool {
	size = max(size, 0)
	p := &Pool{
		prepare: prepare,
		room:    make(chan struct{}, size),
		ready:   make(chan result, size),
		done:    make(chan struct{}),
	}
	for range size {
		p.room <- struct{}{}
	}
	return p
}

// Get returns a namespace that nobody has used, the caller's to close, and has
// the next one made. When none is ready it makes one on the spot. After Close it is
// fs.ErrClosed.
func (p *Pool) Get() (*sys.FD, error) {
	p.mu.Lock()
	closed := p.closed
	if !closed {
		p.start.Do(func() { p.maker.Go(p.run) })
	}
	p.mu.Unlock()
	if closed {
		return nil, fs.ErrClosed
	}
	select {
	case r := <-p.ready:
		p.room <- struct{}{}
		if r.err == nil {
			return r.ns, nil
		}
		// What hindered it may be over by now.
	default:
	}
	var ns *sys.FD
	err := sys.OnThread(func() (err error) {
		ns, err = p.fresh()
		return err
	})
	return ns, err
}

// Close closes the namespaces that nobody took and waits until none is being
// made.
func (p *Pool) Close() error {
	p.mu.Lock()
	was := p.closed
	p.closed = true
	p.mu.Unlock()
	if was {
		return fs.ErrClosed
	}
	close(p.done)
	p.maker.Wait()
	var errs []error
	for {
		select {
		case r := <-p.ready:
			errs = append(errs, r.ns.Close())
		default:
			return errors.Join(errs...)
		}
	}
}

// run fills the pool until it is closed. An error goes to whoever takes it, so
// it is not tried over and over while nobody asks.
func (p *Pool) run() {
	if cap(p.room) == 0 {
		return
	}
	_ = sys.OnThread(func() error {
		home, err := here()
		if err != nil {
			return err
		}
		defer home.Close()
		for err == nil {
			select {
			case <-p.done:
				return nil
			case <-p.room:
			}
			var r result
			r.ns, r.err = p.fresh()
			// The thread must not stay in the namespace, which would live on after
			// its container. If it cannot go back, its end will do as well.
			err = enter(home)
			p.ready <- r
		}
		return err
	})
}

// fresh makes a namespace, in which the thread is then.
func (p *Pool) fresh() (*sys.FD, error) {
	ns, err := unshareNet()
	if err != nil {
		return nil, err
	}
	err = sys.LinkUp("lo")
	if err == nil && p.prepare != nil {
		err = p.prepare()
	}
	if err != nil {
		return nil, errors.Join(err, ns.Close())
	}
	return ns, nil
}
