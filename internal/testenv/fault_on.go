//go:build faults

package testenv

import (
	"syscall"
	"testing"

	"github.com/coraclehq/coracle/internal/sys"
)

// Fault runs op while the n-th call of package sys fails with errno, and says
// whether there were so many. The fault is the process's only one: the test does
// not run in parallel with others. If the test has failed by then, the trace of
// calls is logged.
func Fault(tb testing.TB, n int, errno syscall.Errno, op func()) (reached bool) {
	tb.Helper()
	restore := sys.FailNth(n, errno)
	defer func() {
		if _, reached = restore(); reached {
			_, failed := sys.FaultTrace()
			tb.Logf("step %d, %s, failed with %s", n, failed, sys.ErrnoName(errno))
		}
	}()
	op()
	return
}
