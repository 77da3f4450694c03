package coracle

import (
	"context"
	"errors"
	"syscall"
	"time"

	"github.com/coraclehq/coracle/internal/cgroup"
	"github.com/coraclehq/coracle/internal/monitor"
	"github.com/coraclehq/coracle/internal/supervisor"
	"github.com/coraclehq/coracle/internal/sys"
)

// run is a container that this engine started, until its supervisor is gone.
type run struct {
	process *monitor.Process
	io      *monitor.Connection // nil: the supervisor pumps

	followed <-chan error // the end of whoever reads from the log; nil: nobody does
	unfollow func()
	group    *cgroup.Group

	done chan struct{} // closed when the process has ended and its output is delivered
	exit supervisor.Exit
	err  error         // of the end or of the output; set before done is closed
	gone chan struct{} // closed when nothing of the run is left
}

// begin counts a call that Close waits for.
func (e *Engine) begin() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return ErrClosed
	}
	e.runs.Add(1)
	return nil
}

// watch keeps r until nothing of it is left.
func (e *Engine) watch(id string, r *run) {
	e.mu.Lock()
	e.running[id] = r
	closed := e.closed
	e.runs.Add(1)
	e.mu.Unlock()
	if closed { // Close has passed
		r.abandon()
	}
	go func() {
		defer e.runs.Done()
		r.watch()
		e.mu.Lock()
		if e.running[id] == r {
			delete(e.running, id)
		}
		e.mu.Unlock()
		close(r.gone)
	}()
}

// watch waits for the end of the run.
func (r *run) watch() {
	<-r.process.Ended()
	r.exit, r.err = r.process.Wait(context.Background())
	if r.err != nil && !errors.Is(r.err, monitor.ErrAbandoned) { // nobody watches over the container, or can tell
		ctx, cancel := context.WithTimeout(context.Background(), leftoverTime)
		r.group.KillAll(ctx) // what is left now, the next Open kills
		cancel()
	}
	if r.io != nil {
		r.err = errors.Join(r.err, r.io.Finish(r.process.Ended()))
	}
	abandoned := errors.Is(r.err, monitor.ErrAbandoned)
	if r.followed != nil {
		if abandoned {
			r.unfollow()
		}
		r.err = errors.Join(r.err, <-r.followed)
	}
	close(r.done)
	<-r.process.Gone()
	if abandoned { // it goes on without us
		r.process.Close()
		return
	}
	// The supervisor has removed the cgroups, unless something was still in them.
	ctx, cancel := context.WithTimeout(context.Background(), leftoverTime)
	defer cancel()
	r.group.Remove(ctx) // what is left now, the next Open sweeps
	r.process.Close()
}

func (r *run) kill() { r.process.Signal(syscall.SIGKILL) }

// abandon lets go of the run: attached, it is killed; detached, it goes on alone.
func (r *run) abandon() { r.process.Abandon() }

// run returns the run that this engine has of the container; nil: none.
func (c *Container) run() *run {
	c.e.mu.Lock()
	defer c.e.mu.Unlock()
	return c.e.running[c.id]
}

// Start starts the container and returns when its program was executed. ctx bounds
// the start, not the container. The goroutines that move io end with the
// container; Wait tells when.
//
// A container that runs already is ErrRunning. A program that cannot be executed is
// a *StartError that says why. Whatever fails, nothing of the start is left.
func (c *Container) Start(ctx context.Context, io IO) error {
	_, err := c.start(ctx, io)
	return wrap("start", c.id, err)
}

// Run starts the container and waits for its end, as Start and Wait do. At the end
// of ctx it kills the container and returns the reason.
func (c *Container) Run(ctx context.Context, io IO) error {
	r, err := c.start(ctx, io)
	if err != nil {
		return wrap("run", c.id, err)
	}
	stop := context.AfterFunc(ctx, r.kill)
	<-r.done
	if !stop() {
		return wrap("run", c.id, context.Cause(ctx))
	}
	return wrap("run", c.id, r.result())
}

// result is the end of a run as an error: how the process ended, then what went
// wrong with its streams.
func (r *run) result() error {
	switch {
	case errors.Is(r.err, monitor.ErrAbandoned):
		return ErrClosed
	case r.err == nil || errors.Is(r.err, monitor.ErrSupervisorKilled):
		return exitError(r.exit)
	}
	return errors.Join(exitError(r.exit), r.err)
}

func exitError(e supervisor.Exit) error {
	if e.Code == 0 && !e.Lost {
		return nil
	}
	return &ExitError{Code: e.Code, Signal: e.Signal, OOMKilled: e.OOMKilled, Lost: e.Lost}
}

// Wait waits for the end of the container and returns how it was: nil for exit code
// 0, else an *ExitError. When this engine started the container, every byte of its
// output is then delivered. A container that has ended returns at once, with its
// last end; one that never ran is ErrNotRunning.
func (c *Container) Wait(ctx context.Context) error { return wrap("wait", c.id, c.wait(ctx)) }

func (c *Container) wait(ctx context.Context) error {
	if r := c.run(); r != nil {
		select {
		case <-r.done:
			return r.result()
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	if err := c.ended(ctx); err != nil && !errors.Is(err, ErrNotRunning) {
		return err
	}
	s, err := c.status()
	switch {
	case err != nil:
		return err
	case s.State == Created:
		return ErrNotRunning
	case s.State == Running: // started again meanwhile
		return c.wait(ctx)
	case s.ExitCode == 0:
		return nil
	}
	return &ExitError{Code: s.ExitCode, Signal: s.Signal, OOMKilled: s.OOMKilled, Lost: s.Lost}
}

// pidfd opens the container's first process, whoever started it. The caller closes
// it. A container that does not run is ErrNotRunning.
func (c *Container) pidfd() (*sys.FD, error) {
	if r := c.run(); r != nil {
		select {
		case <-r.process.Ended():
		default:
			if fd, err := r.process.Open(); err == nil {
				return fd, nil
			}
		}
	}
	dir, err := c.e.store.ContainerDir(c.id)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	control, err := monitor.OpenControl(dir)
	if errors.Is(err, monitor.ErrNoSupervisor) {
		return nil, ErrNotRunning
	}
	if err != nil {
		return nil, err
	}
	fd, err := control.PIDFD.Dup()
	return fd, errors.Join(err, control.Close())
}

// ended returns when the container's first process has ended, or ErrNotRunning.
func (c *Container) ended(ctx context.Context) error {
	if r := c.run(); r != nil {
		select {
		case <-r.done:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	fd, err := c.pidfd()
	if err != nil {
		return err
	}
	if err := monitor.AwaitExit(ctx, fd); err != nil {
		return err
	}
	return c.settled(ctx)
}

// settled returns when the supervisor of a container that has ended is gone: the
// exit record is there, the lock free. A container that runs is ErrRunning.
func (c *Container) settled(ctx context.Context) error {
	if r := c.run(); r != nil {
		select {
		case <-r.done: // the rest is a matter of microseconds
			<-r.gone
		default:
			return ErrRunning
		}
	}
	for {
		running, err := c.e.store.Running(c.id)
		if err != nil || !running {
			return err
		}
		if fd, err := c.pidfd(); err == nil {
			ended := processEnded(fd)
			fd.Close()
			if !ended {
				return ErrRunning
			}
		}
		// The supervisor is writing the record; or it is gone, and a child of this program
		// that was forked while the lock was open here has not come to its exec yet.
		select {
		case <-time.After(time.Millisecond):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func processEnded(pidfd *sys.FD) bool {
	ready, err := sys.Poll([]sys.PollFD{{FD: pidfd, Events: sys.POLLIN}}, 0)
	return err == nil && ready > 0
}

// Signal sends a signal to the container's first process. A container that does not
// run is ErrNotRunning.
func (c *Container) Signal(ctx context.Context, sig syscall.Signal) error {
	return wrap("signal", c.id, c.signal(sig))
}

func (c *Container) signal(sig syscall.Signal) error {
	fd, err := c.pidfd()
	if err != nil {
		return err
	}
	defer fd.Close()
	if err := fd.PidfdSignal(int(sig)); errors.Is(err, syscall.ESRCH) {
		return ErrNotRunning
	} else if err != nil {
		return err
	}
	return nil
}

// Stop ends the container as Config.Stop says: a signal, some time, SIGKILL. It
// returns when the container has ended; at the end of ctx it kills it and returns
// the reason. A container that does not run is ErrNotRunning.
func (c *Container) Stop(ctx context.Context) error { return wrap("stop", c.id, c.stop(ctx)) }

func (c *Container) stop(ctx context.Context) error {
	s, err := c.status()
	if err != nil {
		return err
	}
	if s.State != Running {
		return ErrNotRunning
	}
	sig, grace, err := c.stopping(s.Config.Stop)
	if err != nil {
		return err
	}
	if err := c.signal(sig); err != nil {
		return err
	}
	patient := ctx
	if grace >= 0 {
		var cancel context.CancelFunc
		patient, cancel = context.WithTimeout(ctx, grace)
		defer cancel()
	}
	if err := c.ended(patient); err == nil || errors.Is(err, ErrNotRunning) {
		return nil
	}
	if err := c.signal(syscall.SIGKILL); err != nil && !errors.Is(err, ErrNotRunning) {
		return err
	}
	if err := c.ended(context.WithoutCancel(ctx)); err != nil && !errors.Is(err, ErrNotRunning) {
		return err
	}
	return context.Cause(ctx)
}
