package supervisor

import (
	"syscall"
	"time"

	"github.com/coraclehq/coracle/internal/script"
	"github.com/coraclehq/coracle/internal/sys"
)

var zeroTime = time.Unix(0, 0)

// prologue is what the helper does before there is a container's process.
func (w *writer) prologue() {
	// First of all: nobody may look into this process or trace it.
	w.Op(script.Prctl, script.Flags{N: sys.PR_SET_DUMPABLE, Text: "PR_SET_DUMPABLE"}, script.Num(0), script.Num(0), script.Num(0), script.Num(0)).
		Doing("make the supervisor undumpable")
	// An image whose program is /proc/self/exe, as a link or in its first line, would run
	// this again (CVE-2019-5736), to no harm, but with an end that says nothing. So it
	// gets EACCES.
	w.Op(script.Fchmodat, script.CWD, script.Str("/proc/self/exe"), script.Num(0)).AllowAny().Doing("make the helper's file not executable")
	w.Op(script.Setsid).AllowAny()
	w.holdStdio()
	// A host that ignores SIGCHLD would lose the exit code: SIG_IGN survives execve.
	w.Op(script.RtSigaction, script.Flags{N: sigchld, Text: "SIGCHLD"}, script.Blob{Data: make([]byte, 32), Text: "SIG_DFL"}, script.Num(0), script.Num(sigsetSize)).
		Doing("receive SIGCHLD")
	for _, f := range w.Leave {
		w.Op(script.Write, f, script.Str("0"), script.Num(1)).Doing("leave the host's cgroup")
		w.Op(script.Close, f)
	}
}

// holdStdio puts something that leads nowhere in the place of the host's standard
// streams. The container's process changes them at its end only, until when it may be
// seen from inside; and where the host has closed one, its number would be that of the
// pidfd, or of a directory of the set-up, and be closed with the streams.
func (w *writer) holdStdio() {
	nowhere := w.Cell("nowhere", 0)
	w.Op(script.Socket, script.Flags{N: sys.AF_UNIX, Text: "AF_UNIX"}, script.Flags{N: sys.SOCK_STREAM | sys.SOCK_CLOEXEC, Text: "SOCK_STREAM|SOCK_CLOEXEC"}, script.Num(0)).
		Into(nowhere).Doing("replace the host's standard streams")
	for n := range 3 { // EINVAL: it has this number
		w.Op(script.Dup3, script.Load{From: nowhere}, script.Num(n), script.Num(0)).Allow(syscall.EINVAL)
	}
}

// fork makes the container's process, which goes on with the next op; the
// supervisor goes on at its label.
func (w *writer) fork() error {
	if none(w.PIDNamespace) {
		w.clone(w.fd(pollPID), "supervisor")
		w.closeSupervisors()
		return nil
	}
	// In a pid namespace that already has processes, the new one can be seen, and by
	// one with CAP_SYS_PTRACE opened, from its first moment: its descriptors, its root
	// and its working directory. So a process of this pid namespace, with descriptors of
	// its own, closes everything of the host's and is in all other namespaces before it
	// forks, and its child is the supervisor's (CLONE_PARENT). CLONE_VFORK: it has ended
	// when the supervisor goes on. See also CVE-2016-9962.
	//
	// On v2 it is itself born into the container's cgroup, which the child inherits: the
	// child then needs no descriptor of the group.
	joining := w.Cell("joining process", 0)
	var o *script.Op
	if none(w.Into) {
		o = w.Op(script.Clone, script.Flags{N: sys.CLONE_VM | sys.CLONE_VFORK | sigchld, Text: "CLONE_VM|CLONE_VFORK|SIGCHLD"}, script.Num(0))
	} else {
		o = w.cloneInto("joining", sys.CLONE_VM|sys.CLONE_VFORK, script.Num(0))
	}
	o.Into(joining).IfPositive("joined").Doing("make the process that joins the namespaces")
	for _, f := range w.Join {
		w.Op(script.Write, f, script.Str("0"), script.Num(1)).Doing("join the container's cgroup")
		w.Op(script.Close, f)
	}
	w.closeSupervisors()
	if w.Enter != nil {
		if err := w.Enter(w.Builder); err != nil {
			return err
		}
	}
	w.Op(script.Setns, w.PIDNamespace, script.Flags{N: sys.CLONE_NEWPID, Text: "CLONE_NEWPID"}).Doing("join the pid namespace")
	// The signal of its end is the parent's, of which there can be no other: clone(2).
	w.Op(script.Clone, cloneFlags(w.Namespaces|sys.CLONE_PARENT), script.Num(0)).Into(w.pid).IfPositive("forked").
		Doing("clone the container's process")
	w.Goto("body")

	w.Label("forked")
	w.Op(script.ExitGroup, script.Num(0))
	w.Label("joined")
	const pPID, exited = 1, 4 // P_PID, WEXITED
	w.Op(script.Waitid, script.Num(pPID), script.Load{From: joining}, script.Num(0), script.Flags{N: exited, Text: "WEXITED"}, script.Num(0)).
		AllowAny().Doing("collect the process that joined")
	w.Sum(0, w.pid).IfZero("not joined") // it has said why
	// Nobody else can wait for the process, so its pid is its own until then.
	w.Op(script.PidfdOpen, script.Load{From: w.pid}, script.Num(0)).Into(w.fd(pollPID)).IfPositive("supervisor").AllowAny()
	w.Op(script.Kill, script.Load{From: w.pid}, script.Flags{N: sigkill, Text: "SIGKILL"}).AllowAny()
	w.Op(script.PidfdOpen, script.Load{From: w.pid}, script.Num(0)).Doing("open the process")
	w.Label("not joined")
	w.Op(script.ExitGroup, script.Num(127))
	w.Label("body")
	return nil
}

// clone makes a process that goes on with the next op; the parent goes on at a
// label. The kernel stores the pidfd.
func (w *writer) clone(pidfd script.Cell, parent string) {
	flags := w.Namespaces | sys.CLONE_PIDFD
	var o *script.Op
	if none(w.Into) {
		o = w.Op(script.Clone, cloneFlags(flags|sigchld), script.Num(0), pidfd)
	} else {
		o = w.cloneInto("clone_args", flags, pidfd)
	}
	o.Into(w.pid).IfPositive(parent).Doing("clone the container's process")
}

// cloneInto makes a process in the cgroup v2 directory Into.
func (w *writer) cloneInto(name string, flags uint64, pidfd script.Arg) *script.Op {
	args := w.Words(name, script.Num(flags|sys.CLONE_INTO_CGROUP), pidfd, script.Num(0), script.Num(0), script.Num(sigchld),
		script.Num(0), script.Num(0), script.Num(0), script.Num(0), script.Num(0), script.Num(w.Into.N))
	return w.Op(script.Clone3, args, script.Num(88))
}

// closeSupervisors closes what a container's process must not have: the lock and
// the host socket above all, which would keep the container's end from being
// seen.
func (w *writer) closeSupervisors() {
	for _, f := range w.supervisors() {
		w.Op(script.Close, f)
	}
}

// supervisors are the descriptors of the supervisor alone.
func (w *writer) supervisors() []script.FD {
	fds := []script.FD{w.Host, w.Dir, w.Alive, w.Control, w.Log, w.Stdout, w.Stderr, w.Terminal, w.Gate, w.Kill, w.Thaw, w.Events, w.Into}
	for _, d := range w.Remove {
		fds = append(fds, d.Parent)
	}
	kept := fds[:0]
	seen := map[int]bool{}
	for _, f := range fds {
		if !none(f) && !seen[f.N] {
			seen[f.N] = true
			kept = append(kept, f)
		}
	}
	return kept
}

// adopt is the supervisor's first work after the clone.
func (w *writer) adopt() {
	w.Copy(w.pidfd, w.fd(pollPID))
	send := w.rights("pidfd message", w.pid, 4, 1)
	w.Copy(send.fds, w.pidfd)
	// A host that does not get it would wait for it as long as the process lives.
	w.Op(script.Sendmsg, w.Host, send.header, script.Flags{N: noSignal, Text: "MSG_NOSIGNAL"}).OnAnyErrno("fatal").Doing("send the pidfd")
	if none(w.PIDNamespace) {
		// The last process of a mount namespace unmounts it before its parent sees the
		// end, which for an overlay means to sync the disk below. With the namespace held
		// here, that happens when the supervisor ends, and nobody waits for it. Since Linux
		// 6.11; see PIDFD_GET_MNT_NAMESPACE in include/uapi/linux/pidfd.h.
		w.Op(script.Ioctl, script.Load{From: w.pidfd}, script.Flags{N: getMountNamespace, Text: "PIDFD_GET_MNT_NAMESPACE"}, script.Num(0)).
			AllowAny().Doing("hold the mount namespace")
	}
	closed := append(w.ChildOnly[:len(w.ChildOnly):len(w.ChildOnly)], w.Options.Status)
	if !none(w.PIDNamespace) {
		closed = append(append(closed, w.PIDNamespace), w.Join...)
	}
	if !none(w.Into) {
		closed = append(closed, w.Into)
	}
	for _, f := range closed {
		w.Op(script.Close, f).AllowAny()
	}
	w.Op(script.CloseRange, script.Num(0), script.Num(2), script.Num(0)).AllowAny()
	w.Op(script.Chdir, script.Str("/")).AllowAny()
}

// message is a struct msghdr for descriptors.
type message struct {
	header, fds script.Cell
}

// rights makes a message of some bytes and n descriptors.
func (w *writer) rights(name string, data script.Cell, length, n int) message {
	const controlHeader = 16
	size := controlHeader + (4*n+7)&^7
	control := make([]byte, size)
	control[0] = byte(controlHeader + 4*n) // cmsg_len; below 256
	control[8] = 1                         // SOL_SOCKET
	control[12] = 1                        // SCM_RIGHTS
	c := w.Data(name+" control", control)
	iov := w.Words(name+" iovec", data, script.Num(length))
	return message{
		header: w.Words(name, script.Num(0), script.Num(0), iov, script.Num(1), c, script.Num(size), script.Num(0)),
		fds:    c.At(controlHeader),
	}
}

// cloneFlags prints the flags of a clone by the namespaces.
func cloneFlags(n uint64) script.Flags {
	text := "SIGCHLD"
	if n&0xff == 0 {
		text = "0"
	}
	for _, f := range []struct {
		bit  uint64
		name string
	}{
		{sys.CLONE_PARENT, "CLONE_PARENT"}, {sys.CLONE_PIDFD, "CLONE_PIDFD"}, {sys.CLONE_NEWNS, "CLONE_NEWNS"}, {sys.CLONE_NEWPID, "CLONE_NEWPID"}, {sys.CLONE_NEWIPC, "CLONE_NEWIPC"},
		{sys.CLONE_NEWUTS, "CLONE_NEWUTS"}, {sys.CLONE_NEWNET, "CLONE_NEWNET"}, {sys.CLONE_NEWUSER, "CLONE_NEWUSER"},
	} {
		if n&f.bit != 0 {
			text += "|" + f.name
		}
	}
	return script.Flags{N: n, Text: text}
}
