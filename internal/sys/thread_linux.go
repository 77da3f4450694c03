package sys

import (
	"errors"
	"os"
	"runtime"
)

// OnThread runs f on a thread that ends when f returns, so that f may change what
// belongs to a thread: its namespaces, credentials, root. It is never the
// process's first thread: that one cannot end, the Go runtime parks it for good
// instead, and what f had changed would show in /proc/self/ns ever after.
//
// An error is returned as it is. Processes that f starts inherit the thread's
// state; goroutines that it starts do not.
func OnThread(f func() error) error {
	done := make(chan error, 1)
	go func() {
		err := errGoexit
		defer func() { done <- err }()
		runtime.LockOSThread()
		if Gettid() != os.Getpid() {
			err = f()
			return // still locked: the thread ends
		}
		// While this goroutine keeps the first thread to itself, the next one is
		// on another.
		defer runtime.UnlockOSThread()
		err = OnThread(f)
	}()
	return <-done
}

// errGoexit is what remains when f ended its goroutine, as a failing test does.
var errGoexit = errors.New("function did not return")
