package sys

import (
	"time"

	"golang.org/x/sys/unix"
)

// Chmod sets the permissions of the object, also of one opened with O_PATH. A
// symbolic link has none: EOPNOTSUPP.
func (d *FD) Chmod(perm uint32) error {
	return call("fchmod", d.Name(), func() error {
		err := unix.Fchmod(d.Int(), perm)
		if err == unix.EBADF {
			err = chmodPath(d.procFD(), d, perm)
		}
		return err
	})
}

// ChmodAt sets the permissions of name in d, one component. A symbolic link is
// not followed: EOPNOTSUPP.
func (d *FD) ChmodAt(name string, perm uint32) error {
	return call("fchmodat2", d.join(name), func() error {
		err := unix.Fchmodat(d.Int(), name, perm, AT_SYMLINK_NOFOLLOW)
		// fchmodat2(2) came with Linux 6.6; before, and under seccomp filters
		// older than it, pin the object and go by its magic link.
		if err != unix.EOPNOTSUPP && err != unix.ENOSYS && err != unix.EPERM {
			return err
		}
		n, err := unix.Openat(d.Int(), name, O_PATH|O_NOFOLLOW|O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		o := NewFD(n, name)
		defer o.Close()
		return chmodPath(o.procFD(), o, perm)
	})
}

// chmodPath changes o, which was opened with O_PATH, through its magic link.
func chmodPath(path string, o *FD, perm uint32) error {
	var st unix.Stat_t
	if err := unix.Fstat(o.Int(), &st); err != nil {
		return err
	}
	// Some file systems changed the mode of a link before Linux 6.6 and
	// answered EOPNOTSUPP all the same: 5d1f903f75a8 ("attr: block mode changes
	// of symlinks").
	if st.Mode&S_IFMT == S_IFLNK {
		return unix.EOPNOTSUPP
	}
	return unix.Chmod(path, perm)
}

// Chown sets owner and group of the object, also of one opened with O_PATH; -1
// leaves one as it is. The kernel clears set-user-ID bits and file capabilities.
func (d *FD) Chown(uid, gid int) error {
	return call("fchownat", d.Name(), func() error {
		return unix.Fchownat(d.Int(), "", uid, gid, AT_EMPTY_PATH)
	})
}

// ChownAt is Chown of name in d, of a link itself.
func (d *FD) ChownAt(name string, uid, gid int) error {
	return call("fchownat", d.join(name), func() error {
		return unix.Fchownat(d.Int(), name, uid, gid, AT_SYMLINK_NOFOLLOW)
	})
}

// Utimes sets the times of access and modification with nanoseconds; a zero time
// leaves one as it is. It works with O_PATH from Linux 5.8, by procfs before.
func (d *FD) Utimes(atime, mtime time.Time) error {
	ts := timespecs(atime, mtime)
	return call("utimensat", d.Name(), func() error {
		err := unix.UtimesNanoAt(d.Int(), "", ts, AT_EMPTY_PATH)
		if err == unix.EINVAL || err == unix.ENOENT {
			err = unix.UtimesNanoAt(AT_FDCWD, d.procFD(), ts, 0)
		}
		return err
	})
}

// UtimesAt is Utimes of name in d, of a link itself.
func (d *FD) UtimesAt(name string, atime, mtime time.Time) error {
	ts := timespecs(atime, mtime)
	return call("utimensat", d.join(name), func() error {
		return unix.UtimesNanoAt(d.Int(), name, ts, AT_SYMLINK_NOFOLLOW)
	})
}

func timespecs(times ...time.Time) []unix.Timespec {
	ts := make([]unix.Timespec, 0, len(times))
	for _, t := range times {
		if t.IsZero() {
			ts = append(ts, unix.Timespec{Nsec: unix.UTIME_OMIT})
			continue
		}
		// Seconds and nanoseconds are taken apart: UnixNano ends in 2262, and
		// archives hold any year.
		ts = append(ts, unix.Timespec{Sec: t.Unix(), Nsec: int64(t.Nanosecond())})
	}
	return ts
}
