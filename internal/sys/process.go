package sys

// Exit is how a child ended, as waitid(2) tells it. Code is CLD_EXITED,
// CLD_KILLED or CLD_DUMPED; Status is the exit status or the signal.
type Exit struct {
	PID    int
	Code   int
	Status int
}

// Exited says whether the process ended by itself, with Status.
func (e Exit) Exited() bool { return e.Code == CLD_EXITED }

// Signaled says whether a signal, Status, ended the process.
func (e Exit) Signaled() bool { return e.Code == CLD_KILLED || e.Code == CLD_DUMPED }

// PollFD is one descriptor that [Poll] waits for: Events are POLL* bits asked
// for, Revents those that came.
type PollFD struct {
	FD      *FD
	Events  int16
	Revents int16
}

// Rlimit is a soft and a hard limit; RLIM_INFINITY is none.
type Rlimit struct{ Cur, Max uint64 }

// Capabilities are the sets of a thread, one bit for each capability.
type Capabilities struct{ Effective, Permitted, Inheritable uint64 }

// Has says whether capability number c is in the set.
func Has(set uint64, c int) bool { return set>>uint(c)&1 == 1 }
