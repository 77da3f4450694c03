package monitor

import (
	"errors"
	"io"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/coraclehq/coracle/internal/supervisor"
	"github.com/coraclehq/coracle/internal/sys"
)

var past = time.Unix(1, 0)

// sink is a caller's writer.
type sink struct {
	mu     sync.Mutex // guards what follows
	w      io.Writer
	failed bool
}

// newSink returns nil for a nil writer.
func newSink(w io.Writer) *sink {
	if w == nil {
		return nil
	}
	return &sink{w: w}
}

// write returns the first error; after it, everything is thrown away.
func (s *sink) write(b []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed {
		return nil
	}
	n, err := s.w.Write(b)
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	s.failed = err != nil
	return err
}

// output is a stream of the process on its way to the log and to the caller.
type output struct {
	from     *os.File
	terminal bool
	stream   int
	log      *LogWriter // nil: none
	to       *sink      // nil: none
}

// run moves the stream until its end, or until hurry and then what is there. The
// error is the caller's writer's or that of reading.
func (o *output) run() error {
	var first error
	// Room for a record's header, so that log and writer share one buffer.
	buf := make([]byte, supervisor.LogHeaderSize+supervisor.LogBuffer)
	for {
		n, err := o.from.Read(buf[supervisor.LogHeaderSize:])
		first = errors.Join(first, o.deliver(buf, n))
		switch {
		case err == nil:
		case errors.Is(err, os.ErrDeadlineExceeded):
			return errors.Join(first, o.drain(buf))
		case o.over(err):
			return first
		default:
			return errors.Join(first, err)
		}
	}
}

// over says whether a read error is the end of the stream. A terminal's is EIO:
// nobody has its other end open.
func (o *output) over(err error) bool {
	return errors.Is(err, io.EOF) || o.terminal && errors.Is(err, syscall.EIO)
}

// hurry makes run read only what is there already.
func (o *output) hurry() { o.from.SetReadDeadline(past) }

// drain reads what the kernel holds of the stream, and no more: another process may
// go on writing for ever. A deadline that has passed hides it from Read.
func (o *output) drain(buf []byte) error {
	raw, err := o.from.SyscallConn()
	if err != nil {
		return err
	}
	var first error
	for left := o.pending(raw); left > 0; {
		var n int
		var err error
		closed := raw.Control(func(fd uintptr) {
			n, err = sys.NewFD(int(fd), o.from.Name()).Read(buf[supervisor.LogHeaderSize:])
		})
		first = errors.Join(first, o.deliver(buf, n))
		switch {
		case closed != nil:
			return errors.Join(first, closed)
		case errors.Is(err, syscall.EAGAIN) || err != nil && o.over(err):
			return first
		case err != nil:
			return errors.Join(first, err)
		}
		left -= n
	}
	return first
}

// pending is how much drain reads at most. A terminal does not tell what is on its
// way through the kernel's buffers, which hold some 70 KB. Reading looks there
// before it finds nothing: n_tty_read, "Linux: tty_buffer_flush_work".
func (o *output) pending(raw syscall.RawConn) (n int) {
	if o.terminal {
		return 1 << 20
	}
	raw.Control(func(fd uintptr) {
		var err error
		if n, err = sys.NewFD(int(fd), o.from.Name()).Pending(); err != nil {
			n = 1 << 20
		}
	})
	return n
}

// deliver passes on n bytes that stand in buf behind the room for a header.
func (o *output) deliver(buf []byte, n int) error {
	if n == 0 {
		return nil
	}
	if o.log != nil {
		o.log.frame(buf[:supervisor.LogHeaderSize+n], o.stream)
	}
	if o.to == nil {
		return nil
	}
	return o.to.write(buf[supervisor.LogHeaderSize : supervisor.LogHeaderSize+n])
}

// feed copies Stdin until its end, or until nobody reads any more. At its end it
// calls atEnd with the last byte that was passed on, 0 if none was.
func (c *Connection) feed(to io.Writer, atEnd func(last byte)) {
	// Not io.Copy: (*os.File).ReadFrom would hold the file while it waits for the
	// reader, and Close would wait for it.
	buf := make([]byte, 32<<10)
	var last byte
	for {
		n, err := c.io.Stdin.Read(buf)
		if n > 0 {
			if _, err := to.Write(buf[:n]); err != nil {
				return // the process ended, or closed its end
			}
			last = buf[n-1]
		}
		if err == nil {
			continue
		}
		if !errors.Is(err, io.EOF) {
			c.fail(err)
		}
		atEnd(last)
		return
	}
}
