package coracle

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/coraclehq/coracle/internal/probe"
	"github.com/coraclehq/coracle/internal/store"
)

// Callers' mistakes. Test for them with errors.Is.
var (
	// ErrNotFound: there is no image, container or layer of that name.
	ErrNotFound = store.ErrNotFound
	// ErrExists: the name is taken.
	ErrExists = store.ErrExists
	// ErrInUse: what is to be removed or changed is needed by something else.
	ErrInUse = store.ErrInUse
	// ErrInvalid: a value that can never be right, as a name with a slash; the
	// message says which.
	ErrInvalid = store.ErrInvalid
	// ErrRunning: the container must not be running for that.
	ErrRunning = store.ErrRunning
	// ErrNotRunning: the container must be running for that.
	ErrNotRunning = errors.New("container is not running")
	// ErrNotPortable: an image over the machine's own root file system cannot leave
	// the machine.
	ErrNotPortable = errors.New("image is not portable")
	// ErrNoSpace: disk or quota of the store is full.
	ErrNoSpace = store.ErrNoSpace
	// ErrReadOnly: the store can be read and not written: its disk is mounted
	// read-only, or a newer Coracle has written it.
	ErrReadOnly = store.ErrReadOnly
	// ErrDamaged: a file of the store is not what was written.
	ErrDamaged = store.ErrDamaged
	// ErrClosed: the engine was closed.
	ErrClosed = store.ErrClosed
)

// Error is what went wrong with a named thing. Its Err is one of the values above,
// an *UnsupportedError, an *ExitError or what the kernel said.
type Error struct {
	Op   string // the method or function, in lower case: "start"
	Name string // what it was called with: a name or an ID
	Err  error
}

func (e *Error) Error() string {
	if e.Name == "" {
		return e.Op + ": " + e.Err.Error()
	}
	return e.Op + " " + e.Name + ": " + e.Err.Error()
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// UnsupportedError is something that this kernel, this machine or this user cannot
// do. Nothing was begun when it is returned.
type UnsupportedError = probe.UnsupportedError

// ExitError is the end of a container or process that was not a success.
type ExitError struct {
	// Code is the exit code, or 128 + Signal.
	Code int
	// Signal ended the process; 0: it exited by itself.
	Signal syscall.Signal
	// OOMKilled: the kernel killed a process of the container because its memory
	// limit was reached.
	OOMKilled bool
	// Lost: nobody saw the end, because the supervisor was killed or the machine
	// went down. Code is 137 then.
	Lost bool
}

func (e *ExitError) Error() string {
	switch {
	case e.Lost:
		return "end was not seen"
	case e.OOMKilled:
		return fmt.Sprintf("exit status %d: out of memory", e.Code)
	case e.Signal != 0:
		return "signal: " + e.Signal.String()
	}
	return fmt.Sprintf("exit status %d", e.Code)
}

// StartError is a program that could not be executed.
type StartError struct {
	// Code is what a shell would exit with: 127 when the program was not found, 126
	// when it cannot be run.
	Code int
	Err  error
}

func (e *StartError) Error() string { return e.Err.Error() }

// Unwrap returns Err.
func (e *StartError) Unwrap() error { return e.Err }

// wrap gives an error the method and the name, once.
func wrap(op, name string, err error) error {
	var e *Error
	if err == nil || errors.As(err, &e) {
		return err
	}
	return &Error{Op: op, Name: name, Err: err}
}
