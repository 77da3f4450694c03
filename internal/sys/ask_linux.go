package sys

import (
	"math"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The Ask functions find out whether the kernel knows a call or a flag by making
// the call with arguments that cannot succeed. A kernel that knows it complains
// about them in a way of its own, and nil is returned; otherwise the error is
// what it said: mostly ENOSYS or EINVAL, EPERM from a sandbox.

// ask turns the answer of such a call into a result.
func ask(op string, want unix.Errno, nr, a1, a2, a3, a4, a5 uintptr) error {
	return call(op, "", func() error {
		_, _, e := unix.Syscall6(nr, a1, a2, a3, a4, a5, 0)
		if e == 0 || e == want {
			return nil
		}
		return e
	})
}

// noFD is a descriptor that is never open: greater than any limit.
const noFD = math.MaxInt32

// cloneArgs is struct clone_args as of Linux 5.7.
type cloneArgs struct {
	flags, pidfd, childTID, parentTID, exitSignal, stack, stackSize, tls, setTID, setTIDSize, cgroup uint64
}

// AskClone3 asks for clone3(2).
func AskClone3() error {
	// A size below CLONE_ARGS_SIZE_VER0 is EINVAL before anything else is
	// looked at: kernel/fork.c, copy_clone_args_from_user.
	var args cloneArgs
	return ask("clone3", unix.EINVAL, unix.SYS_CLONE3, uintptr(unsafe.Pointer(&args)), 0, 0, 0, 0)
}

// AskCloneIntoCgroup asks for CLONE_INTO_CGROUP.
func AskCloneIntoCgroup() error {
	// E2BIG where struct clone_args has no such field yet.
	args := cloneArgs{flags: CLONE_INTO_CGROUP, exitSignal: uint64(SIGCHLD), cgroup: noFD}
	return ask("clone3", unix.EBADF, unix.SYS_CLONE3, uintptr(unsafe.Pointer(&args)), unsafe.Sizeof(args), 0, 0, 0)
}

// AskCloseRange asks for close_range(2) with CLOSE_RANGE_CLOEXEC.
func AskCloseRange() error {
	const none = math.MaxUint32
	return ask("close_range", 0, unix.SYS_CLOSE_RANGE, none, none, CLOSE_RANGE_CLOEXEC, 0, 0)
}

// AskMountSetattr asks for mount_setattr(2).
func AskMountSetattr() error {
	// A struct of size 0 is EINVAL.
	var attr unix.MountAttr
	return askMountSetattr(unix.EINVAL, &attr, 0)
}

// AskIDMap asks for MOUNT_ATTR_IDMAP. The kernel is known to have
// mount_setattr(2), and not to be hidden by a sandbox.
func AskIDMap() error {
	self, err := Open("/proc/self/ns/user", O_RDONLY, 0)
	if err != nil {
		return err
	}
	defer self.Close()
	// The attributes are understood before the mount is looked up: EPERM, since
	// the initial user namespace is no mapping; or in another one EBADF, of the
	// mount. EINVAL: the flag is unknown. See fs/namespace.c,
	// build_mount_idmapped.
	attr := unix.MountAttr{Attr_set: MOUNT_ATTR_IDMAP, Userns_fd: uint64(self.Int())}
	err = askMountSetattr(unix.EPERM, &attr, unsafe.Sizeof(attr))
	if errnoOf(err) == EBADF {
		return nil
	}
	return err
}

func askMountSetattr(want unix.Errno, attr *unix.MountAttr, size uintptr) error {
	empty := [1]byte{}
	return ask("mount_setattr", want, unix.SYS_MOUNT_SETATTR, noFD, uintptr(unsafe.Pointer(&empty)),
		AT_EMPTY_PATH, uintptr(unsafe.Pointer(attr)), size)
}

// AskSeccompAction asks whether filters may return action, a SECCOMP_RET_* value
// (Linux 4.14).
func AskSeccompAction(action uint32) error {
	return ask("seccomp", 0, unix.SYS_SECCOMP, SECCOMP_GET_ACTION_AVAIL, 0, uintptr(unsafe.Pointer(&action)), 0, 0)
}
