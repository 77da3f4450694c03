package monitor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"syscall"

	"github.com/coraclehq/coracle/internal/supervisor"
	"github.com/coraclehq/coracle/internal/sys"
)

// ControlSocket is the name of the supervisor's socket in the container's
// directory.
const ControlSocket = "ctl"

// Control is what a supervisor hands to whoever may open the container's
// directory, whichever process started the container.
type Control struct {
	PIDFD    *sys.FD // of the container's first process
	Log      *sys.FD // the file that the supervisor writes; nil when it writes none
	Terminal *sys.FD // the terminal's master; nil when the supervisor has none
	Gate     *sys.FD // the gate's write end; nil when the supervisor does not keep it
}

// ErrNoSupervisor: nobody listens on the control socket; the container does not
// run.
var ErrNoSupervisor = errors.New("no supervisor answers")

// Listen makes the control socket for a supervisor to inherit. What an earlier run
// left under the name is removed.
func Listen(dir *sys.FD) (*sys.FD, error) {
	if err := dir.Unlink(ControlSocket); err != nil && !errors.Is(err, syscall.ENOENT) {
		return nil, err
	}
	return dir.ListenUnix(ControlSocket, sys.SOCK_STREAM, 64)
}

// OpenControl asks the supervisor of the container in dir.
func OpenControl(dir *sys.FD) (_ *Control, err error) {
	s, err := dir.ConnectUnix(ControlSocket, sys.SOCK_STREAM)
	if errors.Is(err, syscall.ENOENT) || errors.Is(err, syscall.ECONNREFUSED) {
		return nil, ErrNoSupervisor
	}
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	var mask [8]byte
	n, fds, err := s.RecvFDs(mask[:], 4)
	if errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) {
		return nil, ErrNoSupervisor // it ended between our connect and its accept
	}
	if err != nil {
		return nil, err
	}
	c := &Control{}
	for i, to := range []**sys.FD{&c.PIDFD, &c.Log, &c.Terminal, &c.Gate} {
		if i >= len(fds) {
			break
		}
		if mask[0]&(1<<i) != 0 {
			*to = fds[i]
		} else {
			fds[i].Close()
		}
	}
	if n == 0 || mask[0]&supervisor.HandPID == 0 || c.PIDFD == nil {
		return nil, errors.Join(fmt.Errorf("the supervisor handed over %d descriptors", len(fds)), c.Close())
	}
	return c, nil
}

// Close closes the descriptors.
func (c *Control) Close() error {
	var errs []error
	for _, fd := range []*sys.FD{c.PIDFD, c.Log, c.Terminal, c.Gate} {
		if fd != nil {
			errs = append(errs, fd.Close())
		}
	}
	return errors.Join(errs...)
}

// AwaitExit returns when the process that pidfd refers to has ended. It takes
// pidfd over.
func AwaitExit(ctx context.Context, pidfd *sys.FD) error {
	s := newStream(pidfd)
	defer s.Close()
	stop := context.AfterFunc(ctx, func() { s.Close() })
	defer stop()
	raw, err := s.f.SyscallConn()
	if err != nil {
		return err
	}
	err = raw.Read(func(number uintptr) bool {
		ready, err := sys.Poll([]sys.PollFD{{FD: sys.NewFD(int(number), "pidfd"), Events: sys.POLLIN}}, 0)
		return err != nil || ready > 0
	})
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}
