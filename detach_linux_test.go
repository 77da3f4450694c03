package coracle

import (
	"io"
	"strings"
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
