package testenv

import (
	"errors"
	"fmt"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coraclehq/coracle/internal/probe"
)

// recorder is a test whose end is observed from outside.
type recorder struct {
	testing.TB
	errors []string
	end    string // what it was ended with
	how    string // "fatal" or "skip"
}

func (r *recorder) Helper()                   {}
func (r *recorder) Failed() bool              { return len(r.errors) > 0 }
func (r *recorder) Errorf(f string, a ...any) { r.errors = append(r.errors, fmt.Sprintf(f, a...)) }
func (r *recorder) Fatalf(f string, a ...any) { r.stop("fatal", fmt.Sprintf(f, a...)) }
func (r *recorder) Skipf(f string, a ...any)  { r.stop("skip", fmt.Sprintf(f, a...)) }

func (r *recorder) stop(how, end string) {
	r.how, r.end = how, end
	runtime.Goexit()
}

// run calls f until it returns or ends the test.
func (r *recorder) run(f func()) {
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	<-done
}

func TestScale(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		full int
		soak string
		want int
	}{
		{1000, "", 50}, {1000, "1", 1000}, {1000, "true", 1000}, {1000, "0", 50}, {1000, "x", 50},
		{19, "", 1}, {0, "", 1}, {1, "1", 1},
	} {
		assert.Equal(t, tt.want, scale(tt.full, tt.soak), "%d %q", tt.full, tt.soak)
	}
}

func TestNeed(t *testing.T) {
	for _, tt := range []struct {
		name      string
		feature   probe.Feature
		ci, allow string
		how       string
	}{
		{"there", probe.Feature{}, "1", "", ""},
		{"missing", probe.Missing("flying", "99.1", errors.New("no wings")), "", "", "skip"},
		{"missing in CI", probe.Missing("flying", "99.1", errors.New("no wings")), "true", "", "fatal"},
		{"missing in CI's lane for ordinary users", probe.Missing("flying", "99.1", errors.New("no wings")), "true", "1", "skip"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("CI", tt.ci)
			t.Setenv("CORACLE_ALLOW_SKIP", tt.allow)
			r := &recorder{TB: t}
			r.run(func() { Need(r, tt.feature) })
			assert.Equal(t, tt.how, r.how)
			if tt.how != "" {
				assert.Equal(t, "flying: not supported on this host, needs Linux 99.1: no wings", r.end)
			}
		})
	}
}

func TestFailNth(t *testing.T) {
	t.Parallel()
	var rounds []int
	faults := FailNth(t, func(n int) bool {
		rounds = append(rounds, n)
		return n <= 3
	})
	assert.Equal(t, 3, faults)
	assert.Equal(t, []int{1, 2, 3, 4}, rounds)
}

func TestFailNthStopsAtAFailure(t *testing.T) {
	t.Parallel()
	r := &recorder{TB: t}
	r.run(func() {
		FailNth(r, func(n int) bool {
			if n == 2 {
				r.Errorf("wrong")
			}
			return true
		})
	})
	require.Equal(t, "fatal", r.how)
	assert.Contains(t, r.end, "step 2")
}
