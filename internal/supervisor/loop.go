package supervisor

import (
	"fmt"

	"github.com/coraclehq/coracle/internal/script"
	"github.com/coraclehq/coracle/internal/sys"
)

// From here on nothing may fail in a way that ends the supervisor: the container
// would live on, unwatched. What cannot be mended ends the container.

// reserve opens the exit record aside and fills it, so that a log that fills the
// disk cannot lose it. A process without a directory has no record.
func (w *writer) reserve() {
	if none(w.Dir) {
		return
	}
	const flags = sys.O_CREAT | sys.O_WRONLY | sys.O_TRUNC | sys.O_CLOEXEC
	w.Op(script.Openat, w.Dir, script.Str("exit.tmp"), script.Flags{N: flags, Text: "O_CREAT|O_WRONLY|O_TRUNC|O_CLOEXEC"}, script.Flags{N: 0o600, Text: "0600"}).
		Into(w.exitFD).AllowAny().Doing("reserve the exit record")
	w.Op(script.Pwrite64, script.Load{From: w.exitFD}, w.record, script.Num(RecordSize), script.Num(0)).AllowAny()
}

// watchHost makes a second thread that only waits for the host's end: a log on a
// file system that hangs would hold up the kill. The interpreter needs no stack,
// so a thread is one op.
func (w *writer) watchHost() {
	if !w.Attached || none(w.Log) {
		return
	}
	const thread = sys.CLONE_VM | sys.CLONE_FS | sys.CLONE_FILES | sys.CLONE_SIGHAND | sys.CLONE_THREAD | sys.CLONE_SYSVSEM
	// No events for the host: POLLHUP alone, which needs not be asked for.
	watched := w.Words("watched", script.Num(w.Host.N), script.Num(gone|pollIn<<32))
	w.Copy(watched.At(8), w.pidfd)
	w.Op(script.Clone, script.Flags{N: thread, Text: "CLONE_THREAD|CLONE_FILES"}, script.Num(0)).
		IfPositive("loop").OnAnyErrno("fatal").Doing("make the thread that watches the host")
	w.Goto("watch")

	// A failure here must not end the supervisor: its loop looks at the host too.
	w.Label("watch failed")
	w.pause()
	w.Label("watch")
	w.Op(script.Ppoll, watched, script.Num(2), script.Num(0), script.Num(0), script.Num(sigsetSize)).OnAnyErrno("watch failed")
	w.Sum(0, watched.At(4)).IfZero("watched") // the host is there: it was the container's end
	w.kill()
	w.Label("watched")
	w.Op(script.Exit, script.Num(0))
}

// loop waits and serves until the container's process has ended and its output is
// drained.
func (w *writer) loop() {
	w.Label("loop")
	w.Op(script.Ppoll, w.poll, script.Num(pollEntries), script.Load{From: w.wait}, script.Num(0), script.Num(sigsetSize)).
		IfZero("ended"). // only while draining, when there is a timeout
		OnAnyErrno("poll failed").
		Doing("wait for the container")
	w.Set(w.pollFails, 0)
	w.host()
	w.viewers()
	w.output()
	w.drain()

	// EINTR comes with SIGSTOP and SIGCONT; anything else does not pass.
	w.Label("poll failed")
	w.Sum(1, w.pollFails).Into(w.pollFails)
	w.Sum(-maxPollFails, w.pollFails).IfPositive("fatal")
	w.Goto("loop")
}

// drain looks whether the process has ended. From then on ppoll does not wait,
// and when it finds nothing more, all is read. At most so many turns: a process
// that was executed in the container may have left a child that writes for ever.
func (w *writer) drain() {
	w.Sum(-maxTurns, w.turns).IfPositive("ended")
	w.Sum(0, w.wait).IfPositive("draining")
	w.unlessReady(pollPID, "loop")
	for _, entry := range []int{pollPID, pollHost, pollControl} {
		w.drop(entry)
	}
	noWait := w.Words("no wait", script.Num(0), script.Num(0))
	w.Op(script.Add, noWait, script.Num(0)).Into(w.wait)
	w.Label("draining")
	w.Sum(1, w.turns).Into(w.turns)
	w.Goto("loop")
}

// host: the socket is at its end when the host program is gone. Attached, that
// ends the container; detached, nothing changes.
func (w *writer) host() {
	w.unlessReady(pollHost, "host done")
	w.Op(script.Read, w.Host, w.Cell("scratch", 0), script.Num(8)).IfPositive("host done").AllowAny()
	w.drop(pollHost)
	if w.Attached {
		w.kill()
	}
	w.Label("host done")
}

// viewers connect to the control socket and are handed the descriptors.
func (w *writer) viewers() {
	if none(w.Control) {
		return
	}
	w.handMask = w.Cell("handed", 0)
	w.hand = w.rights("hand-over", w.handMask, 1, 4)
	w.unlessReady(pollControl, "viewers done")
	viewer := w.Cell("viewer", 0)
	w.Op(script.Accept4, w.Control, script.Num(0), script.Num(0), script.Flags{N: sys.SOCK_CLOEXEC, Text: "SOCK_CLOEXEC"}).
		Into(viewer).OnAnyErrno("no viewer")
	w.handed()
	w.Op(script.Sendmsg, script.Load{From: viewer}, w.hand.header, script.Flags{N: noSignal | sys.MSG_DONTWAIT, Text: "MSG_NOSIGNAL|MSG_DONTWAIT"}).
		AllowAny().Doing("hand descriptors to a viewer")
	w.Op(script.Close, script.Load{From: viewer}).AllowAny()
	w.Goto("viewers done")

	// No descriptor is free, say: whoever waits is still there in the next turn.
	w.Label("no viewer")
	w.pause()
	w.Label("viewers done")
}

// pause keeps what fails again and again from taking a processor.
func (w *writer) pause() {
	const milliseconds = 1e6
	w.Op(script.Nanosleep, w.Words("pause", script.Num(0), script.Num(10*milliseconds)), script.Num(0)).AllowAny()
}

// What a viewer gets: one byte that says which of the four descriptors are what
// they are called, and the descriptors, in this order; the pidfd stands in for
// what is missing.
const (
	HandPID      = 1 << iota // always there
	HandLog                  // the file that is being written
	HandTerminal             // the terminal's master
	HandGate                 // the gate's write end
)

func (w *writer) handed() {
	mask := int64(HandPID)
	for i, f := range []script.FD{{}, w.Log, {}, w.Gate} {
		if none(f) {
			w.Copy(w.hand.fds.At(4*i), w.pidfd)
			continue
		}
		mask |= 1 << i
		w.Set(w.hand.fds.At(4*i), int64(f.N))
	}
	w.Set(w.handMask, mask)
	w.Sum(0, w.master).IfZero("no master")
	w.Copy(w.hand.fds.At(8), w.master)
	w.Set(w.handMask, mask|HandTerminal)
	w.Label("no master")
}

// end collects the process and leaves its record.
func (w *writer) end() {
	w.Label("fatal")
	w.kill()
	w.Label("ended")
	const pPIDFD, exited = 3, 4 // P_PIDFD, WEXITED
	w.Op(script.Waitid, script.Num(pPIDFD), script.Load{From: w.pidfd}, w.record.At(recordInfo), script.Flags{N: exited, Text: "WEXITED"}, w.record.At(recordUsage)).
		AllowAny().Doing("collect the container")
	w.Op(script.ClockGettime, script.Num(0), w.record.At(recordTime)).AllowAny()
	if !none(w.Events) {
		w.Op(script.Pread64, w.Events, w.record.At(recordText), script.Num(RecordSize-recordText), script.Num(0)).AllowAny().
			Doing("read the memory events")
	}
	if !none(w.Dir) {
		// Without the reserved file there is no exit file either: better none than a
		// torn one.
		w.Op(script.Pwrite64, script.Load{From: w.exitFD}, w.record, script.Num(RecordSize), script.Num(0)).OnAnyErrno("tell")
		w.Op(script.Renameat, w.Dir, script.Str("exit.tmp"), w.Dir, script.Str("exit")).AllowAny().Doing("publish the exit record")
	}
	w.Label("tell")
	w.Op(script.Sendto, w.Host, w.record, script.Num(RecordSize), script.Flags{N: noSignal | sys.MSG_DONTWAIT, Text: "MSG_NOSIGNAL|MSG_DONTWAIT"}, script.Num(0), script.Num(0)).
		AllowAny().Doing("tell the host")
	w.removeGroups()
	if !none(w.Alive) {
		// Not by closing it: a process that the host program has forked, and that is not
		// yet at its exec, has the lock too, and would keep it for that time.
		w.Op(script.Flock, w.Alive, script.Flags{N: unlock, Text: "LOCK_UN"}).AllowAny().Doing("give up the lock")
	}
	w.Op(script.ExitGroup, script.Num(0))
}

// removeGroups removes the cgroups, a few times if need be: a process that was about
// to join the container when it ended is still in them.
func (w *writer) removeGroups() {
	const most = 50
	tries := w.Cell("removals", 0)
	pause := w.Words("a millisecond", script.Num(0), script.Num(1_000_000))
	for i, d := range w.Remove {
		again, done := fmt.Sprintf("remove %d", i), fmt.Sprintf("removed %d", i)
		w.Label(again)
		w.Op(script.Unlinkat, d.Parent, script.Str(d.Name), script.Flags{N: sys.AT_REMOVEDIR, Text: "AT_REMOVEDIR"}).
			IfZero(done).AllowAny().Doing("remove the cgroup")
		w.Sum(1, tries).Into(tries)
		w.Sum(-most, tries).IfPositive(done)
		w.Op(script.Nanosleep, pause, script.Num(0)).AllowAny()
		w.Goto(again)
		w.Label(done)
	}
}
