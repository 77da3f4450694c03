//go:build faults

package sys

import (
	"sync"
	"syscall"
)

// faults holds the one fault that is planned for the process.
var faults struct {
	mu    sync.Mutex // guards what follows
	armed bool
	at    int           // which call fails, from 1
	with  syscall.Errno // what it fails with
	ops   []string      // the calls so far
	fired string        // the call that failed
}

// FailNth makes the n-th call from now, over all goroutines, fail with errno
// instead of being made. Close is not counted. At most one fault is armed in a
// process: a second one panics. The function returned disarms it and says how
// many calls were made and whether the n-th was among them.
func FailNth(n int, errno syscall.Errno) (restore func() (calls int, fired bool)) {
	f := &faults
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.armed {
		panic("sys.FailNth: a fault is armed already")
	}
	f.armed, f.at, f.with, f.ops, f.fired = true, n, errno, nil, ""
	return func() (int, bool) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.armed = false
		return len(f.ops), f.fired != ""
	}
}

// FaultTrace returns the calls made since the last FailNth and the one that
// failed, "" if none did.
func FaultTrace() (calls []string, failed string) {
	f := &faults
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string(nil), f.ops...), f.fired
}

func fault(op string) syscall.Errno {
	f := &faults
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.armed {
		return 0
	}
	f.ops = append(f.ops, op)
	if len(f.ops) != f.at {
		return 0
	}
	f.fired = op
	return f.with
}
