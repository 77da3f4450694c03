package testenv

import (
	"encoding/binary"
	"syscall"
	"testing"

	"github.com/coraclehq/coracle/internal/sys"
)

// WithoutCalls runs f on a thread where the kernel answers the named system calls
// with errno, as an older kernel (ENOSYS) or a sandbox (EPERM) would: so a fallback
// is forced by what it is for. Processes that f starts inherit it, goroutines do
// not. It needs root or a kernel that allows no_new_privs.
func WithoutCalls(tb testing.TB, errno syscall.Errno, calls []string, f func()) {
	tb.Helper()
	filter, ok := refuse(errno, calls)
	if !ok {
		tb.Fatalf("no such system call among %q", calls)
	}
	err := sys.OnThread(func() error {
		// Of the thread alone, and gone with it.
		if err := sys.Prctl(sys.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
			return err
		}
		if _, err := sys.LoadSeccomp(filter, 0); err != nil {
			return err
		}
		f()
		return nil
	})
	if err != nil && !tb.Failed() {
		tb.Error(err)
	}
	if tb.Failed() {
		tb.FailNow()
	}
}

// refuse makes a filter that answers calls with errno and allows all others.
func refuse(errno syscall.Errno, calls []string) (filter []byte, ok bool) {
	add := func(code uint16, jt, jf uint8, k uint32) {
		filter = binary.NativeEndian.AppendUint16(filter, code)
		filter = append(filter, jt, jf)
		filter = binary.NativeEndian.AppendUint32(filter, k)
	}
	const number = 0 // of struct seccomp_data
	add(sys.BPF_LD|sys.BPF_W|sys.BPF_ABS, 0, 0, number)
	for _, c := range calls {
		nr, known := sys.HostArch().Number(c)
		if !known {
			return nil, false
		}
		add(sys.BPF_JMP|sys.BPF_JEQ|sys.BPF_K, 0, 1, uint32(nr))
		add(sys.BPF_RET|sys.BPF_K, 0, 0, sys.SECCOMP_RET_ERRNO|uint32(errno))
	}
	add(sys.BPF_RET|sys.BPF_K, 0, 0, sys.SECCOMP_RET_ALLOW)
	return filter, true
}
