package supervisor

import (
	"strconv"

	"github.com/coraclehq/coracle/internal/script"
	"github.com/coraclehq/coracle/internal/sys"
)

// frame is the log record that is being written: header, then the data where it
// was read.
type frame struct {
	header script.Cell
	iov    script.Cell // two struct iovec: header, data
	buffer script.Space
}

func (f frame) stream() script.Cell { return f.header.At(16) }
func (f frame) length() script.Cell { return f.header.At(20) }

// output moves what the container wrote into the log: one record of each stream
// in a turn, so that neither starves the other.
func (w *writer) output() {
	if none(w.Log) {
		return
	}
	w.frame = frame{header: w.Data("record header", make([]byte, LogHeaderSize)), buffer: w.Reserve(LogBuffer)}
	w.frame.iov = w.Words("record iovec", w.frame.header, script.Num(LogHeaderSize), w.frame.buffer, script.Num(0))
	w.logged = w.Cell("log size", uint64(w.LogSize))

	w.receiveMaster()
	w.unlessReady(pollStdout, "stderr")
	w.Label("stdout")
	w.Set(w.frame.stream(), Stdout)
	w.read(pollStdout)
	w.Label("stderr")
	w.unlessReady(pollStderr, "written")
	w.Set(w.frame.stream(), Stderr)
	w.read(pollStderr)
	w.Goto("written")

	w.emit()
	w.Label("written")
}

// receiveMaster takes in the terminal's master, which the container's process
// sends from inside.
func (w *writer) receiveMaster() {
	if none(w.Terminal) {
		return
	}
	m := w.rights("master message", w.Cell("master byte", 0), 1, 1)
	w.unlessReady(pollTerminal, "no terminal")
	w.drop(pollTerminal)
	w.Op(script.Recvmsg, w.Terminal, m.header, script.Flags{N: sys.MSG_CMSG_CLOEXEC, Text: "MSG_CMSG_CLOEXEC"}).
		IfZero("no terminal").OnAnyErrno("no terminal").Doing("receive the terminal")
	w.Copy(w.master, m.fds)
	w.Copy(w.fd(pollStdout), m.fds)
	// A terminal whose other end nobody has open reads EIO, and its entry is dropped.
	// A process may close its own for a while and open /dev/tty again: so the
	// supervisor has one open too, and the end is that of the process.
	w.Op(script.Ioctl, script.Load{From: w.master}, script.Flags{N: sys.TIOCGPTPEER, Text: "TIOCGPTPEER"},
		script.Flags{N: sys.O_RDWR | sys.O_NOCTTY | sys.O_CLOEXEC, Text: "O_RDWR|O_NOCTTY|O_CLOEXEC"}).
		AllowAny().Doing("keep the terminal open")
	w.Label("no terminal")
}

// read fills the buffer from an entry that is ready and goes to emit; an entry at
// its end is dropped. A terminal's end is EIO: its last slave was closed.
func (w *writer) read(entry int) {
	w.Op(script.Read, script.Load{From: w.fd(entry)}, w.frame.buffer, script.Num(LogBuffer)).
		Into64(w.frame.iov.At(24)).IfPositive("emit").AllowAny()
	w.drop(entry)
}

// emit writes the record. A short or failed write (a full disk, a quota) is cut
// off again and dropped: the log is never torn, and the container never blocked.
func (w *writer) emit() {
	f := w.frame
	w.Label("emit")
	w.Copy(f.length(), f.iov.At(24))
	w.Op(script.ClockGettime, script.Num(0), f.header).AllowAny()
	w.Op(script.Writev, w.Log, f.iov, script.Num(2), script.Num(0), script.Num(0), script.Load{From: f.iov.At(24), Plus: LogHeaderSize}).
		IfArg5("count").AllowAny().Doing("write the log")
	w.Op(script.Ftruncate, w.Log, script.Load{From: w.logged}).AllowAny().Doing("cut off a torn record")
	w.Goto("emitted")
	w.Label("count")
	sum := w.Cell("sum", 0)
	w.Sum(LogHeaderSize, w.logged).Into(sum)
	w.add(sum, f.iov.At(24))
	w.Copy(w.logged, sum)
	w.Sum(-w.LogLimit, w.logged).IfPositive("rotate")
	w.Label("emitted")
	w.Sum(-Stdout, f.stream()).IfZero("stderr")
	w.Goto("written")
	w.rotate()
}

// add adds the value of one cell to another.
func (w *writer) add(to, from script.Cell) {
	w.Op(script.Add, script.Num(0), script.Load{From: from}, to).Into(to)
}

// rotate goes on in a new file under the same descriptor, and renames the old one
// out of the way. The new one is made first: where that fails (no inode, a quota)
// the log grows, and no older file is pushed out for nothing. A reader that has the
// old file open can finish it.
func (w *writer) rotate() {
	w.Label("rotate")
	name := func(i int) script.Str {
		if i == 0 {
			return "log"
		}
		return script.Str("log." + strconv.Itoa(i))
	}
	const flags = sys.O_WRONLY | sys.O_CREAT | sys.O_TRUNC | sys.O_APPEND | sys.O_CLOEXEC
	opened := w.Cell("new log", 0)
	w.Op(script.Openat, w.Dir, script.Str("log.tmp"), script.Flags{N: flags, Text: "O_WRONLY|O_CREAT|O_TRUNC|O_APPEND|O_CLOEXEC"}, script.Flags{N: 0o600, Text: "0600"}).
		Into(opened).OnAnyErrno("emitted").Doing("open a new log")
	for i := w.LogFiles; i > 0; i-- {
		w.Op(script.Renameat, w.Dir, name(i-1), w.Dir, name(i)).AllowAny().Doing("rotate the log")
	}
	w.Op(script.Renameat, w.Dir, script.Str("log.tmp"), w.Dir, name(0)).AllowAny().Doing("publish the new log")
	w.Op(script.Dup3, script.Load{From: opened}, w.Log, script.Flags{N: sys.O_CLOEXEC, Text: "O_CLOEXEC"}).AllowAny()
	w.Op(script.Close, script.Load{From: opened}).AllowAny()
	w.Set(w.logged, 0)
	w.Goto("emitted")
}
