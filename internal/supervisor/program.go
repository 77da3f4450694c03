package supervisor

import (
	"errors"

	"github.com/coraclehq/coracle/internal/script"
	"github.com/coraclehq/coracle/internal/sys"
)

// Options say what a supervisor has and does. Descriptors are those of the
// helper, 3 or more; the zero FD stands for none.
type Options struct {
	Arch script.Arch

	Status script.FD // where failures are reported; its end at exec means success
	Host   script.FD // SEQPACKET socket to the host program

	// Attached kills the container when the host socket comes to its end.
	Attached bool

	Dir     script.FD // the container's directory: exit record and log. None for an exec
	Alive   script.FD // the locked file; only held
	Control script.FD // listening socket for viewers
	Gate    script.FD // write end of the gate, when the supervisor is to keep it and hand it over

	// Log takes what comes from Stdout and Stderr (read ends of pipes, not blocking)
	// or from the terminal's master, which arrives over Terminal. Without Log the
	// supervisor pumps nothing.
	Log            script.FD
	LogSize        int64 // what Log already has, in bytes
	LogLimit       int64 // bytes after which it is rotated; 0: MaxLog, which is the most
	LogFiles       int   // how many rotated files are kept
	Stdout, Stderr script.FD
	Terminal       script.FD

	// Leave are files of cgroups (tasks, cgroup.procs) that the supervisor writes
	// itself into, to be out of the host's.
	Leave []script.FD

	// Namespaces are the CLONE_NEW flags of the container's process.
	Namespaces uint64

	// Into is a cgroup v2 directory that the process is born in. It needs clone3.
	Into script.FD

	// PIDNamespace is a pidfd or namespace file whose pid namespace the process is
	// to be in. Join are then the cgroup files it writes itself into first, because
	// nothing of the host's may be open in a process that a container can see.
	PIDNamespace script.FD
	Join         []script.FD

	// Enter appends how a process gets into the container's other namespaces, before
	// there is one in PIDNamespace. It may share no memory with another that is joined,
	// nor signals: see fork.
	Enter func(*script.Builder) error

	Kill   script.FD // cgroup.kill: for a container without a pid namespace of its own
	Thaw   script.FD // freezer.state of v1: there a frozen process does not die
	Events script.FD // memory.events or memory.oom_control, kept with the exit
	Remove []Dir     // empty directories (cgroups) to remove after the end

	// ChildOnly are descriptors that only the container's process needs.
	ChildOnly []script.FD

	// Body appends what the container's process does, to the exec.
	Body func(*script.Builder) error

	// FailAt makes one op fail, for tests: its number, from 1. 0: none.
	FailAt int
}

// Dir is a directory by its parent.
type Dir struct {
	Parent script.FD
	Name   string
}

// Program writes the helper's program.
func Program(o Options) (*script.Program, error) {
	if o.LogLimit <= 0 || o.LogLimit > MaxLog {
		o.LogLimit = MaxLog
	}
	if none(o.Status) || none(o.Host) || o.Body == nil {
		return nil, errors.New("supervisor: status, host and body are needed")
	}
	w := newWriter(o)
	w.prologue()
	if err := w.fork(); err != nil {
		return nil, err
	}
	if err := o.Body(w.Builder); err != nil {
		return nil, err
	}
	w.Label("supervisor")
	w.adopt()
	w.reserve()
	w.watchHost()
	w.loop()
	w.end()
	w.Builder.FailAt(o.FailAt - 1)
	return w.Link()
}

func none(f script.FD) bool { return f.N < 3 }

// writer holds what the parts of the program share.
type writer struct {
	*script.Builder
	Options

	poll   script.Cell // the ppoll table
	pid    script.Cell // the process
	pidfd  script.Cell
	exitFD script.Cell // the reserved exit record; 0xffffffff: none
	record script.Cell

	hand      message     // to viewers
	handMask  script.Cell // which of its descriptors there are
	master    script.Cell // the terminal's, once it has come; 0: not yet
	frame     frame       // the log record being written
	logged    script.Cell // bytes in the log
	turns     script.Cell // after the end: how often the output was drained
	wait      script.Cell // address of the ppoll timeout; 0: for ever
	pollFails script.Cell // in a row
}

// Places in the ppoll table. A descriptor at its end becomes -1 there, which
// ppoll(2) passes over.
const (
	pollPID = iota
	pollHost
	pollStdout // or the terminal's master
	pollStderr
	pollControl
	pollTerminal
	pollEntries
)

const (
	gone         = 0xffffffff
	maxTurns     = 4096
	maxPollFails = 1000
	pollIn       = 1
	noSignal     = sys.MSG_NOSIGNAL
	sigkill      = 9
	signalGroup  = 4 // PIDFD_SIGNAL_PROCESS_GROUP
	sigchld      = 17
	unlock       = 8 // LOCK_UN
	sigsetSize   = 8

	getMountNamespace = 0xff03 // _IO(PIDFS_IOCTL_MAGIC, 3)
)

func newWriter(o Options) *writer {
	b := script.New(o.Arch, script.Base)
	b.Status(o.Status)
	w := &writer{Builder: b, Options: o}
	table := make([]script.Arg, pollEntries)
	for i, f := range map[int]script.FD{pollHost: o.Host, pollStdout: o.Stdout, pollStderr: o.Stderr, pollControl: o.Control, pollTerminal: o.Terminal} {
		table[i] = pollWord(f, !none(f) && (i == pollHost || i == pollControl || !none(o.Log)))
	}
	table[pollPID] = pollWord(script.FD{}, false)
	w.poll = b.Words("poll", table...)
	w.pid = b.Cell("pid", 0)
	w.pidfd = b.Cell("pidfd", gone)
	w.exitFD = b.Cell("exit.tmp", gone)
	w.record = b.Data("record", LostExit(zeroTime))
	w.turns = b.Cell("turns", 0)
	w.wait = b.Cell("timeout", 0)
	w.master = b.Cell("master", 0)
	w.pollFails = b.Cell("poll failures", 0)
	return w
}

// pollWord is a struct pollfd.
func pollWord(f script.FD, on bool) script.Arg {
	fd := uint64(gone)
	if on {
		fd = uint64(f.N)
	}
	return script.Num(fd | pollIn<<32)
}

func (w *writer) fd(entry int) script.Cell { return w.poll.At(8 * entry) }

// unlessReady goes to a label when ppoll reported nothing for an entry: events
// and revents are one word, and events is 1.
func (w *writer) unlessReady(entry int, label string) {
	w.Sum(-pollIn, w.poll.At(8*entry+4)).IfZero(label)
}

func (w *writer) drop(entry int) { w.Set(w.fd(entry), gone) }

// kill ends the container: its first process, which takes the pid namespace
// along, and the cgroup where there is no such namespace. Of a process that joined
// others in their namespaces it kills the group that it leads: what a shell left in
// the background. Linux 6.9; see pidfd_send_signal(2), PIDFD_SIGNAL_PROCESS_GROUP.
func (w *writer) kill() {
	if !none(w.PIDNamespace) {
		w.Op(script.PidfdSendSignal, script.Load{From: w.pidfd}, script.Flags{N: sigkill, Text: "SIGKILL"}, script.Num(0),
			script.Flags{N: signalGroup, Text: "PIDFD_SIGNAL_PROCESS_GROUP"}).AllowAny().Doing("kill the process's group")
	}
	w.Op(script.PidfdSendSignal, script.Load{From: w.pidfd}, script.Flags{N: sigkill, Text: "SIGKILL"}, script.Num(0), script.Num(0)).
		AllowAny().Doing("kill the container")
	if !none(w.Kill) {
		w.Op(script.Write, w.Kill, script.Str("1"), script.Num(1)).AllowAny().Doing("kill the container's cgroup")
	}
	if !none(w.Thaw) { // after the kill: nothing runs on
		w.Op(script.Write, w.Thaw, script.Str("THAWED"), script.Num(len("THAWED"))).AllowAny().Doing("thaw the container's cgroup")
	}
}
