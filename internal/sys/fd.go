package sys

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"
)

// ErrNotLinux is what every call of this package returns on other systems.
var ErrNotLinux = fmt.Errorf("coracle runs containers on Linux only: %w", errors.ErrUnsupported)

// FD is an open descriptor with one owner, who closes it once. It has no
// finalizer: a descriptor that nobody closes is a leak which tests find, not
// one that the collector hides, and a descriptor handed to a child is not
// closed because its *FD became unreachable.
//
// As a directory, a nil *FD stands for the current directory of the process,
// which is of use with absolute paths only. Calls on a closed *FD fail with
// EBADF.
//
// Methods may be called concurrently, but the owner closes only when no other
// call is under way.
type FD struct {
	n    atomic.Int64 // the descriptor plus one, so that the zero FD is closed
	name string
}

// NewFD takes ownership over descriptor n. The name appears in errors; for
// directories it is a path, to which names are appended.
func NewFD(n int, name string) *FD {
	d := &FD{name: name}
	d.n.Store(int64(n) + 1)
	return d
}

// Int returns the descriptor's number, which stays owned by d. It is AT_FDCWD
// for nil and -1 after Close.
func (d *FD) Int() int {
	if d == nil {
		return AT_FDCWD
	}
	return int(d.n.Load()) - 1
}

// Name returns what d was opened as, for messages: nothing can be concluded
// from it about where the object is now.
func (d *FD) Name() string {
	if d == nil {
		return ""
	}
	return d.name
}

// Close closes the descriptor. Closing nil does nothing; closing again is
// os.ErrClosed. The descriptor is gone even when an error of a delayed write is
// returned.
func (d *FD) Close() error {
	if d == nil {
		return nil
	}
	n := int(d.n.Swap(0)) - 1
	if n < 0 {
		return &os.PathError{Op: "close", Path: d.name, Err: os.ErrClosed}
	}
	return closeFD(n, d.name)
}

// File turns d into an *os.File, which takes over the descriptor: d is closed
// for further use without closing the object. A pipe, socket or pidfd that is
// in non-blocking mode is served by the runtime's poller. File of a closed or
// nil FD is nil.
func (d *FD) File() *os.File {
	n := d.Release()
	if n < 0 {
		return nil
	}
	return os.NewFile(uintptr(n), d.name)
}

// Release gives the descriptor's number to the caller, who closes it. It
// returns -1 when d is nil or closed.
func (d *FD) Release() int {
	if d == nil {
		return -1
	}
	return int(d.n.Swap(0)) - 1
}

// join names an object below d for an error message.
func (d *FD) join(name string) string {
	switch {
	case d == nil || d.name == "":
		return name
	case name == "":
		return d.name
	case name[0] == '/':
		return d.name + name
	}
	return d.name + "/" + name
}
