package sys

import "golang.org/x/sys/unix"

// Open opens a path that the caller trusts, following links, with O_CLOEXEC.
func Open(path string, flags int, perm uint32) (*FD, error) {
	return callFD("open", path, func() (int, error) {
		return unix.Open(path, flags|O_CLOEXEC, perm)
	})
}

// Open opens name in directory d with O_NOFOLLOW and O_CLOEXEC. Name is one
// component, or a path whose directories the caller trusts: only the last
// component is protected from links.
func (d *FD) Open(name string, flags int, perm uint32) (*FD, error) {
	return callFD("openat", d.join(name), func() (int, error) {
		return unix.Openat(d.Int(), name, flags|O_NOFOLLOW|O_CLOEXEC, perm)
	})
}

// OpenInRoot opens path as a process whose root is d would: absolute paths,
// absolute links and ".." stay inside. Magic links of procfs are refused with
// ELOOP. It needs Linux 5.6.
func (d *FD) OpenInRoot(path string, flags int, perm uint32) (*FD, error) {
	return d.OpenBeneath(path, flags, perm, RESOLVE_IN_ROOT|RESOLVE_NO_MAGICLINKS)
}

// OpenBeneath opens path below d under the given RESOLVE_* flags, always with
// O_CLOEXEC. It needs Linux 5.6.
func (d *FD) OpenBeneath(path string, flags int, perm uint32, resolve uint64) (*FD, error) {
	how := unix.OpenHow{Flags: uint64(flags | O_CLOEXEC), Resolve: resolve}
	// openat2(2) refuses a mode where nothing is created, unlike openat(2).
	if flags&O_CREAT != 0 || flags&O_TMPFILE == O_TMPFILE {
		how.Mode = uint64(perm)
	}
	return callFD("openat2", d.join(path), func() (n int, err error) {
		// openat2(2): EAGAIN when a rename or mount anywhere on the system raced
		// with ".."; the caller may try again. The number of tries is bounded, for
		// an attacker could keep that up.
		for range maxRaces {
			n, err = unix.Openat2(d.Int(), path, &how)
			if err != unix.EAGAIN || resolve&RESOLVE_CACHED != 0 {
				break
			}
		}
		return n, err
	})
}

// maxRaces is how often a lookup that others disturb is tried.
const maxRaces = 1000

// Dup returns a second descriptor of the same open file, close-on-exec.
func (d *FD) Dup() (*FD, error) { return MoveAbove(d, 0) }

// MoveAbove returns a second descriptor of fd's open file with a number of min
// or more, close-on-exec. The first stays open.
func MoveAbove(fd *FD, min int) (*FD, error) {
	return callFD("fcntl", fd.Name(), func() (int, error) {
		return unix.FcntlInt(uintptr(fd.Int()), F_DUPFD_CLOEXEC, min)
	})
}

// Reopen opens the object of d anew with other flags, by way of procfs: an
// O_PATH descriptor becomes one that can be read, say.
func (d *FD) Reopen(flags int) (*FD, error) {
	return callFD("open", d.Name(), func() (int, error) {
		return unix.Open(d.procFD(), flags|O_CLOEXEC, 0)
	})
}

// SetNonblock turns O_NONBLOCK of the open file on or off, which all
// descriptors of that open file share.
func (d *FD) SetNonblock(on bool) error {
	return call("fcntl", d.Name(), func() error { return unix.SetNonblock(d.Int(), on) })
}
