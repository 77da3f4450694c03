package monitor

import (
	"errors"
	"io"
	"os"
	"syscall"

	"github.com/coraclehq/coracle/internal/supervisor"
	"github.com/coraclehq/coracle/internal/sys"
)

// ErrNoTerminal: the process sent none.
var ErrNoTerminal = errors.New("the process sent no terminal")

// receive waits for the terminal and serves it.
func (c *Connection) receive() {
	master, err := c.arrive()
	if err == nil {
		err = c.adopt(master)
	}
	c.fail(err)
}

// arrive waits for the terminal's master until the process has ended.
func (c *Connection) arrive() (*sys.FD, error) {
	var b [8]byte
	_, master, err := c.arriving.receive(b[:])
	if errors.Is(err, os.ErrDeadlineExceeded) {
		// It has ended already, but had perhaps sent it: the deadline hides that.
		_, master, err = tryReceive(c.arriving, b[:])
	}
	switch {
	case master != nil:
		return master, nil
	case err == nil || errors.Is(err, io.EOF) || errors.Is(err, syscall.EAGAIN):
		err = ErrNoTerminal
	}
	return nil, err
}

// adopt begins to serve the terminal. It takes master over.
func (c *Connection) adopt(master *sys.FD) error {
	// Reading from a terminal whose other end nobody has open is EIO, which could not
	// be told from the end of a process that only closed it for a while and opens
	// /dev/tty again. So we have it open too, and the end is the process's own.
	peer, _ := master.PTYPeer()
	reading, err := master.Dup()
	if err == nil { // else Finish could not wake whoever reads, since the peer is open
		err = reading.SetNonblock(true)
	}
	if err != nil {
		reading.Close()
		peer.Close()
		return errors.Join(err, master.Close())
	}
	o := &output{from: newStream(reading).f, terminal: true, stream: supervisor.Stdout, log: c.log, to: newSink(c.io.Stdout)}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.master, c.peer = master, peer
	c.outputs = append(c.outputs, o)
	err = c.resize()
	select {
	case <-c.end: // Finish has passed over what was not there
		o.hurry()
	default:
	}
	c.pump(o)
	if c.io.Stdin != nil {
		go c.feed(o.from, func(last byte) { c.typeEOF(o.from, last) })
	}
	return err
}

// typeEOF is the end of Stdin: what a user at a keyboard would type. In a line that
// was begun the first one only completes it.
func (c *Connection) typeEOF(to *os.File, last byte) {
	c.mu.Lock()
	t, err := c.master.Termios()
	c.mu.Unlock()
	if err != nil || t.Lflag&sys.ICANON == 0 {
		return
	}
	eof := []byte{t.Cc[sys.VEOF]}
	if last != 0 && last != '\n' && last != '\r' {
		eof = append(eof, eof...)
	}
	to.Write(eof)
}

// Resize sets the size of the terminal in characters, at the latest when the process
// has made it. A process without a terminal is ErrNoTerminal; one that has ended is
// no error.
func (c *Connection) Resize(width, height uint16) error {
	if c.arriving == nil {
		return ErrNoTerminal
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.size = &Winsize{width, height}
	return c.resize()
}

// resize gives the terminal the size that was asked for, when there are both. The
// caller holds c.mu.
func (c *Connection) resize() error {
	if c.master == nil || c.size == nil {
		return nil
	}
	return c.master.SetWinsize(sys.Winsize{Row: c.size.Height, Col: c.size.Width})
}

// resizes follows the caller's window.
func (c *Connection) resizes() {
	for {
		select {
		case size, ok := <-c.io.Resize:
			if !ok {
				return
			}
			c.Resize(size.Width, size.Height)
		case <-c.end:
			return
		}
	}
}
