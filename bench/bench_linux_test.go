package main

import (
	"bytes"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coraclehq/coracle/internal/testenv"
)

// A test of this program is a host when it is started as one.
func TestMain(m *testing.M) {
	if len(os.Args) == 5 && os.Args[1] == "host" {
		main()
		return
	}
	os.Exit(m.Run())
}

// The C limit makes the calls of a start and of an exec, and the run leaves nothing.
func TestShortRun(t *testing.T) {
	testenv.Root(t)
	for _, tool := range []string{"gcc", "strace", "busybox"} {
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv("CI") != "" {
				t.Fatalf("%v: run make deps", err)
			}
			t.Skipf("%v: run make deps", err)
		}
	}
	for _, what := range []string{"start", "exec"} {
		t.Run(what, func(t *testing.T) {
			var out bytes.Buffer
			dir := t.TempDir()
			b := &bench{out: &out, rounds: 2, at: []int{1, 3}, parent: dir, heap: 20, only: []string{"coracle"}}
			require.NoError(t, b.measure(what), "%s", &out)
			require.Contains(t, out.String(), "in the same order (strace)")
			require.NotContains(t, out.String(), "no ratio")
			left, err := os.ReadDir(dir)
			require.NoError(t, err)
			require.Empty(t, left)
		})
	}
}
