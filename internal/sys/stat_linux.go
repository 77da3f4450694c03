package sys

import (
	"time"

	"golang.org/x/sys/unix"
)

// Stat describes the object that d refers to. It works with O_PATH.
func (d *FD) Stat() (Stat, error) {
	var st unix.Stat_t
	err := call("fstat", d.Name(), func() error { return unix.Fstat(d.Int(), &st) })
	return statOf(&st), err
}

// StatAt describes name in d; a link itself unless follow is set, which is for
// trusted directories only.
func (d *FD) StatAt(name string, follow bool) (Stat, error) {
	flags := AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT
	if follow {
		flags = 0
	}
	var st unix.Stat_t
	err := call("fstatat", d.join(name), func() error { return unix.Fstatat(d.Int(), name, &st, flags) })
	return statOf(&st), err
}

func statOf(st *unix.Stat_t) Stat {
	return Stat{
		Dev: uint64(st.Dev), Ino: st.Ino, Rdev: uint64(st.Rdev),
		Mode: st.Mode, Nlink: uint64(st.Nlink), UID: st.Uid, GID: st.Gid,
		Size: st.Size, Blocks: st.Blocks, BlockSize: int64(st.Blksize),
		Atim: time.Unix(st.Atim.Unix()), Mtim: time.Unix(st.Mtim.Unix()), Ctim: time.Unix(st.Ctim.Unix()),
	}
}

// Statfs describes the file system that d lies on.
func (d *FD) Statfs() (Statfs, error) {
	var st unix.Statfs_t
	err := call("fstatfs", d.Name(), func() error { return unix.Fstatfs(d.Int(), &st) })
	return Statfs{
		Type: int64(st.Type), BlockSize: int64(st.Bsize),
		Blocks: st.Blocks, Free: st.Bfree, Avail: st.Bavail,
		Files: st.Files, FilesFree: st.Ffree,
		NameLen: int64(st.Namelen), Flags: int64(st.Flags),
	}, err
}

// MountID returns the number of the mount that d lies on, the first field of
// /proc/self/mountinfo. It needs Linux 5.8.
func (d *FD) MountID() (uint64, error) {
	var st unix.Statx_t
	err := call("statx", d.Name(), func() error {
		return unix.Statx(d.Int(), "", AT_EMPTY_PATH, STATX_MNT_ID, &st)
	})
	if err == nil && st.Mask&STATX_MNT_ID == 0 {
		err = named("statx", d.Name(), unix.EOPNOTSUPP)
	}
	return st.Mnt_id, err
}
