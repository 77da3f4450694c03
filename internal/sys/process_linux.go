package sys

import (
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// PidfdOpen refers to process pid, close-on-exec (Linux 5.3). Only a pid that
// cannot be reused meanwhile, such as that of an unreaped child, is safe to give.
func PidfdOpen(pid, flags int) (*FD, error) {
	return callFD("pidfd_open", "", func() (int, error) { return unix.PidfdOpen(pid, flags) })
}

// PidfdSignal sends a signal to the process of pidfd d; 0 only asks whether it
// is there. ESRCH: it is gone.
func (d *FD) PidfdSignal(sig int) error {
	return call("pidfd_send_signal", d.Name(), func() error {
		return unix.PidfdSendSignal(d.Int(), unix.Signal(sig), nil, 0)
	})
}

// PidfdGet duplicates descriptor n of the process of pidfd d (Linux 5.6).
func (d *FD) PidfdGet(n int) (*FD, error) {
	return callFD("pidfd_getfd", d.Name(), func() (int, error) { return unix.PidfdGetfd(d.Int(), n, 0) })
}

// PidfdWait waits for the child of pidfd d with the options of waitid(2), such as
// WEXITED, blocking the thread unless WNOHANG is among them. The Exit's PID is 0
// when WNOHANG found nothing. ECHILD: it is not a child, or was waited for.
func (d *FD) PidfdWait(options int) (Exit, error) {
	var info siginfoChild
	err := call("waitid", d.Name(), func() error {
		return unix.Waitid(P_PIDFD, d.Int(), (*unix.Siginfo)(unsafe.Pointer(&info)), options, nil)
	})
	return Exit{PID: int(info.pid), Code: int(info.code), Status: int(info.status)}, err
}

// siginfoChild is siginfo_t as waitid(2) fills it for SIGCHLD, on 64-bit
// machines: three ints, padding, then the union.
type siginfoChild struct {
	signo, errno, code int32
	_                  int32
	pid                int32
	uid                uint32
	status             int32
	_                  [100]byte
}

// Poll waits until a descriptor is ready, sets the Revents and returns how many
// are; a negative timeout is none. Signals do not shorten it. The thread blocks.
func Poll(fds []PollFD, timeout time.Duration) (ready int, err error) {
	raw := make([]unix.PollFd, len(fds))
	for i, f := range fds {
		raw[i] = unix.PollFd{Fd: int32(f.FD.Int()), Events: f.Events}
	}
	deadline := time.Now().Add(timeout)
	err = call("ppoll", "", func() (err error) {
		var ts *unix.Timespec
		if timeout >= 0 {
			t := unix.NsecToTimespec(int64(max(0, time.Until(deadline))))
			ts = &t
		}
		ready, err = unix.Ppoll(raw, ts, nil)
		return err
	})
	for i := range raw {
		fds[i].Revents = raw[i].Revents
	}
	return ready, err
}

// Prlimit reads a limit of process pid, 0 for this one, and sets it unless new
// is nil.
func Prlimit(pid, resource int, new *Rlimit) (old Rlimit, err error) {
	var set *unix.Rlimit
	if new != nil {
		set = &unix.Rlimit{Cur: new.Cur, Max: new.Max}
	}
	var was unix.Rlimit
	err = call("prlimit64", "", func() error { return unix.Prlimit(pid, resource, set, &was) })
	return Rlimit{was.Cur, was.Max}, err
}

// Capget returns the capabilities of thread tid, 0 for the calling one.
func Capget(tid int) (Capabilities, error) {
	hdr := unix.CapUserHeader{Version: LINUX_CAPABILITY_VERSION_3, Pid: int32(tid)}
	var data [2]unix.CapUserData
	err := call("capget", "", func() error { return unix.Capget(&hdr, &data[0]) })
	join := func(lo, hi uint32) uint64 { return uint64(hi)<<32 | uint64(lo) }
	return Capabilities{
		Effective:   join(data[0].Effective, data[1].Effective),
		Permitted:   join(data[0].Permitted, data[1].Permitted),
		Inheritable: join(data[0].Inheritable, data[1].Inheritable),
	}, err
}

// Prctl is prctl(2) on the calling thread.
func Prctl(op int, a2, a3, a4, a5 uintptr) error {
	return call("prctl", "", func() error { return unix.Prctl(op, a2, a3, a4, a5) })
}

// Unshare moves the calling thread into new namespaces. The caller has locked
// the goroutine to its thread and never unlocks it.
func Unshare(flags int) error {
	return call("unshare", "", func() error { return unix.Unshare(flags) })
}

// Setns moves the calling thread into the namespace of d, or the namespaces of a
// pidfd d (Linux 5.8) that flags select. The caller has locked the goroutine to
// its thread and never unlocks it.
func Setns(d *FD, flags int) error {
	return call("setns", d.Name(), func() error { return unix.Setns(d.Int(), flags) })
}

// Gettid returns the number of the calling thread.
func Gettid() int { return unix.Gettid() }

// Uname returns the kernel's release, "6.1.0-42-amd64", and machine, "x86_64".
func Uname() (release, machine string, err error) {
	var u unix.Utsname
	err = call("uname", "", func() error { return unix.Uname(&u) })
	return unix.ByteSliceToString(u.Release[:]), unix.ByteSliceToString(u.Machine[:]), err
}
