package monitor

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/coraclehq/coracle/internal/launch"
	"github.com/coraclehq/coracle/internal/script"
	"github.com/coraclehq/coracle/internal/supervisor"
	"github.com/coraclehq/coracle/internal/sys"
)

// Start says what process to start.
type Start struct {
	Launcher *launch.Launcher

	// Supervisor is the supervisor's work and, as its Body, the process's. Status
	// and Host are filled in.
	Supervisor supervisor.Options

	Keep []*sys.FD // every descriptor that Supervisor names
	Name string    // what ps shows of the supervisor
	Into *sys.FD   // cgroup v2 directory that the supervisor is born in; nil: the host's own
	Dir  *sys.FD   // see launch.Options

	// Cloned, when not nil, is called while the process sets itself up. An error of
	// its ends the start.
	Cloned func(*Process) error
}

// Process is a process of a container that this program started. Its methods are
// safe for concurrent use.
type Process struct {
	PIDFD         *sys.FD // of the process itself
	PID           int     // its number in this pid namespace
	SupervisorPID int     // its supervisor's

	helper *launch.Helper
	host   *stream

	ended chan struct{} // closed when exit and err are set
	exit  supervisor.Exit
	err   error
	gone  chan struct{} // closed when the supervisor was collected
	once  sync.Once

	attached  bool
	abandoned atomic.Bool

	mu sync.Mutex // guards PIDFD against Close
}

// ErrSupervisorKilled is the end of a process whose supervisor was killed.
var ErrSupervisorKilled = errors.New("the supervisor was killed")

// ErrAbandoned is what Wait says of a detached process after Abandon.
var ErrAbandoned = errors.New("the process was let go of")

// SetupError is a failed start. Root, when not nil, is the container's root
// directory, sent because the program could not be executed; whoever has the
// error closes it.
type SetupError struct {
	Err  *script.Error
	Root *sys.FD
}

func (e *SetupError) Error() string { return e.Err.Error() }

// Unwrap returns the failed op.
func (e *SetupError) Unwrap() error { return e.Err }

// Spawn starts the process and returns when its program was executed, or when it
// stands at the gate. A process that fails before is gone when Spawn returns,
// its supervisor too. When ctx ends before, the process is killed.
func Spawn(ctx context.Context, s Start) (*Process, error) {
	p, status, err := spawn(s)
	if err != nil {
		return nil, err
	}
	cut := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		status.ShutdownSocket(sys.SHUT_RD)
		close(cut)
	})
	missing := p.receive()
	if missing == nil && s.Cloned != nil {
		if err = s.Cloned(p); err != nil {
			p.PIDFD.PidfdSignal(sigkill)
		}
	}
	if failed := p.await(status); err == nil {
		err = failed
	}
	if !stop() {
		<-cut
		err = errors.Join(context.Cause(ctx), err)
	}
	status.Close()
	// What came over the status explains why there is no pidfd.
	if err == nil {
		err = missing
	}
	if err != nil {
		p.stop()
	}
	go p.collect()
	if err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

const sigkill = 9

// stop ends a process that could not be started as it should. Without a pidfd its
// supervisor does so; one that would let it live goes itself, and whoever made the
// process's cgroup kills what is in there.
func (p *Process) stop() {
	switch {
	case p.PIDFD != nil:
		p.PIDFD.PidfdSignal(sigkill)
	case p.attached:
		p.host.shutdown()
	default:
		p.helper.PIDFD.PidfdSignal(sigkill)
	}
}

// spawn starts the helper; the read end of its status comes back.
func spawn(s Start) (p *Process, status *sys.FD, err error) {
	var hold fds
	defer func() { err = errors.Join(err, hold.Close()) }()
	statusRead, statusWrite := hold.pair()
	hostRead, hostWrite := hold.pair()
	if hold.err != nil {
		return nil, nil, hold.err
	}
	o := s.Supervisor
	o.Status = script.FD{N: statusWrite.Int(), Name: "status"}
	o.Host = script.FD{N: hostWrite.Int(), Name: "host"}
	program, err := supervisor.Program(o)
	if err != nil {
		return nil, nil, err
	}
	keep := append(s.Keep[:len(s.Keep):len(s.Keep)], hostWrite)
	h, err := s.Launcher.Start(launch.Options{
		Program: program, Keep: keep, Status: statusWrite, Name: s.Name, Into: s.Into, Dir: s.Dir,
	})
	if err != nil {
		return nil, nil, err
	}
	p = &Process{
		SupervisorPID: h.PID, helper: h, attached: o.Attached, host: newStream(hold.take(hostRead)),
		ended: make(chan struct{}), gone: make(chan struct{}),
	}
	return p, hold.take(statusRead), nil
}

// await reads the status to its end (the program was executed), to the gate, or
// to a failure.
//
// It waits in the call: a start takes a millisecond, and to be woken through the
// poller a part of that.
func (p *Process) await(status *sys.FD) (err error) {
	var root *sys.FD
	defer func() {
		if err != nil && root != nil {
			var e *SetupError
			if errors.As(err, &e) {
				e.Root = root
			} else {
				root.Close()
			}
		}
	}()
	var message [64]byte
	for {
		n, received, err := receiveOne(status, message[:])
		if errors.Is(err, io.EOF) {
			return p.helper.Release()
		}
		if err != nil {
			return err
		}
		switch {
		case received != nil:
			root = received
		case n == 1 && message[0] == 'r':
			return nil
		default:
			if e := p.helper.Failure(message[:n]); e != nil {
				return &SetupError{Err: e}
			}
			return fmt.Errorf("status message of %d bytes", n)
		}
	}
}

// receive takes the pidfd, which the supervisor sent before anything else.
func (p *Process) receive() error {
	var pid [4]byte
	_, fd, err := p.host.receive(pid[:])
	switch {
	case errors.Is(err, io.EOF):
		return ErrSupervisorKilled
	case err == nil && fd == nil:
		return errors.New("the supervisor sent no pidfd")
	}
	p.PIDFD, p.PID = fd, int(binary.LittleEndian.Uint32(pid[:]))
	return err
}

// collect waits for the exit record and then for the supervisor.
func (p *Process) collect() {
	record := make([]byte, supervisor.RecordSize)
	n, late, err := p.host.receive(record)
	if late != nil { // the pidfd, when receive failed
		late.Close()
		n, _, err = p.host.receive(record)
	}
	switch {
	case err == nil:
		p.exit, p.err = supervisor.ParseExit(record[:n])
	case errors.Is(err, io.EOF) && p.abandoned.Load():
		p.err = ErrAbandoned
	case errors.Is(err, io.EOF):
		p.exit, p.err = supervisor.Exit{Lost: true, Code: 137}, ErrSupervisorKilled
	default:
		p.err = err
	}
	close(p.ended)
	if p.err == ErrAbandoned {
		close(p.gone) // for us; somebody has to collect it nevertheless
	}
	watched := newStream(p.helper.PIDFD)
	watched.reap()
	watched.Close()
	p.helper.Release()
	p.host.Close()
	if p.err != ErrAbandoned {
		close(p.gone)
	}
}

// Ended is closed when Wait would return at once.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// Gone is closed when the supervisor has ended too: the lock is free and the
// cgroups are removed.
func (p *Process) Gone() <-chan struct{} { return p.gone }

// Wait waits for the end of the process. It may be called any number of times.
func (p *Process) Wait(ctx context.Context) (supervisor.Exit, error) {
	select {
	case <-p.ended:
		return p.exit, p.err
	case <-ctx.Done():
		return supervisor.Exit{}, context.Cause(ctx)
	}
}

// Signal sends a signal. A process that has ended gives os.ErrProcessDone's errno,
// ESRCH.
func (p *Process) Signal(sig syscall.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.PIDFD == nil {
		return syscall.ESRCH
	}
	return p.PIDFD.PidfdSignal(int(sig))
}

// Open returns a pidfd of the process, the caller's to close; ESRCH when Close has
// given it up.
func (p *Process) Open() (*sys.FD, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.PIDFD == nil {
		return nil, syscall.ESRCH
	}
	return p.PIDFD.Dup()
}

// Close gives up the pidfd, once the supervisor is gone.
func (p *Process) Close() error {
	<-p.gone
	p.mu.Lock()
	defer p.mu.Unlock()
	fd := p.PIDFD
	p.PIDFD = nil
	return fd.Close()
}

// Abandon lets go of the process: an attached one is killed by its supervisor, and
// Wait tells how it ended; a detached one goes on without us, and Wait returns
// ErrAbandoned. Its supervisor is still collected when it ends.
func (p *Process) Abandon() {
	p.once.Do(func() {
		if p.attached {
			p.host.shutdown()
			return
		}
		p.abandoned.Store(true)
		p.host.Close()
	})
}
