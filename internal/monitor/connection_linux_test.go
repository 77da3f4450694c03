package monitor

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coraclehq/coracle/internal/supervisor"
	"github.com/coraclehq/coracle/internal/testenv"
)

// Every byte is there when Finish returns, also of a process that ends at once.
func TestOutput(t *testing.T) {
	t.Parallel()
	want := lines(1, 9000)
	for range testenv.Scale(t, 400) {
		var out, errs bytes.Buffer
		code, err := run(t, false, IO{Stdout: &out, Stderr: &errs}, nil, "seq 1 9000 & seq 1 9000 >&2; wait; exit 3")
		require.NoError(t, err)
		require.Equal(t, 3, code)
		sameText(t, want, out.String())
		sameText(t, want, errs.String())
	}
}

// A writer that is both is written to by one at a time, in the order of the process.
func TestOneWriterForBoth(t *testing.T) {
	t.Parallel()
	var both bytes.Buffer
	_, err := run(t, false, IO{Stdout: &both, Stderr: &both}, nil, "for i in 1 2 3 4 5; do echo o$i; echo e$i >&2; done")
	require.NoError(t, err)
	assert.Equal(t, "o1\ne1\no2\ne2\no3\ne3\no4\ne4\no5\ne5\n", both.String())
}

// With a log the two are kept apart, and written one at a time all the same.
func TestOneWriterForBothWithLog(t *testing.T) {
	t.Parallel()
	dir := logDir(t)
	var both bytes.Buffer
	_, err := run(t, false, IO{Stdout: &both, Stderr: &both}, logIn(t, dir, 0, 0), "seq 1 9000 & seq 1 9000 >&2; wait")
	require.NoError(t, err)
	assert.Equal(t, 2*len(lines(1, 9000)), both.Len())
	out, errs := logged(t, dir)
	sameText(t, lines(1, 9000), out)
	sameText(t, lines(1, 9000), errs)
}

func TestLogAlone(t *testing.T) {
	t.Parallel()
	dir := logDir(t)
	_, err := run(t, false, IO{}, logIn(t, dir, 0, 0), "echo out; echo err >&2; cat")
	require.NoError(t, err)
	out, errs := logged(t, dir)
	assert.Equal(t, "out\n", out)
	assert.Equal(t, "err\n", errs)
}

// Nothing at all is /dev/null, and no descriptor here.
func TestNoStreams(t *testing.T) {
	t.Parallel()
	c, err := Connect(false, IO{}, nil)
	require.NoError(t, err)
	assert.Empty(t, c.Keep())
	code, err := run(t, false, IO{}, nil, "echo x && cat && exit 5")
	require.NoError(t, err)
	assert.Equal(t, 5, code)
}

func TestInput(t *testing.T) {
	t.Parallel()
	text := lines(1, 100000)
	for name, in := range map[string]io.Reader{
		"whole":     strings.NewReader(text),
		"in pieces": iotest.HalfReader(strings.NewReader(text)),
		"end early": iotest.DataErrReader(strings.NewReader(text)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			_, err := run(t, false, IO{Stdin: in, Stdout: &out}, nil, "cat; echo end")
			require.NoError(t, err)
			sameText(t, text+"end\n", out.String())
		})
	}
}

func TestInputThatFails(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	var out bytes.Buffer
	_, err := run(t, false, IO{Stdin: io.MultiReader(strings.NewReader("x"), iotest.ErrReader(broken)), Stdout: &out}, nil, "cat")
	require.ErrorIs(t, err, broken)
	assert.Equal(t, "x", out.String())
}

// A process that does not read its input ends all the same, whether the reader
// blocks or has more than fits.
func TestInputThatNobodyReads(t *testing.T) {
	t.Parallel()
	r, w := io.Pipe()
	defer w.Close()
	for name, in := range map[string]io.Reader{"silent": r, "endless": endless{}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, text := range []string{"sleep 0.01", "exec <&-; sleep 0.01"} {
				_, err := run(t, false, IO{Stdin: in}, nil, text)
				require.NoError(t, err)
			}
		})
	}
}

// A file as Stdin, which package os would splice, does not hold Finish up either.
func TestInputFromASilentFile(t *testing.T) {
	t.Parallel()
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	defer w.Close()
	_, err = run(t, false, IO{Stdin: r}, nil, "sleep 0.01")
	require.NoError(t, err)
	_, err = run(t, true, IO{Stdin: r}, nil, "sleep 0.01")
	require.NoError(t, err)
}

type endless struct{}

func (endless) Read(b []byte) (int, error) { return copy(b, "and so on "), nil }

// failing takes some bytes and then none.
type failing struct {
	room  int
	calls int
}

var errNoRoom = errors.New("no room")

func (f *failing) Write(b []byte) (int, error) {
	f.calls++
	n := min(len(b), f.room)
	f.room -= n
	if n < len(b) {
		return n, errNoRoom
	}
	return n, nil
}

// A writer that fails neither kills nor blocks the process, and the log has all.
func TestWriterThatFails(t *testing.T) {
	t.Parallel()
	dir := logDir(t)
	var errs bytes.Buffer
	out := &failing{room: 100}
	code, err := run(t, false, IO{Stdout: out, Stderr: &errs}, logIn(t, dir, 0, 0), "seq 1 50000; echo end >&2; exit 7")
	require.ErrorIs(t, err, errNoRoom)
	assert.Equal(t, 1, strings.Count(err.Error(), errNoRoom.Error()))
	assert.Equal(t, 1, out.calls)
	assert.Equal(t, 7, code)
	assert.Equal(t, "end\n", errs.String())
	logOut, _ := logged(t, dir)
	sameText(t, lines(1, 50000), logOut)
}

// short takes less than it is given and says nothing.
type short struct{}

func (short) Write(b []byte) (int, error) { return len(b) / 2, nil }

func TestShortWriter(t *testing.T) {
	t.Parallel()
	code, err := run(t, false, IO{Stdout: short{}}, nil, "seq 1 50000; exit 7")
	require.ErrorIs(t, err, io.ErrShortWrite)
	assert.Equal(t, 7, code)
}

// A slow writer holds the process up, and loses nothing.
func TestSlowWriter(t *testing.T) {
	t.Parallel()
	r, w := io.Pipe()
	got := make(chan string)
	go func() {
		var b bytes.Buffer
		for buf := make([]byte, 5000); ; time.Sleep(100 * time.Microsecond) {
			n, err := r.Read(buf)
			b.Write(buf[:n])
			if err != nil {
				got <- b.String()
				return
			}
		}
	}()
	_, err := run(t, false, IO{Stdout: w}, nil, "seq 1 50000")
	require.NoError(t, err)
	w.Close()
	sameText(t, lines(1, 50000), <-got)
}

// A process that closes its output and works on.
func TestOutputClosedEarly(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	code, err := run(t, false, IO{Stdin: strings.NewReader("x\n"), Stdout: &out, Stderr: &out}, nil, "echo a; exec >&- 2>&-; sleep 0.02; read x && exit 9")
	require.NoError(t, err)
	assert.Equal(t, "a\n", out.String())
	assert.Equal(t, 9, code)
}

// What was left behind has the pipes and writes for ever, or is silent: Finish waits
// for the process alone, and has all that the process wrote.
func TestLeftWriter(t *testing.T) {
	t.Parallel()
	for _, left := range []string{"yes", "sleep 5"} {
		t.Run(left, func(t *testing.T) {
			t.Parallel()
			for range testenv.Scale(t, 200) {
				var out, errs bytes.Buffer
				c, err := Connect(false, IO{Stdout: &out, Stderr: &errs}, nil)
				require.NoError(t, err)
				p := shell(t, c, left+" & seq 1 5000 >&2; exit 4", func(o *supervisor.Options) { o.Namespaces = 0 })
				c.Started()
				require.NoError(t, finish(t, c, p))
				sameText(t, lines(1, 5000), errs.String())
			}
		})
	}
}

func TestAbort(t *testing.T) {
	t.Parallel()
	for _, terminal := range []bool{false, true} {
		c, err := Connect(terminal, IO{Stdin: strings.NewReader("x"), Stdout: io.Discard, Stderr: io.Discard}, logIn(t, logDir(t), 0, 0))
		require.NoError(t, err)
		c.Abort()
		assert.Empty(t, c.Keep())
	}
}

// Nothing is left of many connections.
func TestNothingIsLeft(t *testing.T) {
	dir := logDir(t)
	once := func(terminal bool) {
		_, err := run(t, terminal, IO{Stdin: strings.NewReader("x"), Stdout: io.Discard, Resize: make(chan Winsize)}, logIn(t, dir, 0, 0), "cat")
		require.NoError(t, err)
	}
	once(false)
	census := testenv.ProcessCensus(t)
	t.Cleanup(census.Check)
	for range 5 {
		once(false)
		once(true)
	}
}

func TestTerminal(t *testing.T) {
	t.Parallel()
	for range testenv.Scale(t, 400) {
		dir := logDir(t)
		var out bytes.Buffer
		code, err := run(t, true, IO{Stdout: &out}, logIn(t, dir, 0, 0), "tty >/dev/null && seq 1 3000; echo err >&2; exit 2")
		require.NoError(t, err)
		require.Equal(t, 2, code)
		want := strings.ReplaceAll(lines(1, 3000)+"err\n", "\n", "\r\n")
		sameText(t, want, out.String())
		log, errs := logged(t, dir)
		sameText(t, want, log)
		require.Empty(t, errs)
	}
}

// A process that closed its terminal for a while.
func TestTerminalOpenedAgain(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	_, err := run(t, true, IO{Stdout: &out}, nil, "echo a; exec </dev/null >/dev/null 2>&1; sleep 0.05; seq 1 20000 >/dev/tty")
	require.NoError(t, err)
	sameText(t, strings.ReplaceAll("a\n"+lines(1, 20000), "\n", "\r\n"), out.String())
}

// The end of Stdin is what a user would type.
func TestTerminalInput(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, in, want string }{
		{"lines", "a\nb\n", "<a>\n<b>\n"},
		{"unfinished line", "a\nb", "<a>\n<b>"},
		{"nothing", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			code, err := run(t, true, IO{Stdin: strings.NewReader(tt.in), Stdout: &out}, nil, `stty -echo -onlcr; sed 's/.*/<&>/'; exit 3`)
			require.NoError(t, err)
			assert.Equal(t, 3, code)
			// What came before stty is echoed.
			assert.Contains(t, strings.ReplaceAll(out.String(), "\r\n", "\n"), tt.want)
		})
	}
}

func TestResize(t *testing.T) {
	t.Parallel()
	var out safe
	in, typed := io.Pipe()
	resize := make(chan Winsize)
	c, err := Connect(true, IO{Stdin: in, Stdout: &out, Resize: resize}, nil)
	require.NoError(t, err)
	require.NoError(t, c.Resize(100, 40)) // before there is a terminal
	p := shell(t, c, "stty -echo; read a; stty size; read a; stty size; read a; stty size", nil)
	c.Started()
	io.WriteString(typed, "\n")
	eventually(t, "no first size", func() bool { return strings.Contains(out.String(), "40 100") })
	require.NoError(t, c.Resize(101, 41))
	io.WriteString(typed, "\n")
	eventually(t, "no second size", func() bool { return strings.Contains(out.String(), "41 101") })
	resize <- Winsize{102, 42}
	resize <- Winsize{102, 42} // the first has been taken
	close(resize)
	io.WriteString(typed, "\n")
	typed.Close()
	require.NoError(t, finish(t, c, p))
	assert.Contains(t, out.String(), "42 102")
	assert.NoError(t, c.Resize(1, 1), "after the end")

	c, err = Connect(false, IO{}, nil)
	require.NoError(t, err)
	assert.ErrorIs(t, c.Resize(1, 1), ErrNoTerminal)
}

// Signals typed at the terminal reach the process.
func TestTerminalSignals(t *testing.T) {
	t.Parallel()
	var out safe
	in, typed := io.Pipe()
	c, err := Connect(true, IO{Stdin: in, Stdout: &out}, nil)
	require.NoError(t, err)
	p := shell(t, c, "trap 'exit 9' INT; echo ready; while :; do sleep 0.01; done", nil)
	c.Started()
	eventually(t, "not ready", func() bool { return strings.Contains(out.String(), "ready") })
	io.WriteString(typed, "\x03")
	require.NoError(t, finish(t, c, p))
	typed.Close()
	e, err := p.Wait(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 9, e.Code)
}

// A process whose program never sends a terminal.
func TestTerminalThatDoesNotCome(t *testing.T) {
	t.Parallel()
	c, err := Connect(true, IO{Stdout: io.Discard}, nil)
	require.NoError(t, err)
	other, err := Connect(false, IO{}, nil)
	require.NoError(t, err)
	p := shell(t, other, "exit 0", nil)
	c.Started()
	other.Started()
	require.NoError(t, finish(t, other, p))
	assert.ErrorIs(t, finish(t, c, p), ErrNoTerminal)
}
