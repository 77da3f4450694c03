package sys

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"unsafe"
)

// PidfdPID returns the process's number in the pid namespace of this process, as
// /proc/self/fdinfo tells it; pidfd_open(2). It is the process's own only while that
// lives or nobody has waited for it: ESRCH once it was collected.
func (d *FD) PidfdPID() (pid int, err error) {
	err = call("read fdinfo", d.Name(), func() error {
		info, err := os.ReadFile("/proc/self/fdinfo/" + strconv.Itoa(d.Int()))
		if err != nil {
			return err
		}
		for line := range bytes.Lines(info) {
			if value, ok := bytes.CutPrefix(line, []byte("Pid:")); ok {
				pid, err = strconv.Atoi(string(bytes.TrimSpace(value)))
				if err == nil && pid <= 0 {
					err = syscall.ESRCH
				}
				return err
			}
		}
		return fmt.Errorf("not a pidfd: %w", syscall.EBADF)
	})
	return pid, err
}

// IgnoredSignals lists the signals that this process ignores; they stay so across
// execve(2).
func IgnoredSignals() []int {
	const last, sigsetSize, ignore = 64, 8, 1
	type sigaction struct{ handler, flags, restorer, mask uint64 }
	var all []int
	for sig := 1; sig <= last; sig++ {
		var old sigaction
		_, _, e := syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, uintptr(sig), 0, uintptr(unsafe.Pointer(&old)), sigsetSize, 0, 0)
		if e == 0 && old.handler == ignore {
			all = append(all, sig)
		}
	}
	return all
}
