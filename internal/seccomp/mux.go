package seccomp

import (
	"math"
	"strings"
)

// mux is an i386 call that carries others: its first argument says which, and
// the rest lie in memory, where a filter cannot look.
type mux struct {
	name  string
	mask  uint64 // of the first argument
	calls string // by code, starting with 1; "-" where there is none
}

// muxes returns the two of them. Linux 4.3 gave i386 calls of their own for
// sockets and Linux 5.1 for System V IPC, but libraries go on to use these.
func muxes() [2]mux {
	return [2]mux{
		// SYS_* of linux/net.h.
		{"socketcall", math.MaxUint64, "socket bind connect listen accept getsockname getpeername socketpair" +
			" send recv sendto recvfrom shutdown setsockopt getsockopt sendmsg recvmsg accept4 recvmmsg sendmmsg"},
		// linux/ipc.h; ipc(2) takes a version in the upper half of the first
		// argument.
		{"ipc", 0xffff, "semop semget semctl semtimedop - - - - - - msgsnd msgrcv msgget msgctl" +
			" - - - - - - shmat shmdt shmget shmctl"},
	}
}

// code returns what selects a call in the first argument.
func (m mux) code(name string) (uint64, bool) {
	for i, n := range strings.Fields(m.calls) {
		if n == name {
			return uint64(i + 1), true
		}
	}
	return 0, false
}

// within returns the rules of a call as rules of the mux. Conditions cannot be
// checked there: a rule that denies then denies always, one that permits does
// not count.
func (m mux) within(code uint64, rules []rule, fallback uint32) []rule {
	var out []rule
	for _, r := range rules {
		if len(r.conds) > 0 && strictness(r.ret) < strictness(fallback) {
			continue
		}
		selects := []cond{masked(0, m.mask, code)}
		out = append(out, rule{r.ret, selects, selects})
	}
	return out
}
