// Package testenv is what tests need from the machine and leave on it.
//
// [Root], [Need] and [NetNS] say at the top of a test what it touches: where the
// machine cannot give it, the test is skipped with a reason, or fails where CI is
// set, so that a lane which was meant to run something cannot pass without it.
// [Census] finds what a test left behind, [ProcessCensus] what it changed in its
// own process. [FailNth] makes every step of an operation fail once.
package testenv

import (
	"os"
	"strconv"
	"testing"

	"github.com/coraclehq/coracle/internal/probe"
)

// Root skips the test unless it runs with the privileges that containers in the
// initial user namespace need.
func Root(tb testing.TB) {
	tb.Helper()
	if err := probe.Root(); err != nil {
		missing(tb, "needs root: %v", err)
	}
}

// Need skips the test where the host lacks a feature, saying which.
func Need(tb testing.TB, features ...probe.Feature) {
	tb.Helper()
	for _, f := range features {
		if err := f.Check(); err != nil {
			missing(tb, "%v", err)
		}
	}
}

// missing ends a test that cannot run here. The lane for ordinary users sets
// CORACLE_ALLOW_SKIP beside CI.
func missing(tb testing.TB, format string, args ...any) {
	tb.Helper()
	if os.Getenv("CI") != "" && os.Getenv("CORACLE_ALLOW_SKIP") == "" {
		tb.Fatalf(format, args...)
	}
	tb.Skipf(format, args...)
}

// Scale returns how often to repeat what a published figure repeats full times:
// all of it when CORACLE_SOAK is set, a twentieth otherwise, but once at least. It
// logs the number.
func Scale(tb testing.TB, full int) int {
	tb.Helper()
	n := scale(full, os.Getenv("CORACLE_SOAK"))
	tb.Logf("scale: %d of %d", n, full)
	return n
}

func scale(full int, soak string) int {
	if on, err := strconv.ParseBool(soak); err == nil && on {
		return full
	}
	return max(1, full/20)
}
