package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"syscall"
	"time"

	"github.com/coraclehq/coracle/internal/probe"
	"github.com/coraclehq/coracle/internal/sys"
)

func closeFD(d *sys.FD) error {
	if d == nil {
		return nil
	}
	return d.Close()
}

// remove removes an empty group that may be gone already.
func remove(dir *sys.FD, path string) error {
	if err := dir.Rmdir(path); !gone(err) {
		return err
	}
	return nil
}

// groups lists the groups in the group at path, none if it is not there.
func groups(dir *sys.FD, path string) ([]string, error) {
	d, err := dir.Open(path, sys.O_PATH|sys.O_DIRECTORY, 0)
	if gone(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer d.Close()
	names, err := d.Names()
	if gone(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(names, func(n string) bool {
		// The files' names nearly all have a dot; a group's may.
		st, err := d.StatAt(n, false)
		return err != nil || !st.IsDir()
	}), nil
}

// gone says that a group was removed: ENOENT by its path, ENODEV by a descriptor
// of one of its files.
func gone(err error) bool {
	return errors.Is(err, syscall.ENOENT) || errors.Is(err, syscall.ENODEV)
}

// read reads a small file of a group.
func read(dir *sys.FD, name string) (string, error) {
	b, err := dir.ReadFile(name, 1<<20)
	return string(b), err
}

// write writes a file of a group, which takes the whole value at once.
func write(dir *sys.FD, name, value string) error {
	f, err := dir.Open(name, sys.O_WRONLY, 0)
	if err != nil {
		return err
	}
	if _, err := f.Write([]byte(value)); err != nil {
		return errors.Join(fmt.Errorf("%q: %w", value, err), f.Close())
	}
	return f.Close()
}

// hint turns refusals that have a remedy into an *UnsupportedError.
func hint(err error) error {
	switch {
	case errors.Is(err, syscall.EROFS):
		return &probe.UnsupportedError{
			Feature: "making cgroups", Hint: "the cgroup file system is mounted read-only: mount it writable", Err: err,
		}
	case errors.Is(err, fs.ErrPermission):
		return &probe.UnsupportedError{
			Feature: "making cgroups", Hint: "run as root, or have the group of this program delegated to its user", Err: err,
		}
	}
	return err
}

// A pause waits a little longer each time, for what the kernel gives no notice of.
type pause struct{ next, total time.Duration }

func (p *pause) wait() {
	p.next = min(max(2*p.next, 50*time.Microsecond), 10*time.Millisecond)
	p.total += p.next
	time.Sleep(p.next)
}
