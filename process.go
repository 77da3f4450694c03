package coracle

import (
	"context"
	"errors"
	"io"
	"os"
	"path"
	"strconv"
	"syscall"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/coraclehq/coracle/internal/compile"
	"github.com/coraclehq/coracle/internal/monitor"
	"github.com/coraclehq/coracle/internal/script"
	"github.com/coraclehq/coracle/internal/sys"
)

// Cmd is a program and what it is given.
type Cmd struct {
	// Args are the program and its arguments. A program without a slash is looked
	// for in the PATH that the container has.
	Args []string
	// Env are NAME=VALUE pairs beside the image's; of two equal names the last one
	// counts. A NAME alone removes the image's variable. Nothing comes from the
	// host.
	Env []string
	// Dir is the working directory inside; empty: the image's. It is made if it is
	// not there.
	Dir string
	// User is name, uid, name:group or uid:gid; empty: the image's.
	User string
	// Terminal gives the program a terminal of its own.
	Terminal bool
}

// IO is where a process reads and writes. The zero IO reads nothing and writes to
// the container's log alone; what Exec starts is never in the log.
//
// A process of a container always has pipes (or a terminal), never the caller's
// own descriptors.
type IO struct {
	// Stdin is read until its end or the end of the process; nil: /dev/null.
	Stdin io.Reader
	// Stdout and Stderr take what the process writes, beside the log; nil: nothing
	// does. A terminal writes to Stdout alone.
	Stdout, Stderr io.Writer
	// Resize brings the sizes of the caller's window, for a terminal. One that is there
	// when the process is started is its terminal's from the first moment. The caller
	// may close it.
	Resize <-chan Size
}

// none says that nobody but the log takes part.
func (io IO) none() bool {
	return io.Stdin == nil && io.Stdout == nil && io.Stderr == nil && io.Resize == nil
}

// size is the size that is there already, so that a terminal has it from its first
// moment; nil: none yet.
func (io IO) size() *specs.Box {
	select {
	case s, ok := <-io.Resize:
		if ok {
			return &specs.Box{Width: uint(s.Width), Height: uint(s.Height)}
		}
	default:
	}
	return nil
}

func (io IO) monitor() monitor.IO {
	return monitor.IO{Stdin: io.Stdin, Stdout: io.Stdout, Stderr: io.Stderr, Resize: io.Resize}
}

// Size is the size of a terminal: Width and Height in characters, uint16 both.
type Size = monitor.Winsize

// Process is a process that Exec started. Its methods are safe for concurrent use.
type Process struct {
	process *monitor.Process
	io      *monitor.Connection
	done    chan struct{}
	err     error // of the output; set before done is closed
}

// Exec starts a further process in a running container: in all its namespaces and
// its cgroup, under the same posture as its first process. An empty Dir or User of
// cmd is the first process's; Env adds to its environment. ctx bounds the start.
// The process is killed when the program that started it ends.
//
// A container that does not run is ErrNotRunning; a program that cannot be executed
// is a *StartError.
func (c *Container) Exec(ctx context.Context, cmd Cmd, io IO) (*Process, error) {
	p, err := c.exec(ctx, cmd, io)
	return p, wrap("exec", c.id, err)
}

func (c *Container) exec(ctx context.Context, cmd Cmd, io IO) (_ *Process, err error) {
	if err := c.e.begin(); err != nil {
		return nil, err
	}
	defer c.e.runs.Done()
	x := &executing{starting: starting{e: c.e}, c: c, cmd: cmd}
	defer func() { err = errors.Join(err, x.close()) }()
	for _, step := range []func() error{x.load, x.join, x.process, x.output(io)} {
		if err := step(); err != nil {
			return nil, refused(err)
		}
	}
	started, err := monitor.Spawn(ctx, x.spawn())
	if err != nil {
		return nil, x.failed(err)
	}
	return x.started(started)
}

// executing is an Exec on its way.
type executing struct {
	starting
	c      *Container
	cmd    Cmd
	target *sys.FD // the container's first process
	in     compile.ExecInput
}

// load finds the container's process and what the container is.
func (x *executing) load() (err error) {
	if x.target, err = x.c.pidfd(); err != nil {
		return err
	}
	if x.sup.PIDNamespace, err = x.inherit(x.target, "container"); err != nil {
		return err
	}
	x.in.FDs.Target = x.sup.PIDNamespace
	dir, err := x.e.store.ContainerDir(x.c.id)
	if err != nil {
		return err
	}
	x.owned = append(x.owned, dir)
	if x.known, err = x.e.recall(x.c.id, dir); err != nil {
		return err
	}
	x.spec, err = adapted(x.known.spec)
	return err
}

// join opens the container's cgroups, and those that the supervisor belongs in.
func (x *executing) join() error {
	host, err := x.e.cgroups()
	if err != nil {
		return err
	}
	group, err := host.Open(x.e.store.ID(), x.c.id)
	if err != nil {
		return err
	}
	x.owned = append(x.owned, group.Join...)
	if x.sup.Join, err = x.inheritAll(group.Join, "cgroup"); err != nil {
		return err
	}
	if group.Into != nil {
		if x.sup.Into, err = x.inherit(group.Into, "cgroup"); err != nil {
			return err
		}
	}
	return x.leave(host)
}

// process resolves what is run.
func (x *executing) process() error {
	p := *x.spec.Process
	p.Args, p.Terminal = x.cmd.Args, x.cmd.Terminal
	p.Env = environment(p.Env, x.cmd.Env)
	if len(p.Args) == 0 {
		return errors.Join(errors.New("no program is named"), ErrInvalid)
	}
	if x.cmd.Dir != "" {
		p.Cwd = path.Join("/", x.cmd.Dir)
	}
	if x.cmd.User != "" {
		root, err := x.containerRoot()
		if err != nil {
			return err
		}
		user, err := lookup(root, x.cmd.User)
		if err = errors.Join(err, root.Close()); err != nil {
			return err
		}
		p.Env = environment(p.Env, []string{"HOME=" + first(user.Home, "/")})
		become(&p, user, x.config.Security)
	}
	x.in.Process = &p
	var err error
	if x.in.Namespaces, err = compile.ExecFlags(x.spec); err != nil {
		return err
	}
	return x.common(&x.in.Common, &p)
}

// containerRoot opens the root directory of the running container.
func (x *executing) containerRoot() (*sys.FD, error) {
	pid, err := x.target.PidfdPID()
	if err != nil {
		return nil, err
	}
	root, err := sys.Open("/proc/"+strconv.Itoa(pid)+"/root", sys.O_PATH|sys.O_DIRECTORY, 0)
	// The number was the container's while the process lives.
	if err == nil && processEnded(x.target) {
		err = errors.Join(ErrNotRunning, root.Close())
	}
	if errors.Is(err, os.ErrNotExist) {
		err = ErrNotRunning
	}
	if err != nil {
		return nil, err
	}
	return root, nil
}

func (x *executing) output(io IO) func() error {
	return func() (err error) {
		if x.cmd.Terminal {
			x.in.Process.ConsoleSize = io.size()
		}
		if x.io, err = monitor.Connect(x.cmd.Terminal, io.monitor(), nil); err != nil {
			return err
		}
		return x.connected(&x.in.FDs)
	}
}

func (x *executing) spawn() monitor.Start {
	x.sup.Attached = true
	x.sup.Body = func(b *script.Builder) error {
		x.in.FDs.Status = b.StatusFD()
		return compile.Exec(b, x.in)
	}
	x.sup.Enter = func(b *script.Builder) error {
		x.in.FDs.Status = b.StatusFD()
		return compile.Enter(b, x.in)
	}
	x.sup.FailAt = x.e.failAt
	return monitor.Start{
		Launcher: &x.e.launcher, Supervisor: x.sup, Keep: x.keep, Into: x.born, Dir: x.e.store.Dir(),
		Name: x.e.store.ID() + " " + x.c.id[:12],
	}
}

func (x *executing) started(p *monitor.Process) (*Process, error) {
	x.io.Started()
	process := &Process{process: p, io: x.io, done: make(chan struct{})}
	x.io = nil
	x.e.runs.Add(1)
	if !x.e.executes(p) { // Close has passed
		p.Abandon()
	}
	go func() {
		defer x.e.runs.Done()
		defer x.e.executed(p)
		<-p.Ended()
		if _, err := p.Wait(context.Background()); err != nil { // its supervisor was killed
			p.Signal(syscall.SIGKILL)
		}
		process.err = process.io.Finish(p.Ended())
		close(process.done)
		<-p.Gone()
		p.Close()
	}()
	return process, nil
}

func (x *executing) close() error {
	var errs []error
	if x.io != nil {
		x.io.Abort()
	}
	for _, fd := range x.owned {
		errs = append(errs, fd.Close())
	}
	return errors.Join(errs...)
}

// PID is the process's number outside of the container, while it runs.
func (p *Process) PID() int { return p.process.PID }

// Wait waits for the end of the process and returns how it was, after the last byte
// of its output was delivered: nil for exit code 0, else an *ExitError. It may be
// called any number of times.
func (p *Process) Wait(ctx context.Context) error {
	select {
	case <-p.done:
	case <-ctx.Done():
		return wrap("wait", strconv.Itoa(p.PID()), context.Cause(ctx))
	}
	exit, err := p.process.Wait(ctx)
	if errors.Is(err, monitor.ErrSupervisorKilled) {
		err = nil // exit says that it was lost
	}
	if err = errors.Join(err, p.err); err == nil {
		err = exitError(exit)
	}
	return wrap("wait", strconv.Itoa(p.PID()), err)
}

// Signal sends a signal to the process. One that has ended is ErrNotRunning.
func (p *Process) Signal(sig syscall.Signal) error {
	err := p.process.Signal(sig)
	if errors.Is(err, syscall.ESRCH) {
		err = ErrNotRunning
	}
	return wrap("signal", strconv.Itoa(p.PID()), err)
}

// Resize gives the process's terminal another size.
func (p *Process) Resize(s Size) error {
	return wrap("resize", strconv.Itoa(p.PID()), p.io.Resize(s.Width, s.Height))
}
