package sys

import (
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// LoadSeccomp loads a filter, an array of struct sock_filter, on the calling
// thread with SECCOMP_FILTER_FLAG_* bits: with TSYNC on all threads of the
// program. It needs CAP_SYS_ADMIN or no_new_privs and cannot be undone. With
// NEW_LISTENER (Linux 5.0) it returns the listener, else nil.
func LoadSeccomp(filter []byte, flags uint32) (*FD, error) {
	if len(filter) == 0 || len(filter)%8 != 0 || len(filter)/8 > 1<<16-1 {
		return nil, named("seccomp", "", unix.EINVAL)
	}
	prog := unix.SockFprog{
		Len:    uint16(len(filter) / 8),
		Filter: (*unix.SockFilter)(unsafe.Pointer(&filter[0])),
	}
	var n uintptr
	err := call("seccomp", "", func() error {
		var e syscall.Errno
		n, _, e = unix.Syscall(unix.SYS_SECCOMP, SECCOMP_SET_MODE_FILTER, uintptr(flags), uintptr(unsafe.Pointer(&prog)))
		if e != 0 {
			return e
		}
		return nil
	})
	runtime.KeepAlive(filter)
	switch {
	case err != nil:
		return nil, err
	case flags&SECCOMP_FILTER_FLAG_NEW_LISTENER != 0:
		return NewFD(int(n), "seccomp listener"), nil
	case n != 0:
		// seccomp(2), SECCOMP_FILTER_FLAG_TSYNC: the thread that could not be
		// brought in line.
		return nil, named("seccomp", "", unix.ESRCH)
	}
	return nil, nil
}
