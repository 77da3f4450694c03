package coracle

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/coraclehq/coracle/internal/cgroup"
	"github.com/coraclehq/coracle/internal/launch"
	"github.com/coraclehq/coracle/internal/monitor"
	"github.com/coraclehq/coracle/internal/namespace"
	"github.com/coraclehq/coracle/internal/seccomp"
	"github.com/coraclehq/coracle/internal/store"
)

// Options are how a store is opened. The zero Options are right for a store that
// matters.
type Options struct {
	// Volatile leaves out every fsync: what was done survives the end of the
	// process, not a power cut. It is for stores that live as long as a test.
	Volatile bool

	// Ready is how many network namespaces are kept made for the next starts, which
	// saves each about a fifth of its time. 0: none. They go with the Engine.
	Ready int
}

// Engine is an open store: images and containers in a directory. Any number of
// engines, in any number of processes, may have the same directory open. Its
// methods are safe for concurrent use.
type Engine struct {
	store    *store.Store
	launcher launch.Launcher
	filters  seccomp.Cache
	cache    knownCache
	pool     *namespace.Pool              // nil: none
	cgroups  func() (*cgroup.Host, error) // looked for when first needed
	pins     pins                         // layers that no image has yet
	owed     atomic.Bool                  // garbage was left for the next collection

	mu      sync.Mutex // guards what follows
	closed  bool
	running map[string]*run // what this engine started, by container
	execs   map[*monitor.Process]bool
	runs    sync.WaitGroup

	failAt int // makes one op of the next start fail, for tests
}

// Open opens the store at dir, which is made if it is not there. What earlier
// processes left behind when they were killed (half-made files, cgroups, the ends
// of containers whose supervisor was killed) is cleared away; it touches nothing
// that is not marked as this store's. A nil opts is the zero Options.
//
// A disk that is full or read-only gives ErrNoSpace or ErrReadOnly. A store that a
// newer Coracle has written opens, and every change gives ErrReadOnly. On systems
// other than Linux it returns an *UnsupportedError.
func Open(dir string, opts *Options) (*Engine, error) {
	if opts == nil {
		opts = &Options{}
	}
	e, err := open(dir, *opts)
	return e, wrap("open", dir, err)
}

func open(dir string, opts Options) (*Engine, error) {
	ctx := context.Background()
	s, err := store.Open(ctx, dir, store.Options{Volatile: opts.Volatile})
	if err != nil {
		return nil, err
	}
	e := &Engine{
		store:   s,
		cgroups: sync.OnceValues(cgroup.Find),
		running: map[string]*run{},
		execs:   map[*monitor.Process]bool{},
	}
	if err := e.recover(ctx); err != nil {
		return nil, errors.Join(err, e.Close())
	}
	if opts.Ready > 0 {
		e.pool = namespace.NewPool(opts.Ready, nil)
	}
	return e, nil
}

// Default returns the engine on the default directory, opened when it is first
// asked for: /var/lib/coracle for root, else $XDG_DATA_HOME/coracle or
// ~/.local/share/coracle. It lives as long as the program.
func Default() (*Engine, error) { return defaultEngine() }

var defaultEngine = sync.OnceValues(func() (*Engine, error) {
	dir, err := defaultDir()
	if err != nil {
		return nil, wrap("open", "", err)
	}
	return Open(dir, nil)
})

func defaultDir() (string, error) {
	if os.Geteuid() == 0 {
		return "/var/lib/coracle", nil
	}
	if dir := os.Getenv("XDG_DATA_HOME"); dir != "" {
		return filepath.Join(dir, "coracle"), nil
	}
	home, err := os.UserHomeDir()
	return filepath.Join(home, ".local/share/coracle"), err
}

// Close ends the attached containers and the processes that this engine started,
// waits for them and for calls under way, and closes the store. Detached containers
// go on.
func (e *Engine) Close() error {
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return ErrClosed
	}
	e.closed = true
	for _, r := range e.running {
		r.abandon()
	}
	for p := range e.execs {
		p.Abandon()
	}
	e.mu.Unlock()
	e.runs.Wait()

	var errs []error
	if e.pool != nil {
		errs = append(errs, e.pool.Close())
	}
	if h, err := e.cgroups(); err == nil && h != nil {
		// Containers that others started may have left the store's directory empty.
		errs = append(errs, e.sweep(context.Background(), h))
		errs = append(errs, h.Close())
	}
	errs = append(errs, e.launcher.Close(), e.pins.close())
	if e.owed.Load() {
		errs = append(errs, e.collect(context.Background()))
	}
	return errors.Join(append(errs, e.store.Close())...)
}

// executes notes a process that Exec started, for Close; false: Close has passed.
func (e *Engine) executes(p *monitor.Process) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.execs[p] = true
	return !e.closed
}

func (e *Engine) executed(p *monitor.Process) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.execs, p)
}

// recover sweeps what the runs of dead supervisors left behind.
func (e *Engine) recover(ctx context.Context) error {
	h, err := e.cgroups()
	if err != nil {
		return nil // no cgroups, nothing in them; a start says why
	}
	if err := e.thawLeft(); err != nil {
		return err
	}
	return e.sweep(ctx, h)
}

func (e *Engine) sweep(ctx context.Context, h *cgroup.Host) error {
	return h.Sweep(ctx, e.store.ID(), func(id string) bool {
		running, err := e.store.Running(id)
		return running || err != nil && !errors.Is(err, store.ErrNotFound)
	})
}
