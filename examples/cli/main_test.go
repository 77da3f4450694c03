package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coraclehq/coracle"
)

// as is the variable that makes the test program do something else than test.
const as = "CORACLE_CLI_TEST_AS"

func TestMain(m *testing.M) {
	switch os.Getenv(as) {
	case "":
		os.Exit(m.Run())
	case "cli":
		main()
	case "panic":
		panicking()
	}
}

// panicking is a program that panics while it has the terminal.
func panicking() {
	foreground(context.Background(), true, true, func(context.Context, coracle.IO) (running, error) { panic("planted") })
}

// cli is the tool on a store of its own.
type cli struct {
	t          *testing.T
	self, root string // the test program, and the directory of the store
}

// newCLI makes an empty store, and ends what runs in it when the test is over.
func newCLI(t *testing.T) *cli {
	t.Helper()
	needRoot(t)
	return newStore(t)
}

func newStore(t *testing.T) *cli {
	self, err := os.Executable()
	require.NoError(t, err)
	c := &cli{t, self, filepath.Join(t.TempDir(), "store")}
	t.Cleanup(func() {
		eventually(t, "no container", func() bool {
			ids := strings.Fields(c.run("ps", "-aq").stdout)
			if len(ids) > 0 {
				c.run(append([]string{"rm", "-f"}, ids...)...) // one may be just being removed
			}
			return len(ids) == 0
		})
	})
	return c
}

// needRoot skips the test where no container can be made. Where CI is set it fails,
// so that a lane which was meant to run it cannot pass without.
func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		lacking(t, "needs root")
	}
}

func lacking(t *testing.T, reason string) {
	t.Helper()
	if os.Getenv("CI") != "" && os.Getenv("CORACLE_ALLOW_SKIP") == "" {
		t.Fatal(reason)
	}
	t.Skip(reason)
}

// outcome is what came of a command.
type outcome struct {
	stdout, stderr string
	code           int
}

func (c *cli) command(args ...string) *exec.Cmd {
	cmd := exec.Command(c.self, append([]string{"--root", c.root}, args...)...)
	cmd.Env = append(os.Environ(), as+"=cli")
	return cmd
}

// run runs a command to its end.
func (c *cli) run(args ...string) outcome { return c.finish(c.command(args...)) }

// finish runs a command of which something was set.
func (c *cli) finish(cmd *exec.Cmd) outcome {
	c.t.Helper()
	var stdout, stderr bytes.Buffer
	if cmd.Stdout == nil {
		cmd.Stdout = &stdout
	}
	cmd.Stderr = &stderr
	late := time.AfterFunc(time.Minute, func() { cmd.Process.Kill() })
	err := cmd.Run()
	require.True(c.t, late.Stop(), "%q did not end", cmd.Args)
	if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) {
		require.NoError(c.t, err)
	}
	return outcome{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// ok runs a command that must succeed without a word on stderr, and returns its
// output without the last newline.
func (c *cli) ok(args ...string) string {
	c.t.Helper()
	o := c.run(args...)
	require.Equal(c.t, 0, o.code, "%q: %s", args, o.stderr)
	require.Empty(c.t, o.stderr, "%q", args)
	return strings.TrimSuffix(o.stdout, "\n")
}

// refuse runs a command that must fail with the code and a message that contains
// every word.
func (c *cli) refuse(code int, words string, args ...string) {
	c.t.Helper()
	o := c.run(args...)
	require.Equal(c.t, code, o.code, "%q: %s%s", args, o.stdout, o.stderr)
	require.True(c.t, strings.HasPrefix(o.stderr, "Error: "), "%q: %s", args, o.stderr)
	require.Contains(c.t, o.stderr, words, "%q", args)
}

// eventually waits until what is true, which has no event to wait for.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !is(); time.Sleep(10 * time.Millisecond) {
		require.True(t, time.Now().Before(deadline), "never: %s", what)
	}
}

// printed waits until the container's log has the text.
func (c *cli) printed(name, text string) {
	c.t.Helper()
	eventually(c.t, text+" in the log of "+name, func() bool {
		o := c.run("logs", name)
		return strings.Contains(o.stdout+o.stderr, text)
	})
}
