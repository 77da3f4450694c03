package compile

import (
	"encoding/binary"
	"fmt"

	"github.com/coraclehq/coracle/internal/script"
	"github.com/coraclehq/coracle/internal/sys"
)

// checkTerminal says whether there is all that a terminal needs.
func (c *compiler) checkTerminal() error {
	if c.Process.Terminal && none(c.FDs.Terminal) {
		return invalid("/process/terminal", "there is no socket to send the terminal over")
	}
	if s := c.Process.ConsoleSize; s != nil && (s.Width > 0xffff || s.Height > 0xffff) {
		return invalid("/process/consoleSize", "%d by %d is no size of a terminal", s.Width, s.Height)
	}
	return nil
}

// terminal makes a pair on the container's own devpts, sends its master away and
// puts the other end on /dev/console too.
func (c *container) terminal() error {
	if !c.Process.Terminal {
		return nil
	}
	if !c.has("/dev/pts") {
		return invalid("/process/terminal", "there is no devpts on /dev/pts")
	}
	c.cd("/dev")
	master := c.cell("master")
	c.Op(script.Openat, script.CWD, script.Str("pts/ptmx"), openFlags(sys.O_RDWR|sys.O_NOCTTY|sys.O_CLOEXEC, c.arch)).Into(master).Doing("open a terminal")
	c.pair(master)
	// By descriptor: a name in /dev/pts could be another's by now (CVE-2025-52565).
	console := c.cell("console")
	flags := openTreeClone
	flags.N, flags.Text = flags.N|sys.AT_EMPTY_PATH, flags.Text+"|AT_EMPTY_PATH"
	c.Op(script.Mknodat, script.CWD, script.Str("console"), script.Flags{N: sys.S_IFREG | 0o600, Text: "S_IFREG|0600"}, script.Num(0)).Doing("make /dev/console")
	c.Op(script.OpenTree, load(c.slave), script.Str(""), flags).Into(console).Doing("copy the mount of the terminal")
	c.Op(script.MoveMount, load(console), script.Str(""), script.CWD, script.Str("console"), moveFromFD).Doing("mount the terminal on /dev/console")
	return nil
}

// joinedTerminal does the same for a process in a running container, whose /dev
// may have been changed. What is not a terminal's master answers ENOTTY.
func (c *compiler) joinedTerminal() {
	if !c.Process.Terminal {
		return
	}
	master := c.cell("master")
	c.open(load(c.root), "/dev/pts/ptmx", sys.O_RDWR|sys.O_NOCTTY|sys.O_CLOEXEC, noSymlinks).Into(master).Doing("open a terminal")
	c.pair(master)
}

// pair unlocks a terminal, opens its other end and sends the master.
func (c *compiler) pair(master script.Cell) {
	unlock := make([]byte, 8)
	c.Op(script.Ioctl, load(master), script.Flags{N: sys.TIOCSPTLCK, Text: "TIOCSPTLCK"}, script.Blob{Data: unlock, Text: "{0}"}).Doing("unlock the terminal")
	c.slave = c.cell("terminal")
	c.Op(script.Ioctl, load(master), script.Flags{N: sys.TIOCGPTPEER, Text: "TIOCGPTPEER"}, openFlags(sys.O_RDWR|sys.O_NOCTTY|sys.O_CLOEXEC, c.arch)).
		Into(c.slave).Doing("open the terminal's other end")
	if s := c.Process.ConsoleSize; s != nil && s.Width|s.Height > 0 {
		size := make([]byte, 8) // struct winsize
		binary.LittleEndian.PutUint16(size, uint16(s.Height))
		binary.LittleEndian.PutUint16(size[2:], uint16(s.Width))
		c.Op(script.Ioctl, load(master), script.Flags{N: sys.TIOCSWINSZ, Text: "TIOCSWINSZ"}, script.Blob{Data: size, Text: fmt.Sprintf("{%d, %d}", s.Height, s.Width)}).
			Doing("set the size of the terminal")
	}
	c.give(load(c.slave), "the terminal")
	c.send(c.FDs.Terminal, master, "terminal message").Doing("send the terminal's master")
	c.Op(script.Close, load(master))
}

// give makes the user the owner of a descriptor's file.
func (c *compiler) give(fd script.Arg, what string) {
	if c.Process.User.UID == 0 {
		return
	}
	c.Op(script.Fchownat, fd, script.Str(""), script.Num(c.Process.User.UID), script.Num(-1), emptyPath).Doing("give " + what + " to the user")
}

// send sends a descriptor over a socket, with one byte.
func (c *compiler) send(socket script.FD, fd script.Cell, name string) *script.Op {
	control := make([]byte, 24) // struct cmsghdr, one descriptor, padding
	binary.LittleEndian.PutUint64(control, 20)
	binary.LittleEndian.PutUint32(control[8:], sys.SOL_SOCKET)
	binary.LittleEndian.PutUint32(control[12:], sys.SCM_RIGHTS)
	body := c.Data(name+" control", control)
	iov := c.Words(name+" iovec", c.Cell(name+" byte", 'f'), script.Num(1))
	header := c.Words(name, script.Num(0), script.Num(0), iov, script.Num(1), body, script.Num(24), script.Num(0))
	c.Copy(body.At(16), fd)
	return c.Op(script.Sendmsg, socket, header, script.Flags{N: sys.MSG_NOSIGNAL, Text: "MSG_NOSIGNAL"})
}
