//go:build !faults

package testenv

import (
	"syscall"
	"testing"
)

// Fault skips the test: calls fail on purpose only in programs built with the tag
// faults. With it, op runs while the n-th call of package sys fails with errno,
// and Fault says whether there were so many.
func Fault(tb testing.TB, _ int, _ syscall.Errno, _ func()) (reached bool) {
	tb.Helper()
	tb.Skip("needs -tags faults")
	return false
}
