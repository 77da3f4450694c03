package store

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/coraclehq/coracle/internal/sys"
)

// What callers act on. Errors of this package wrap one of these, or a number of
// the kernel: a missing permission is fs.ErrPermission.
var (
	// ErrNotFound: no container, image, layer or blob of that name.
	ErrNotFound = errors.New("not found")
	// ErrExists: the name belongs to something else already; the message says to
	// what.
	ErrExists = errors.New("already exists")
	// ErrInUse: something else still needs it; the message says what.
	ErrInUse = errors.New("in use")
	// ErrRunning: the container runs.
	ErrRunning = errors.New("container is running")
	// ErrInvalid: the caller's input is malformed or ambiguous.
	ErrInvalid = errors.New("invalid")
	// ErrMismatch: content does not have the digest or size that was promised.
	ErrMismatch = errors.New("content does not match")
	// ErrDamaged: a file of the store is not what the store wrote.
	ErrDamaged = errors.New("damaged")
	// ErrNoSpace: disk or quota of the store is full.
	ErrNoSpace = errors.New("no space left for the store")
	// ErrReadOnly: the store can be read and not written. See [VersionError] for
	// one reason; a disk mounted read-only is the other.
	ErrReadOnly = errors.New("store is read-only")
	// ErrClosed: the Store was closed.
	ErrClosed = errors.New("store is closed")
)

// VersionError is returned for every change of a store that a newer Coracle has
// written. It is an [ErrReadOnly].
type VersionError struct {
	Path         string // the store
	Found, Known int    // its version, and the newest that this program writes
}

func (e *VersionError) Error() string {
	return fmt.Sprintf("store %s has version %d, this program writes up to %d: it can only be read; update the program",
		e.Path, e.Found, e.Known)
}

// Is makes a VersionError an ErrReadOnly.
func (e *VersionError) Is(target error) bool { return target == ErrReadOnly }

// hostError adds the sentinel for a condition of the host to an error, without a
// word to its text, which already ends in the kernel's.
type hostError struct{ err, kind error }

func (e *hostError) Error() string   { return e.err.Error() }
func (e *hostError) Unwrap() []error { return []error{e.err, e.kind} }

// classify makes the numbers that mean a full or read-only disk known by their
// sentinels.
func classify(err error) error {
	switch {
	case err == nil, errors.Is(err, ErrNoSpace), errors.Is(err, ErrReadOnly):
		return err
	case errors.Is(err, sys.ENOSPC), errors.Is(err, sys.EDQUOT):
		return &hostError{err, ErrNoSpace}
	case errors.Is(err, sys.EROFS):
		return &hostError{err, ErrReadOnly}
	}
	return err
}

// missing turns the kernel's "no such file" into ErrNotFound for what.
func missing(err error, what string, args ...any) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf(what+": %w", append(args, ErrNotFound)...)
	}
	return err
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
