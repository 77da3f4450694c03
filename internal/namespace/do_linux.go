package namespace

import (
	"fmt"
	"os"

	"github.com/vishvananda/netns"

	"github.com/coraclehq/coracle/internal/sys"
)

// Do runs f on a thread of its own inside network namespace ns, a descriptor of
// one or a pidfd (Linux 5.8) of a process in it, and returns what f does. F must do its
// work itself: what it starts with go runs in the namespace of the program.
// Sockets made by f stay in the namespace wherever they are used later. The thread
// ends with f. Ns stays the caller's.
func Do(ns *sys.FD, f func() error) error {
	return sys.OnThread(func() error {
		if err := enter(ns); err != nil {
			return err
		}
		return f()
	})
}

// enter moves the thread, which nobody else uses.
func enter(ns *sys.FD) error {
	if err := netns.Set(netns.NsHandle(ns.Int())); err != nil {
		return fmt.Errorf("setns %s: %w", ns.Name(), err)
	}
	return nil
}

// unshareNet moves the thread, which is locked, into a new network namespace.
func unshareNet() (*sys.FD, error) {
	ns, err := netns.New()
	if err != nil {
		return nil, fmt.Errorf("make a network namespace: %w", os.NewSyscallError("unshare", err))
	}
	return sys.NewFD(int(ns), "network namespace"), nil
}

// here refers to the network namespace that the thread is in.
func here() (*sys.FD, error) {
	ns, err := netns.Get()
	if err != nil {
		return nil, fmt.Errorf("open the network namespace: %w", err)
	}
	return sys.NewFD(int(ns), "network namespace"), nil
}
