package testenv

import "testing"

// maxFaults bounds FailNth: an operation of more steps than this does not end.
const maxFaults = 100_000

// FailNth calls round with 1, 2, 3, ... until it says that its operation had
// fewer than n steps: each round prepares its own state, makes the n-th step fail
// (with [Fault], or a means of its own), looks at what came back and at what was
// left behind, and says whether the n-th step was reached. The last round is thus
// one in which nothing failed. The number of faults is logged and returned.
func FailNth(tb testing.TB, round func(n int) (reached bool)) (faults int) {
	tb.Helper()
	for n := 1; n <= maxFaults; n++ {
		if !round(n) {
			tb.Logf("FailNth: %d steps, each failed once", n-1)
			return n - 1
		}
		if tb.Failed() {
			tb.Fatalf("FailNth: stopped at step %d", n)
		}
	}
	tb.Fatalf("FailNth: more than %d steps", maxFaults)
	return 0
}
