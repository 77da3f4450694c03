package coracle

import (
	"context"
	"errors"
	"path"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/coraclehq/coracle/internal/cgroup"
	"github.com/coraclehq/coracle/internal/compile"
	"github.com/coraclehq/coracle/internal/cred"
	"github.com/coraclehq/coracle/internal/monitor"
	"github.com/coraclehq/coracle/internal/script"
	"github.com/coraclehq/coracle/internal/store"
	"github.com/coraclehq/coracle/internal/supervisor"
	"github.com/coraclehq/coracle/internal/sys"
)

// starting is a start on its way: what it has opened, and the program that it will
// run. Everything it owns is closed when the start is over, however it ended; the
// helper has its own copies.
type starting struct {
	*known
	e    *Engine
	lock *store.ContainerLock
	spec *specs.Spec // known's, adapted to the host

	owned  []*sys.FD // closed at the end of the start
	keep   []*sys.FD // inherited by the helper
	group  *cgroup.Group
	io     *monitor.Connection // nil: the supervisor pumps the output
	follow *IO                 // who reads from the log what the supervisor pumps; nil: nobody

	sup     supervisor.Options
	in      compile.ContainerInput
	born    *sys.FD // cgroup v2 directory that the supervisor is born in
	process *specs.Process
	program []string // the paths that are tried
	begun   time.Time
	dry     bool // nothing is to be started: only the program is wanted
}

// start starts the container and returns what is then running.
func (c *Container) start(ctx context.Context, io IO) (_ *run, err error) {
	if err := c.e.begin(); err != nil {
		return nil, err
	}
	defer c.e.runs.Done()
	if err := c.settled(ctx); err != nil {
		return nil, err
	}
	lock, err := c.e.store.LockContainer(ctx, c.id)
	if err != nil {
		return nil, err
	}
	s := &starting{e: c.e, lock: lock}
	defer func() { err = errors.Join(err, s.close()) }()
	for _, step := range s.steps(io) {
		if err := step(ctx); err != nil {
			return nil, refused(err)
		}
	}
	s.begun = time.Now()
	p, err := monitor.Spawn(ctx, s.spawn())
	if err != nil {
		return nil, s.failed(err)
	}
	return s.started(c, p)
}

// steps are what is done before there is a process, in order.
func (s *starting) steps(io IO) []func(context.Context) error {
	return []func(context.Context) error{s.load, s.hold, s.cgroups, s.output(io), s.root}
}

// load reads what the container is.
func (s *starting) load(context.Context) (err error) {
	if s.known, err = s.e.recall(s.lock.ID, s.lock.Dir); err != nil {
		return err
	}
	s.spec, err = adapted(s.known.spec)
	return err
}

// hold takes the lock that says that the container runs, and forgets the last run.
func (s *starting) hold(ctx context.Context) error {
	if s.dry {
		s.sup.Alive, s.sup.Dir, s.sup.Control = dryFD(0, "alive"), dryFD(1, "container"), dryFD(2, "ctl")
		return nil
	}
	alive, err := s.lock.TakeAlive(ctx)
	if err != nil {
		return err
	}
	s.sup.Alive, err = s.inherit(alive, "alive")
	// In this order: a state without an exit would be the end of a run that was lost.
	for _, name := range []string{"state", "exit"} {
		err = errors.Join(err, ignoreMissing(s.lock.Dir.Unlink(name)))
	}
	if err != nil {
		return err
	}
	// A descriptor of its own: the lock's would stay locked with the supervisor.
	dir, err := s.lock.Dir.Open(".", sys.O_RDONLY|sys.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	if s.sup.Dir, err = s.inherit(dir, "container"); err != nil {
		return err
	}
	control, err := monitor.Listen(s.lock.Dir)
	if err != nil {
		return err
	}
	s.sup.Control, err = s.inherit(control, "ctl")
	return err
}

// cgroups makes the container's group, and finds where the supervisor belongs.
func (s *starting) cgroups(context.Context) error {
	host, err := s.e.cgroups()
	if err != nil {
		return err
	}
	limits, err := s.config.Limits.resolve()
	if err != nil {
		return err
	}
	id := s.lock.ID
	if s.dry { // the container's own group may be in use
		id = "explain-" + store.NewID()
	}
	if s.group, err = host.Create(s.e.store.ID(), id, limits); err != nil {
		return err
	}
	join, err := s.inheritAll(s.group.Join, "cgroup")
	s.in.FDs.Join = join
	s.sup.ChildOnly = append(s.sup.ChildOnly, join...)
	for _, f := range []struct {
		fd   *sys.FD
		name string
		to   *script.FD
	}{{s.group.Into, "cgroup", &s.sup.Into}, {s.group.Events, "memory events", &s.sup.Events}, {s.group.Freezer, "freezer", &s.sup.Thaw}} {
		if f.fd != nil && err == nil {
			*f.to, err = s.lend(f.fd, f.name)
		}
	}
	for _, d := range s.group.Dirs {
		if err == nil {
			var parent script.FD
			parent, err = s.lend(d.Parent, "cgroup parent")
			s.sup.Remove = append(s.sup.Remove, supervisor.Dir{Parent: parent, Name: s.lock.ID})
		}
	}
	if err != nil {
		return err
	}
	return s.leave(host)
}

// leave finds how the supervisor gets out of this program's own cgroups.
func (s *starting) leave(host *cgroup.Host) error {
	out, err := host.Leave(s.e.store.ID())
	if err != nil {
		return err
	}
	s.owned = append(s.owned, out.Join...)
	if s.born = out.Into; s.born != nil {
		s.owned = append(s.owned, s.born)
	}
	s.sup.Leave, err = s.inheritAll(out.Join, "supervisors' cgroup")
	return err
}

// spawn is the finished order.
func (s *starting) spawn() monitor.Start {
	s.sup.Attached = !s.config.Detach
	s.sup.Body = func(b *script.Builder) error {
		s.in.FDs.Status = b.StatusFD()
		return compile.Container(b, s.in)
	}
	s.sup.FailAt = s.e.failAt
	return monitor.Start{
		Launcher: &s.e.launcher, Supervisor: s.sup, Keep: s.keep, Into: s.born, Dir: s.lock.Dir,
		Name:   s.e.store.ID() + " " + s.lock.ID[:12],
		Cloned: s.cloned,
	}
}

// cloned notes the run, while the process still sets itself up. If it fails there,
// the run was one that ended at once.
func (s *starting) cloned(p *monitor.Process) error {
	return s.lock.WriteState(store.State{Started: time.Now().UTC(), PID: p.PID, Attached: !s.config.Detach})
}

// started notes the run and watches over it.
func (s *starting) started(c *Container, p *monitor.Process) (*run, error) {
	if s.io != nil {
		s.io.Started()
	}
	r := &run{process: p, io: s.io, group: s.group, done: make(chan struct{}), gone: make(chan struct{})}
	s.group = nil
	err := r.group.Close()
	if s.follow != nil {
		r.followed, r.unfollow = c.followLog(*s.follow, s.spec.Process.Terminal, s.begun)
	}
	c.e.watch(c.id, r)
	if err != nil {
		r.kill()
		<-r.gone
		return nil, err
	}
	return r, nil
}

// failed explains why a start failed: from the image itself, when the program could
// not be executed.
func (s *starting) failed(err error) error {
	var setup *monitor.SetupError
	if !errors.As(err, &setup) || setup.Root == nil {
		return refused(err)
	}
	var tried []string // from the root
	for _, c := range s.program {
		if !path.IsAbs(c) {
			c = path.Join(s.process.Cwd, c)
		}
		tried = append(tried, c)
	}
	why := cred.Diagnose(setup.Root, tried, setup.Err.Errno)
	code := 126
	if errors.Is(why, sys.ENOENT) {
		code = 127
	}
	return errors.Join(&StartError{Code: code, Err: why}, setup.Root.Close())
}

// leftoverTime is how long the removal of a cgroup may take before it is left to
// the next Open.
const leftoverTime = 10 * time.Second

// close gives up what the start had opened.
func (s *starting) close() error {
	var errs []error
	for _, fd := range s.owned {
		errs = append(errs, fd.Close())
	}
	if s.group != nil { // the start failed
		ctx, cancel := context.WithTimeout(context.Background(), leftoverTime)
		errs = append(errs, s.group.KillAll(ctx), s.group.Remove(ctx), s.group.Close())
		cancel()
		if s.io != nil {
			s.io.Abort()
		}
	}
	return errors.Join(append(errs, s.lock.Unlock())...)
}

// inherit makes the helper inherit fd and takes fd over.
func (s *starting) inherit(fd *sys.FD, name string) (script.FD, error) {
	s.owned = append(s.owned, fd)
	return s.lend(fd, name)
}

func (s *starting) inheritAll(fds []*sys.FD, name string) ([]script.FD, error) {
	var all []script.FD
	for _, fd := range fds {
		f, err := s.lend(fd, name)
		if err != nil {
			return nil, err
		}
		all = append(all, f)
	}
	return all, nil
}

// lend makes the helper inherit a descriptor that belongs to somebody else. One of
// the numbers of the standard streams is moved out of the way.
func (s *starting) lend(fd *sys.FD, name string) (script.FD, error) {
	if fd.Int() < 3 {
		moved, err := sys.MoveAbove(fd, 3)
		if err != nil {
			return script.FD{}, err
		}
		s.owned = append(s.owned, moved)
		fd = moved
	}
	s.keep = append(s.keep, fd)
	return script.FD{N: fd.Int(), Name: name}, nil
}

// dryFD stands for a descriptor that is not opened. Its number is no other's.
func dryFD(i int, name string) script.FD { return script.FD{N: 1<<20 + i, Name: name} }

func ignoreMissing(err error) error {
	if errors.Is(err, sys.ENOENT) {
		return nil
	}
	return err
}
