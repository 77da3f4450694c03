package monitor

import (
	"errors"
	"io"
	"os"
	"sync/atomic"
	"syscall"

	"github.com/coraclehq/coracle/internal/sys"
)

// stream is a descriptor that goroutines wait on without a thread.
type stream struct {
	f      *os.File
	closed atomic.Bool
}

// newStream takes fd over.
func newStream(fd *sys.FD) *stream {
	fd.SetNonblock(true) // else os.File would hold a thread for each reader
	return &stream{f: fd.File()}
}

// Close wakes whoever waits.
func (s *stream) Close() error {
	s.closed.Store(true)
	return s.f.Close()
}

// shutdown is the end of what we send: the other side reads it as such, and can
// still send.
func (s *stream) shutdown() {
	raw, err := s.f.SyscallConn()
	if err != nil {
		return
	}
	raw.Control(func(number uintptr) { sys.NewFD(int(number), s.f.Name()).ShutdownSocket(sys.SHUT_WR) })
}

// receive reads one message and the descriptor that came with it, if any.
func (s *stream) receive(b []byte) (n int, fd *sys.FD, err error) {
	raw, err := s.f.SyscallConn()
	if err != nil {
		return 0, nil, err
	}
	wait := raw.Read(func(number uintptr) bool {
		n, fd, err = receiveOne(sys.NewFD(int(number), s.f.Name()), b)
		return !errors.Is(err, syscall.EAGAIN)
	})
	if wait != nil {
		if s.closed.Load() { // the raw connection has an error of its own for that
			wait = io.EOF
		}
		return 0, nil, wait
	}
	return n, fd, err
}

// receiveOne reads one message and the descriptor that came with it, if any.
func receiveOne(from *sys.FD, b []byte) (n int, fd *sys.FD, err error) {
	n, fds, err := from.RecvFDs(b, 1)
	if errors.Is(err, syscall.ECONNRESET) {
		err = io.EOF // the other end went with messages unread
	}
	if len(fds) > 0 {
		fd = fds[0]
	}
	return n, fd, err
}

// reap waits for the end of the child that s is the pidfd of, and collects it if
// nobody else did: a host that waits for any child may have.
func (s *stream) reap() {
	raw, err := s.f.SyscallConn()
	if err != nil {
		return
	}
	raw.Read(func(number uintptr) bool {
		e, err := sys.NewFD(int(number), s.f.Name()).PidfdWait(sys.WEXITED | sys.WNOHANG)
		return err != nil || e.PID != 0
	})
}

// fds are descriptors that a function made and has not given away yet.
type fds struct {
	open []*sys.FD
	err  error
}

// pair makes a pair of connected sockets that keep messages apart.
func (h *fds) pair() (ours, theirs *sys.FD) {
	if h.err != nil {
		return nil, nil
	}
	a, b, err := sys.SocketPair(sys.SOCK_SEQPACKET)
	if err == nil {
		a, b = h.above(a), h.above(b)
	}
	h.err = errors.Join(h.err, err)
	return a, b
}

// above keeps fd, moved out of the way of the standard streams.
func (h *fds) above(fd *sys.FD) *sys.FD {
	if fd.Int() < 3 {
		moved, err := sys.MoveAbove(fd, 3)
		h.err = errors.Join(h.err, err, fd.Close())
		fd = moved
	}
	if fd != nil {
		h.open = append(h.open, fd)
	}
	return fd
}

// take gives fd away.
func (h *fds) take(fd *sys.FD) *sys.FD {
	for i, o := range h.open {
		if o == fd {
			h.open = append(h.open[:i], h.open[i+1:]...)
			break
		}
	}
	return fd
}

// Close closes what was not given away.
func (h *fds) Close() error {
	var errs []error
	for _, fd := range h.open {
		errs = append(errs, fd.Close())
	}
	h.open = nil
	return errors.Join(errs...)
}
