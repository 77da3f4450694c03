package testenv

import (
	"os"
	"runtime"
	"testing"

	"github.com/coraclehq/coracle/internal/sys"
)

// NetNS puts the test into a network namespace of its own, with nothing but a
// loopback interface that is up. The test's goroutine keeps its thread, and what it
// starts inherits the namespace; goroutines of the test are outside. It needs root.
func NetNS(tb testing.TB) {
	tb.Helper()
	Root(tb)
	lockThread()
	if err := sys.Unshare(sys.CLONE_NEWNET); err != nil {
		tb.Fatal(err)
	}
	if err := sys.LinkUp("lo"); err != nil {
		tb.Fatal(err)
	}
}

// lockThread locks the goroutine, for good, to a thread that ends with it. The
// first thread of the process would not, see sys.OnThread: from that the goroutine
// moves away, by giving it to another goroutine until it has a thread itself.
func lockThread() {
	for moved := false; !moved; {
		taken, release := make(chan struct{}), make(chan struct{})
		go func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			close(taken)
			if onFirstThread() {
				<-release
			}
		}()
		<-taken
		runtime.LockOSThread()
		if moved = !onFirstThread(); !moved {
			runtime.UnlockOSThread()
		}
		close(release)
	}
}

func onFirstThread() bool { return sys.Gettid() == os.Getpid() }
