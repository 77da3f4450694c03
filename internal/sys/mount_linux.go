package sys

import (
	"strings"

	"golang.org/x/sys/unix"
)

// Mount is mount(2). Errors name the target.
func Mount(source, target, fstype string, flags uintptr, data string) error {
	return call("mount", target, func() error { return unix.Mount(source, target, fstype, flags, data) })
}

// Unmount is umount2(2) with MNT_* flags and UMOUNT_NOFOLLOW.
func Unmount(target string, flags int) error {
	return call("umount2", target, func() error { return unix.Unmount(target, flags) })
}

// FsOpen begins the configuration of a file system (Linux 5.2).
func FsOpen(fstype string) (*FD, error) {
	return callFD("fsopen", fstype, func() (int, error) { return unix.Fsopen(fstype, FSOPEN_CLOEXEC) })
}

// FsSet sets a parameter of a file system being configured. A value of 256 bytes
// or more is EINVAL.
func (d *FD) FsSet(key, value string) error {
	return call("fsconfig", d.join(key), func() error { return unix.FsconfigSetString(d.Int(), key, value) })
}

// FsSetFlag sets a parameter that takes no value.
func (d *FD) FsSetFlag(key string) error {
	return call("fsconfig", d.join(key), func() error { return unix.FsconfigSetFlag(d.Int(), key) })
}

// FsSetFD sets a parameter to an open file: a layer of an overlay from Linux
// 6.13.
func (d *FD) FsSetFD(key string, value *FD) error {
	return call("fsconfig", d.join(key), func() error { return unix.FsconfigSetFd(d.Int(), key, value.Int()) })
}

// FsCreate makes the file system that was configured.
func (d *FD) FsCreate() error {
	return call("fsconfig", d.Name(), func() error { return unix.FsconfigCreate(d.Int()) })
}

// FsReconfigure applies changed parameters to a file system that exists.
func (d *FD) FsReconfigure() error {
	return call("fsconfig", d.Name(), func() error { return unix.FsconfigReconfigure(d.Int()) })
}

// FsMount mounts the file system that was made, attached nowhere: the mount goes
// when the descriptor is closed. Attrs are MOUNT_ATTR_*.
func (d *FD) FsMount(attrs int) (*FD, error) {
	return callFD("fsmount", d.Name(), func() (int, error) { return unix.Fsmount(d.Int(), FSMOUNT_CLOEXEC, attrs) })
}

// FsMessages returns what the kernel has to say about the configuration so far,
// such as why it failed ("overlay: Unknown parameter 'x'"), and forgets it.
func (d *FD) FsMessages() (lines []string) {
	buf := make([]byte, 4096)
	// The queue holds 8 messages; ENODATA is its end. See fs/fs_context.c.
	for range 64 {
		n, err := unix.Read(d.Int(), buf)
		if err != nil || n <= 0 {
			break
		}
		// "e ", "w " or "i " stands before the text.
		s := strings.TrimSpace(string(buf[:n]))
		if len(s) > 2 && s[1] == ' ' {
			s = s[2:]
		}
		lines = append(lines, s)
	}
	return lines
}

// OpenTree refers to the mount at path in d; with OPEN_TREE_CLONE in flags, to a
// copy attached nowhere, with AT_RECURSIVE of all below it (Linux 5.2). An empty
// path with AT_EMPTY_PATH is d itself. The last component is followed unless flags
// has AT_SYMLINK_NOFOLLOW.
func (d *FD) OpenTree(path string, flags uint) (*FD, error) {
	return callFD("open_tree", d.join(path), func() (int, error) {
		return unix.OpenTree(d.Int(), path, flags|OPEN_TREE_CLOEXEC)
	})
}

// MoveMount attaches the mount d, of FsMount or OpenTree, at path in to, or on to
// itself when path is "" and flags has MOVE_MOUNT_T_EMPTY_PATH. Links are not
// followed unless flags has MOVE_MOUNT_T_SYMLINKS (Linux 5.2).
func (d *FD) MoveMount(to *FD, path string, flags int) error {
	return call("move_mount", to.join(path), func() error {
		return unix.MoveMount(d.Int(), "", to.Int(), path, flags|MOVE_MOUNT_F_EMPTY_PATH)
	})
}

// MountSetattr changes the mount at path in d, or d itself with AT_EMPTY_PATH;
// with AT_RECURSIVE also all below it (Linux 5.12).
func (d *FD) MountSetattr(path string, flags uint, a MountAttr) error {
	attr := unix.MountAttr{Attr_set: a.Set, Attr_clr: a.Clear, Propagation: a.Propagation}
	if a.UserNS != nil {
		attr.Attr_set |= MOUNT_ATTR_IDMAP
		attr.Userns_fd = uint64(a.UserNS.Int())
	}
	return call("mount_setattr", d.join(path), func() error {
		return unix.MountSetattr(d.Int(), path, flags, &attr)
	})
}
