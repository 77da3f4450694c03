package sys

import (
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// call makes one system call, again when a signal interrupts it, and names it
// and its object in the error. It is the place where faults are injected: each
// exported function that can fail goes through it.
func call(op, path string, f func() error) error {
	if e := fault(op); e != 0 {
		return named(op, path, e)
	}
	for {
		err := f()
		if err == nil {
			return nil
		}
		if err != unix.EINTR {
			return named(op, path, err)
		}
	}
}

// callFD is call for those that return a descriptor.
func callFD(op, path string, f func() (int, error)) (*FD, error) {
	var n int
	err := call(op, path, func() (err error) {
		n, err = f()
		return err
	})
	if err != nil {
		return nil, err
	}
	return NewFD(n, path), nil
}

func named(op, path string, err error) error {
	if path == "" {
		return os.NewSyscallError(op, err)
	}
	return &os.PathError{Op: op, Path: path, Err: err}
}

// errnoOf returns the number inside an error of this package.
func errnoOf(err error) syscall.Errno {
	switch e := err.(type) {
	case *os.PathError:
		return errnoOf(e.Err)
	case *os.SyscallError:
		return errnoOf(e.Err)
	case *os.LinkError:
		return errnoOf(e.Err)
	case syscall.Errno:
		return e
	}
	return 0
}

func closeFD(n int, name string) error {
	// close(2): the descriptor is released also after EINTR, and may be
	// somebody else's by the time of a second try.
	if err := unix.Close(n); err != nil && err != unix.EINTR {
		return named("close", name, err)
	}
	return nil
}

// procFD is a path to the object that d refers to, by the magic link of proc(5),
// for calls that take no descriptor or refuse an O_PATH one.
func (d *FD) procFD() string { return "/proc/self/fd/" + strconv.Itoa(d.Int()) }

// procAt is a path to name in d whose last component is not resolved through d's
// own path: nothing that is renamed on the way can redirect it.
func (d *FD) procAt(name string) string {
	if d == nil {
		return name
	}
	return d.procFD() + "/" + name
}
