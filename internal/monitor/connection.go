package monitor

import (
	"errors"
	"io"
	"os"
	"reflect"
	"sync"

	"github.com/coraclehq/coracle/internal/supervisor"
	"github.com/coraclehq/coracle/internal/sys"
)

// Winsize is the size of a terminal in characters.
type Winsize struct{ Width, Height uint16 }

// IO is where a process reads and writes, as this program sees it. Every field may
// be nil.
//
// Writes to one writer never overlap, also when it is both Stdout and Stderr. A
// writer that blocks holds the process up as a pipe does. One that fails is not
// asked again: what comes after is thrown away, the process sees nothing of it,
// and Finish returns the error.
type IO struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer      // a terminal has Stdout alone
	Resize         <-chan Winsize // may be closed
}

// Connection is a process's standard streams, of which this program has the other
// ends: pipes, or a terminal that the process makes for itself and sends here.
//
//	c, err := Connect(false, streams, log)
//	...start the process with c.Child and c.Terminal...
//	c.Abort()           // it could not be started
//	c.Started()         // it runs
//	c.Finish(p.Ended()) // wait for it and for its output
type Connection struct {
	// Child are what the process is to have as 0, 1 and 2; nil stands for its own
	// /dev/null. With a terminal all three are nil.
	Child [3]*sys.FD

	// Terminal is a socket over which the process sends the master of its terminal,
	// in one message with one byte at least; nil: it has none.
	Terminal *sys.FD

	io    IO
	log   *LogWriter
	stdin *os.File // our end of the pipe

	arriving *stream // our end of Terminal
	outputs  []*output

	pumps sync.WaitGroup // what Finish waits for
	end   chan struct{}  // closed when the process has ended

	mu     sync.Mutex // guards what follows
	master *sys.FD    // the terminal
	peer   *sys.FD    // its other end; see adopt
	size   *Winsize   // asked for before the terminal was there
	err    error      // the first one of each writer and of Stdin
}

// Connect makes the ends of a process's streams. The log, if not nil, gets all that
// the process writes before a writer does; the Connection takes it over, and closes
// it also when Connect fails.
func Connect(terminal bool, streams IO, log *LogWriter) (_ *Connection, err error) {
	c := &Connection{io: streams, log: log, end: make(chan struct{})}
	defer func() {
		if err != nil {
			c.Abort()
		}
	}()
	var hold fds
	defer func() { err = errors.Join(err, hold.Close()) }()
	if terminal {
		ours, theirs := hold.pair()
		if hold.err != nil {
			return nil, hold.err
		}
		c.arriving, c.Terminal = newStream(hold.take(ours)), hold.take(theirs)
		return c, nil
	}
	if streams.Stdin != nil {
		r, w := hold.pipe()
		if hold.err != nil {
			return nil, hold.err
		}
		c.stdin, c.Child[0] = newStream(hold.take(w)).f, hold.take(r)
	}
	out := newSink(streams.Stdout)
	// With one pipe for both, the order of what the process writes is kept. The log
	// has to tell the two apart.
	if log == nil && out != nil && same(streams.Stdout, streams.Stderr) {
		c.connect(&hold, supervisor.Stdout, out)
		if hold.err == nil {
			c.Child[2] = hold.take(hold.dup(c.Child[1]))
		}
		return c, hold.err
	}
	errs := newSink(streams.Stderr)
	if out != nil && same(streams.Stdout, streams.Stderr) {
		errs = out
	}
	c.connect(&hold, supervisor.Stdout, out)
	c.connect(&hold, supervisor.Stderr, errs)
	return c, hold.err
}

// connect makes the pipe of one stream, if anybody wants what it carries.
func (c *Connection) connect(hold *fds, number int, to *sink) {
	if hold.err != nil || to == nil && c.log == nil {
		return
	}
	r, w := hold.pipe()
	if hold.err != nil {
		return
	}
	c.Child[number] = hold.take(w)
	c.outputs = append(c.outputs, &output{from: newStream(hold.take(r)).f, stream: number, log: c.log, to: to})
}

// same says whether two writers are one, as os/exec does.
func same(a, b io.Writer) bool {
	if a == nil || b == nil {
		return false
	}
	t := reflect.TypeOf(a)
	return t == reflect.TypeOf(b) && t.Comparable() && reflect.ValueOf(a).Comparable() && a == b
}

// Keep are the descriptors that the process's helper has to inherit.
func (c *Connection) Keep() (keep []*sys.FD) {
	for _, fd := range append(c.Child[:], c.Terminal) {
		if fd != nil {
			keep = append(keep, fd)
		}
	}
	return keep
}

// Started says that the process runs: its ends are closed here, and from now on its
// streams are served.
func (c *Connection) Started() {
	c.closeTheirs()
	for _, o := range c.outputs {
		c.pump(o)
	}
	if c.stdin != nil {
		go c.feed(c.stdin, func(byte) { c.stdin.Close() })
	}
	if c.arriving != nil {
		c.pumps.Go(c.receive)
		if c.io.Resize != nil {
			go c.resizes()
		}
	}
}

// pump moves a stream until its end.
func (c *Connection) pump(o *output) {
	c.pumps.Go(func() { c.fail(o.run()) })
}

// Abort says that the process was not started. It closes everything.
func (c *Connection) Abort() {
	c.closeTheirs()
	c.closeOurs()
}

// Finish waits until ended is closed and every byte that the process had written is
// delivered, then closes everything and returns the first error of each writer, of
// Stdin and of the log (a *LogError). It is called once.
//
// What other processes write after that, which may still have the pipes, is not
// waited for. A Stdin whose Read blocks does not hold Finish up: the goroutine that
// waits in it ends when it returns, and what it returned is lost.
func (c *Connection) Finish(ended <-chan struct{}) error {
	<-ended
	close(c.end)
	if c.arriving != nil {
		c.arriving.f.SetReadDeadline(past)
	}
	c.mu.Lock()
	for _, o := range c.outputs {
		o.hurry()
	}
	c.mu.Unlock()
	c.pumps.Wait()
	c.fail(c.closeOurs())
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

func (c *Connection) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = errors.Join(c.err, err)
}

func (c *Connection) closeTheirs() {
	for _, fd := range c.Keep() {
		fd.Close()
	}
	c.Child, c.Terminal = [3]*sys.FD{}, nil
}

// closeOurs returns what the log has to say; nothing was written to anything else
// here that a close could still lose.
func (c *Connection) closeOurs() error {
	if c.stdin != nil {
		c.stdin.Close()
	}
	if c.arriving != nil {
		c.arriving.Close()
	}
	for _, o := range c.outputs {
		o.from.Close()
	}
	c.mu.Lock()
	c.peer.Close() // Close of nil does nothing
	c.master.Close()
	c.peer, c.master = nil, nil
	c.mu.Unlock()
	if c.log == nil {
		return nil
	}
	return c.log.Close()
}
