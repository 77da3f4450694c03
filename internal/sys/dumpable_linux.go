package sys

import "golang.org/x/sys/unix"

// Dumpable returns the process's PR_GET_DUMPABLE attribute: 1 where it may be
// traced and dumped by its own user, 0 where only a privileged one may look.
func Dumpable() (n int, err error) {
	err = call("prctl PR_GET_DUMPABLE", "", func() (err error) {
		n, err = unix.PrctlRetInt(PR_GET_DUMPABLE, 0, 0, 0, 0)
		return err
	})
	return n, err
}
