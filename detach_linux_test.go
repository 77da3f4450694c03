package coracle

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// Who starts a detached container with writers gets its output, though it is the
// supervisor that pumps it, and every byte of it before Wait returns.
func TestDetachedOutput(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	c := testContainer(t, e, Config{Detach: true}, "sh", "-c", "cat; echo errors >&2; seq 100000")
	for range 2 { // a second run begins where the first has ended
		out, errs := newSink("100000\n"), newSink("errors\n")
		require.NoError(t, c.Run(t.Context(), IO{Stdin: strings.NewReader("from outside\n"), Stdout: out, Stderr: errs}))
		require.True(t, strings.HasPrefix(out.String(), "from outside\n1\n2\n"), "%.100q", out)
		require.True(t, strings.HasSuffix(out.String(), "\n99999\n100000\n"))
		require.Equal(t, "errors\n", errs.String())
	}
}

func TestDetachedTerminal(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	c := testContainer(t, e, Config{Detach: true, Cmd: Cmd{Terminal: true}}, "sh")
	in, keyboard := io.Pipe()
	sizes := make(chan Size, 1)
	sizes <- Size{Width: 91, Height: 29}
	screen := newSink("29 91")
	ended := make(chan error)
	go func() { ended <- c.Run(t.Context(), IO{Stdin: in, Stdout: screen, Resize: sizes}) }()
	_, err := keyboard.Write([]byte("stty size; exit 3\n"))
	require.NoError(t, err)
	screen.wait(t)
	require.ErrorContains(t, <-ended, "exit status 3")
}

// Close does not wait for detached containers, and ends what Exec started.
func TestCloseLetsGo(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	other, err := Open(e.store.Path(), nil)
	require.NoError(t, err)
	c := testContainer(t, other, Config{Detach: true}, "sleep", "1000")
	out := newSink("")
	require.NoError(t, c.Start(t.Context(), IO{Stdout: out}))
	waited := make(chan error)
	go func() { waited <- c.Wait(t.Context()) }()
	p, err := c.Exec(t.Context(), Cmd{Args: []string{"sleep", "1000"}}, IO{})
	require.NoError(t, err)
	require.NoError(t, other.Close())
	var exit *ExitError
	require.ErrorAs(t, p.Wait(t.Context()), &exit)
	require.Equal(t, syscall.SIGKILL, exit.Signal)
	if err := <-waited; !errors.Is(err, ErrClosed) {
		t.Errorf("Wait of a closed engine: %v", err)
	}

	same, err := e.Container(t.Context(), c.ID())
	require.NoError(t, err)
	s, err := same.Status(t.Context())
	require.NoError(t, err)
	require.Equal(t, Running, s.State)
	require.NoError(t, same.Remove(t.Context(), true))
}

// An image that was committed over the host's root has its layers above it.
func TestCommittedOverHost(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	c := testContainer(t, e, Config{}, "sh", "-c", "echo new > /new; rm /etc/hostname; mkdir -p /var/lib/kept; echo x > /var/lib/kept/x")
	require.NoError(t, c.Run(t.Context(), IO{}))
	for range 2 {
		img, err := c.Commit(t.Context(), "committed", CommitOptions{})
		require.NoError(t, err)
		c, err = e.Create(t.Context(), img, Config{Cmd: Cmd{Args: []string{"sh", "-c", "cat /new /var/lib/kept/x; test -z \"$(ls -A /root /home/ 2>&1 | grep -v :)\"; ls /lower /mask 2>/dev/null; echo new >> /new"}}})
		require.NoError(t, err)
		var out bytes.Buffer
		require.NoError(t, c.Run(t.Context(), IO{Stdout: &out, Stderr: io.Discard}), "%s", &out)
		require.Contains(t, out.String(), "new\nx\n")
	}
}
