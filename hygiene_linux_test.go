package coracle

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coraclehq/coracle/internal/testenv"
)

// Whatever is done with containers, the program that does it stays as it was: its
// working directory, umask, limits, signal mask, environment, dumpability, descriptors
// and each of its threads' namespaces and credentials. The exit statuses of its own
// children all arrive meanwhile. Not parallel: the process is counted.
func TestProgramStaysAsItWas(t *testing.T) {
	testenv.Root(t)
	census := testenv.ProcessCensus(t)
	dir := t.TempDir()
	operations := testenv.Scale(t, 1000)
	children := testenv.Scale(t, 10_000)

	e, err := Open(dir, &Options{Volatile: true, Ready: 2})
	require.NoError(t, err)
	img, err := e.NewImage(t.Context(), "host", FromHost())
	require.NoError(t, err)
	stop := ownChildren(t, children)
	var all sync.WaitGroup
	var left atomic.Int64
	left.Store(int64(operations))
	for worker := range 4 {
		all.Go(func() {
			for i := worker; left.Add(-1) >= 0; i++ {
				if !assert.NoError(t, operate(t.Context(), e, img, i), "operation %d", i) {
					return
				}
			}
		})
	}
	all.Wait()
	codes := stop()
	require.NoError(t, e.Close())
	census.Check()
	wrong := 0
	for i, code := range codes {
		if code != i%256 {
			wrong++
		}
	}
	assert.Zero(t, wrong, "exit statuses of own children")
	require.Len(t, codes, children)
	t.Logf("%d operations, %d own children", operations, children)
}

// operate does one of all the things that are done with containers.
func operate(ctx context.Context, e *Engine, img *Image, i int) error {
	cfg := Config{Cmd: Cmd{Args: []string{"sh", "-c", "cat; echo out; sleep 0.01; exit 7"}}}
	switch i % 5 {
	case 1:
		cfg.Cmd.User, cfg.Cmd.Dir = "65534:65534", "/made/dir"
	case 2:
		cfg.Cmd.Terminal = true
	case 3:
		cfg.Detach = true
	case 4:
		cfg.Limits = Limits{Memory: 64 << 20, PIDs: 10, CPUs: 1.5}
		cfg.Mounts = []Mount{{Target: "/data"}, {Source: "/usr", Target: "/host", ReadOnly: true}}
	}
	c, err := e.Create(ctx, img, cfg)
	if err != nil {
		return err
	}
	streams := IO{Stdin: strings.NewReader("in\n"), Stdout: new(bytes.Buffer)}
	if !cfg.Cmd.Terminal && i%2 == 0 || cfg.Detach { // a terminal would be read for ever
		streams = IO{}
	}
	if err := c.Start(ctx, streams); err != nil {
		return err
	}
	// It may have ended before; what is executed then is an error, and that is looked at elsewhere.
	if x, err := c.Exec(ctx, Cmd{Args: []string{"true"}}, IO{Stdout: io.Discard}); err == nil {
		x.Wait(ctx)
	}
	if err := c.Wait(ctx); err == nil || !strings.Contains(err.Error(), "exit status 7") {
		return fmt.Errorf("exit code 7 expected: %w", err)
	}
	missing := cfg
	missing.Cmd.Args = []string{"/no/such/program"}
	bad, err := e.Create(ctx, img, missing)
	if err != nil {
		return err
	}
	if err := bad.Run(ctx, IO{}); err == nil {
		return fmt.Errorf("a program that is missing ran")
	}
	if i%10 == 0 {
		if _, err := c.Commit(ctx, "", CommitOptions{}); err != nil {
			return err
		}
	}
	if err := bad.Remove(ctx, false); err != nil {
		return err
	}
	return c.Remove(ctx, false)
}

// ownChildren starts the program's own children, one after the other, and returns
// what waits for the last one and returns their exit statuses.
func ownChildren(t testing.TB, n int) func() []int {
	codes := make([]int, n)
	var all sync.WaitGroup
	const side = 4
	for worker := range side {
		all.Go(func() {
			for i := worker; i < n; i += side {
				cmd := exec.Command("/bin/sh", "-c", fmt.Sprintf("exit %d", i%256))
				cmd.Run()
				codes[i] = cmd.ProcessState.ExitCode()
			}
		})
	}
	return func() []int {
		all.Wait()
		return codes
	}
}

// The library loads no code and changes no state when it is only imported: a store
// that was never opened left nothing either.
func TestImportDoesNothing(t *testing.T) {
	census := testenv.ProcessCensus(t)
	_, err := Open(filepath.Join(t.TempDir(), "no", "such", "parent", "\x00"), nil)
	require.Error(t, err)
	census.Check()
}
