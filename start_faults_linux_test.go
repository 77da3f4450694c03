//go:build faults

package coracle

import (
	"bytes"
	"context"
	"errors"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coraclehq/coracle/internal/sys"
	"github.com/coraclehq/coracle/internal/testenv"
)

// Every system call that this program makes to open a store, to create, start and end
// a container and to execute in one fails once: an error or success, nothing that
// hangs, and neither a process nor a descriptor is left over. Not parallel: there is
// one fault in a process.
func TestEverySystemCallFails(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.EIO, syscall.ENOMEM} {
		t.Run(sys.ErrnoName(errno), func(t *testing.T) { everyCallFails(t, errno) })
	}
}

func everyCallFails(t *testing.T, errno syscall.Errno) {
	s := newShelf(t, Config{}, "sh", "-c", "echo out; exit 7")
	ctx := t.Context()
	e, c := s.container(t)
	waiting := testContainer(t, e, Config{Name: "waiting"}, "sleep", "1000")
	require.NoError(t, waiting.Start(ctx, IO{}))
	detached := testContainer(t, e, Config{Name: "detached", Detach: true}, "sh", "-c", "echo out; exit 7")
	terminal := testContainer(t, e, Config{Name: "terminal", Cmd: Cmd{Terminal: true}}, "sh", "-c", "echo out; exit 7")
	img, err := e.Image(ctx, "host")
	require.NoError(t, err)
	run := func(c *Container, streams IO) func() error {
		return func() error {
			if err := c.Start(ctx, streams); err != nil {
				return err
			}
			var exit *ExitError
			if err := c.Wait(ctx); !errors.As(err, &exit) || exit.Code != 7 {
				return err
			}
			return c.settled(ctx)
		}
	}
	for _, op := range []struct {
		name string
		do   func() error
	}{
		{"open", func() error {
			e, err := Open(s.dir, &Options{Volatile: true})
			if err != nil {
				return err
			}
			return e.Close()
		}},
		{"create", func() error {
			c, err := e.Create(ctx, img, Config{Name: "made", Cmd: Cmd{Args: []string{"true"}}})
			if err != nil {
				return err
			}
			return c.Remove(ctx, false)
		}},
		{"log", run(c, IO{})},
		{"pumped", run(c, IO{Stdin: strings.NewReader("in"), Stdout: new(bytes.Buffer), Stderr: new(bytes.Buffer)})},
		{"terminal", run(terminal, IO{Stdout: new(bytes.Buffer)})},
		{"detached", run(detached, IO{})},
		{"exec", func() error {
			x, err := waiting.Exec(ctx, Cmd{Args: []string{"sh", "-c", "exit 7"}}, IO{Stdout: new(bytes.Buffer)})
			if err != nil {
				return err
			}
			err = x.Wait(ctx)
			var exit *ExitError
			if errors.As(err, &exit) && exit.Code == 7 {
				return nil
			}
			return err
		}},
		{"status", func() error {
			_, err := waiting.Status(ctx)
			return err
		}},
	} {
		t.Run(op.name, func(t *testing.T) {
			require.NoError(t, op.do())
			before := len(descriptors(t))
			failed := 0
			steps := testenv.FailNth(t, func(n int) (reached bool) {
				reached = testenv.Fault(t, n, errno, func() {
					if err := within(t, op.do); err != nil {
						failed++
					}
				})
				settle(t, s, before, waiting, c, terminal, detached)
				// What was half made by name is no obstacle.
				if made, err := e.Container(ctx, "made"); err == nil {
					require.NoError(t, made.Remove(ctx, false))
				}
				return reached
			})
			t.Logf("%d system calls failed in turn, %d times with an error", steps, failed)
			require.NoError(t, op.do())
		})
	}
	require.NoError(t, waiting.Remove(ctx, true))
	e.Close() // which tells of what could not be removed meanwhile
	s.quiet(t)
}

// within fails the test when f hangs.
func within(t testing.TB, f func() error) error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		return err
	case <-time.After(patience):
		buf := make([]byte, 1<<20)
		require.Fail(t, "it hangs", "%s", buf[:runtime.Stack(buf, true)])
		return nil
	}
}

// settle waits until what was done is over, and looks at what it left.
func settle(t testing.TB, s *shelf, before int, waiting *Container, others ...*Container) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for _, c := range others {
		err := c.settled(ctx)
		for errors.Is(err, ErrRunning) && ctx.Err() == nil { // what failed was Wait, say
			time.Sleep(time.Millisecond)
			err = c.settled(ctx)
		}
		assert.NoError(t, err)
	}
	s.onlyFirst(t, waiting)
	deadline := time.Now().Add(5 * time.Second)
	for len(descriptors(t)) > before && time.Now().Before(deadline) {
		time.Sleep(time.Millisecond)
	}
	open := descriptors(t)
	assert.LessOrEqual(t, len(open), before, "descriptors %q", open)
}

func descriptors(t testing.TB) (open []string) {
	names, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	for _, n := range names {
		if to, err := os.Readlink("/proc/self/fd/" + n.Name()); err == nil {
			open = append(open, to)
		}
	}
	return open
}
