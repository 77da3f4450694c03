// Package probe says what this kernel and this user can do. It finds out by
// doing it, as far as that leaves no trace, and not by reading version numbers:
// distributions carry features back, and sandboxes take them away.
//
// A feature is a value with a Check method; what is missing is an
// [*UnsupportedError], which names the feature, the first kernel that has it and
// what to do.
package probe

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/coraclehq/coracle/internal/sys"
)

// UnsupportedError says that this host cannot do what was asked. It is
// errors.ErrUnsupported to errors.Is.
type UnsupportedError struct {
	Feature string // what is missing, in the kernel's words
	Kernel  string // the first Linux version with it, "5.12"; "" if that is not the reason
	Hint    string // what the user can do about it; may be empty
	Err     error  // what the kernel answered; may be nil
}

func (e *UnsupportedError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: not supported on this host", e.Feature)
	if e.Kernel != "" {
		fmt.Fprintf(&b, ", needs Linux %s", e.Kernel)
	}
	if e.Hint != "" {
		fmt.Fprintf(&b, " (%s)", e.Hint)
	}
	if e.Err != nil {
		fmt.Fprintf(&b, ": %v", e.Err)
	}
	return b.String()
}

// Unwrap returns the kernel's answer.
func (e *UnsupportedError) Unwrap() error { return e.Err }

// Is makes the error errors.ErrUnsupported.
func (e *UnsupportedError) Is(target error) bool { return target == errors.ErrUnsupported }

// A Feature is something that hosts may lack. The features are this package's
// variables; the zero Feature is always supported. A Feature may be copied, and
// used concurrently.
type Feature struct {
	Name   string // in the kernel's words
	Kernel string // the first Linux version with it, "5.12"
	Hint   string // what to do where it is missing

	probe func() error
	kept  *atomic.Pointer[answer]
}

// answer is a conclusive result of a probe, nil inside when supported.
type answer struct{ err error }

func feature(name, kernel, hint string, probe func() error) Feature {
	return Feature{Name: name, Kernel: kernel, Hint: hint, probe: probe, kept: new(atomic.Pointer[answer])}
}

// Check returns nil if the feature is there and an *UnsupportedError if it is
// not. Both are found out once and kept. Where the host was only too short of
// something to tell (descriptors, memory), the error is a plain one, and the
// next Check tries again.
func (f Feature) Check() error {
	if f.probe == nil {
		return nil
	}
	if a := f.kept.Load(); a != nil {
		return a.err
	}
	err := f.probe()
	if err != nil {
		if inconclusive(err) {
			return fmt.Errorf("probe %s: %w", f.Name, err)
		}
		err = f.Unsupported(err)
	}
	// Two first callers find the same: it does not matter who is kept.
	f.kept.CompareAndSwap(nil, &answer{err})
	return f.kept.Load().err
}

// Supported says whether Check returns nil.
func (f Feature) Supported() bool { return f.Check() == nil }

// Unsupported is the error that says the feature is missing, with the kernel's
// answer, for those who found out by themselves.
func (f Feature) Unsupported(err error) *UnsupportedError {
	return &UnsupportedError{Feature: f.Name, Kernel: f.Kernel, Hint: f.Hint, Err: err}
}

// inconclusive says whether err tells of a shortage rather than of the feature.
func inconclusive(err error) bool {
	for _, e := range []error{
		sys.EMFILE, sys.ENFILE, sys.ENOMEM, sys.EAGAIN, sys.EINTR, sys.ENOSPC, sys.EIO, sys.EBUSY, errCannotTell,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// errCannotTell is returned by a probe that found nothing to try it on.
var errCannotTell = errors.New("nothing here to try it on")

// Missing returns a feature that every host lacks, for tests.
func Missing(name, kernel string, err error) Feature {
	return feature(name, kernel, "", func() error { return err })
}
