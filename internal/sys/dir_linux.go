package sys

import (
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Mkdir makes directory name in d. The umask applies: who needs exact
// permissions sets them with ChmodAt.
func (d *FD) Mkdir(name string, perm uint32) error {
	return call("mkdirat", d.join(name), func() error { return unix.Mkdirat(d.Int(), name, perm) })
}

// MkdirAll makes the directories of a relative path below d that do not exist
// yet and returns the last one opened with O_PATH. Links on the way and ".." are
// refused.
func (d *FD) MkdirAll(name string, perm uint32) (*FD, error) {
	cur, err := d.Open(".", O_PATH|O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	for c := range strings.SplitSeq(path.Clean(name), "/") {
		if c == "" || c == "." {
			continue
		}
		next, err := cur.mkdirOpen(c, perm)
		if err != nil {
			cur.Close()
			return nil, err
		}
		cur.Close()
		cur = next
	}
	return cur, nil
}

func (d *FD) mkdirOpen(name string, perm uint32) (*FD, error) {
	if name == ".." {
		return nil, named("mkdirat", d.join(name), unix.EXDEV)
	}
	next, err := d.Open(name, O_PATH|O_DIRECTORY, 0)
	if errnoOf(err) != ENOENT {
		return next, err
	}
	if err := d.Mkdir(name, perm); err != nil && errnoOf(err) != EEXIST {
		return nil, err
	}
	return d.Open(name, O_PATH|O_DIRECTORY, 0)
}

// Unlink removes name, which is not a directory, from d.
func (d *FD) Unlink(name string) error {
	return call("unlinkat", d.join(name), func() error { return unix.Unlinkat(d.Int(), name, 0) })
}

// Rmdir removes the empty directory name from d.
func (d *FD) Rmdir(name string) error {
	return call("unlinkat", d.join(name), func() error { return unix.Unlinkat(d.Int(), name, AT_REMOVEDIR) })
}

// Rename moves old in d to new in to, replacing what is there.
func (d *FD) Rename(old string, to *FD, new string) error { return d.rename(old, to, new, 0) }

// RenameNoReplace moves old in d to new in to and fails with EEXIST where
// something is there already.
func (d *FD) RenameNoReplace(old string, to *FD, new string) error {
	return d.rename(old, to, new, RENAME_NOREPLACE)
}

// Exchange swaps old in d and new in to atomically. Both exist.
func (d *FD) Exchange(old string, to *FD, new string) error {
	return d.rename(old, to, new, RENAME_EXCHANGE)
}

func (d *FD) rename(old string, to *FD, new string, flags uint) error {
	return linked(d, old, to, new, call("renameat2", "", func() error {
		return unix.Renameat2(d.Int(), old, to.Int(), new, flags)
	}))
}

// linked names both objects in the error of a call.
func linked(d *FD, old string, to *FD, new string, err error) error {
	if e, ok := err.(*os.SyscallError); ok {
		return &os.LinkError{Op: e.Syscall, Old: d.join(old), New: to.join(new), Err: e.Err}
	}
	return err
}

// Symlink makes name in d a symbolic link with the text target.
func (d *FD) Symlink(target, name string) error {
	return call("symlinkat", d.join(name), func() error { return unix.Symlinkat(target, d.Int(), name) })
}

// Readlink returns the text of the symbolic link name in d; of d itself, opened
// with O_PATH|O_NOFOLLOW, when name is "".
func (d *FD) Readlink(name string) (string, error) {
	// A link's text is at most PATH_MAX-1 bytes, but for magic links of procfs,
	// which symlink(7) does not bound: those are cut.
	buf := make([]byte, PATH_MAX)
	var n int
	err := call("readlinkat", d.join(name), func() (err error) {
		n, err = unix.Readlinkat(d.Int(), name, buf)
		return err
	})
	if err != nil {
		return "", err
	}
	return string(buf[:n]), nil
}

// Link makes new in to a second name of old in d, which is not followed if it is
// a link.
func (d *FD) Link(old string, to *FD, new string) error {
	return linked(d, old, to, new, call("linkat", "", func() error {
		return unix.Linkat(d.Int(), old, to.Int(), new, 0)
	}))
}

// LinkFD gives the open file d, made with O_TMPFILE or still linked, the name
// new in to.
func (d *FD) LinkFD(to *FD, new string) error {
	// linkat(2): AT_EMPTY_PATH needs CAP_DAC_READ_SEARCH; the way by procfs, as
	// open(2) gives it for O_TMPFILE, needs nothing.
	return call("linkat", to.join(new), func() error {
		return unix.Linkat(AT_FDCWD, d.procFD(), to.Int(), new, AT_SYMLINK_FOLLOW)
	})
}

// Mknod makes name in d: mode holds an S_IF* type and the permissions, to which
// the umask applies, dev is a number of [Mkdev].
func (d *FD) Mknod(name string, mode uint32, dev uint64) error {
	return call("mknodat", d.join(name), func() error { return unix.Mknodat(d.Int(), name, mode, int(dev)) })
}

// Names returns the names in directory d, sorted, without "." and "..". The
// descriptor's offset does not matter and O_PATH will do.
func (d *FD) Names() ([]string, error) {
	r, err := d.Open(".", O_RDONLY|O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var names []string
	buf := make([]byte, 32<<10)
	for {
		var n int
		err := call("getdents64", d.Name(), func() (err error) {
			n, err = unix.ReadDirent(r.Int(), buf)
			return err
		})
		if err != nil {
			return nil, err
		}
		if n == 0 {
			slices.Sort(names)
			return names, nil
		}
		_, _, names = unix.ParseDirent(buf[:n], -1, names)
	}
}
