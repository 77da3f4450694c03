package monitor

import (
	"errors"

	"github.com/coraclehq/coracle/internal/sys"
)

// pipe makes a pipe.
func (h *fds) pipe() (r, w *sys.FD) {
	if h.err != nil {
		return nil, nil
	}
	r, w, err := sys.Pipe(0)
	if err != nil {
		h.err = err
		return nil, nil
	}
	// Not 1 or 2 either: the Go runtime ends a program that writes to a broken pipe
	// there.
	return h.above(r), h.above(w)
}

// dup makes a second descriptor of fd's open file.
func (h *fds) dup(fd *sys.FD) *sys.FD {
	if h.err != nil {
		return nil
	}
	d, err := sys.MoveAbove(fd, 3)
	if err != nil {
		h.err = err
		return nil
	}
	h.open = append(h.open, d)
	return d
}

// tryReceive is stream.receive without waiting, and whether or not a deadline has
// passed.
func tryReceive(s *stream, b []byte) (n int, fd *sys.FD, err error) {
	raw, err := s.f.SyscallConn()
	if err != nil {
		return 0, nil, err
	}
	var fds []*sys.FD
	closed := raw.Control(func(number uintptr) {
		n, fds, err = sys.NewFD(int(number), s.f.Name()).RecvFDs(b, 1)
	})
	if len(fds) > 0 {
		fd = fds[0]
	}
	return n, fd, errors.Join(closed, err)
}
