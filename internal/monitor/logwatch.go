package monitor

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/coraclehq/coracle/internal/sys"
)

// logWatch waits for changes in a container's directory.
//
// Events bring the news at once, but not all of it: a supervisor that is killed
// says nothing, and the lock that tells is free only after its last event. So a
// wait is bounded, at first by a millisecond.
type logWatch struct {
	f     *os.File // nil: there is no inotify to be had (its number is limited)
	buf   []byte
	count uint64
	woken bool // events came that no wait has returned for
	delay time.Duration
}

const (
	shortestWait = time.Millisecond
	longestWait  = 500 * time.Millisecond
	longestBlind = 50 * time.Millisecond // without events
)

func newLogWatch(dir *sys.FD) *logWatch {
	w := &logWatch{delay: shortestWait}
	fd, err := sys.Inotify()
	if err != nil {
		return w
	}
	if _, err := fd.AddWatch(dir, sys.IN_MODIFY|sys.IN_CLOSE_WRITE|sys.IN_CREATE|sys.IN_MOVED_TO|sys.IN_ONLYDIR); err != nil {
		fd.Close()
		return w
	}
	w.f, w.buf = fd.File(), make([]byte, 16<<10)
	return w
}

// close of nil does nothing.
func (w *logWatch) close() {
	if w != nil && w.f != nil {
		w.f.Close()
	}
}

// changes returns how often the name "log" has gone to another file. Where that is
// not known it is two more than at the last call at least. Of nil it is 0.
func (w *logWatch) changes() uint64 {
	if w == nil {
		return 0
	}
	if w.f == nil {
		w.count += 2
		return w.count
	}
	raw, err := w.f.SyscallConn()
	for err == nil {
		var n int
		closed := raw.Control(func(fd uintptr) { n, err = sys.NewFD(int(fd), "inotify").Read(w.buf) })
		err = errors.Join(err, closed) // EAGAIN: there are no more
		w.take(w.buf[:max(n, 0)])
	}
	return w.count
}

func (w *logWatch) take(events []byte) {
	for _, e := range sys.ParseInotify(events) {
		if e.Mask&sys.IN_Q_OVERFLOW != 0 {
			w.count += 2
			w.woken = true
		}
		switch e.Name {
		case logName:
			if e.Mask&(sys.IN_CREATE|sys.IN_MOVED_TO) != 0 {
				w.count++
			}
			w.woken = true
		case exitName:
			w.woken = true
		}
	}
}

// wait returns when there may be something new, or the time is up, or something has
// to be looked at again.
func (w *logWatch) wait(ctx context.Context, until time.Time) error {
	if w.woken {
		w.woken, w.delay = false, shortestWait
		return nil
	}
	deadline := time.Now().Add(w.delay)
	if !until.IsZero() && until.Before(deadline) {
		deadline = until
	}
	w.delay = min(2*w.delay, longestWait)
	if w.f == nil {
		return w.sleep(ctx, deadline)
	}
	w.f.SetReadDeadline(deadline)
	stop := context.AfterFunc(ctx, func() { w.f.SetReadDeadline(past) })
	defer stop()
	n, err := w.f.Read(w.buf)
	w.take(w.buf[:max(n, 0)])
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil
	}
	if w.woken {
		w.woken, w.delay = false, shortestWait
	}
	return err
}

// sleep is wait without events.
func (w *logWatch) sleep(ctx context.Context, deadline time.Time) error {
	w.delay = min(w.delay, longestBlind)
	t := time.NewTimer(time.Until(deadline))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
