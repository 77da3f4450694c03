package coracle

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coraclehq/coracle/internal/testenv"
)

// testEngine opens a store of the test's own. Nothing of it is left when the test
// ends.
func testEngine(t testing.TB) *Engine {
	testenv.Root(t)
	census := testenv.Census(t)
	e, err := Open(t.TempDir(), &Options{Volatile: true})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, e.Close()) })
	census.Mark(e.store.ID())
	return e
}

// testContainer makes a container over the host image.
func testContainer(t testing.TB, e *Engine, cfg Config, args ...string) *Container {
	img, err := e.NewImage(t.Context(), "host", FromHost())
	require.NoError(t, err)
	cfg.Cmd.Args = args
	c, err := e.Create(t.Context(), img, cfg)
	require.NoError(t, err)
	return c
}

// output runs a container and returns what it wrote.
func output(t testing.TB, c *Container) string {
	var out bytes.Buffer
	require.NoError(t, c.Run(t.Context(), IO{Stdout: &out, Stderr: &out}), "%s", &out)
	return out.String()
}

// sink is a buffer that several goroutines may use, and that tells when it has a
// text.
type sink struct {
	io.Writer
	all  atomic.Pointer[string]
	want string
	seen chan struct{}
}

func newSink(want string) *sink {
	s := &sink{want: want, seen: make(chan struct{})}
	s.all.Store(new(string))
	return s
}

func (s *sink) Write(p []byte) (int, error) {
	before := *s.all.Load()
	after := before + string(p)
	s.all.Store(&after)
	if !strings.Contains(before, s.want) && strings.Contains(after, s.want) {
		close(s.seen)
	}
	return len(p), nil
}

func (s *sink) String() string { return *s.all.Load() }

func (s *sink) wait(t testing.TB) {
	select {
	case <-s.seen:
	case <-time.After(30 * time.Second):
		require.Fail(t, "never written", "%q; but %q was", s.want, s)
	}
}

func TestExitCodes(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	for _, tt := range []struct {
		script string
		want   ExitError
	}{
		{"exit 0", ExitError{}},
		{"exit 3", ExitError{Code: 3}},
		{"exit 255", ExitError{Code: 255}},
		{"kill -KILL $$; kill -TERM $$; exit 7", ExitError{Code: 7}}, // the first process of a pid namespace
		{"ulimit -c", ExitError{}},
	} {
		c := testContainer(t, e, Config{}, "sh", "-c", tt.script)
		err := c.Run(t.Context(), IO{})
		var got *ExitError
		if tt.want == (ExitError{}) {
			require.NoError(t, err, tt.script)
		} else {
			require.ErrorAs(t, err, &got, tt.script)
			require.Equal(t, tt.want, *got, tt.script)
		}
		s, err := c.Status(t.Context())
		require.NoError(t, err)
		require.Equal(t, Exited, s.State)
		require.Equal(t, tt.want.Code, s.ExitCode)
		require.WithinDuration(t, time.Now(), s.Finished, time.Minute)
		require.Zero(t, s.PID)
	}
}

func TestSignalEnds(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	c := testContainer(t, e, Config{}, "sleep", "1000")
	require.ErrorIs(t, c.Signal(t.Context(), syscall.SIGTERM), ErrNotRunning)
	require.NoError(t, c.Start(t.Context(), IO{}))
	require.ErrorIs(t, c.Start(t.Context(), IO{}), ErrRunning)
	require.ErrorIs(t, c.Remove(t.Context(), false), ErrRunning)
	require.NoError(t, c.Signal(t.Context(), syscall.SIGKILL))
	var exit *ExitError
	require.ErrorAs(t, c.Wait(t.Context()), &exit)
	require.Equal(t, ExitError{Code: 137, Signal: syscall.SIGKILL}, *exit)
	require.NoError(t, c.Remove(t.Context(), false))
	_, err := c.Status(t.Context())
	require.ErrorIs(t, err, ErrNotFound)
}

// A memory limit that is reached is told apart from a kill.
func TestOutOfMemory(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	c := testContainer(t, e, Config{Limits: Limits{Memory: 32 << 20}}, "sh", "-c", "tail /dev/zero")
	var exit *ExitError
	require.ErrorAs(t, c.Run(t.Context(), IO{}), &exit)
	require.True(t, exit.OOMKilled, "%+v", exit)
	s, err := c.Status(t.Context())
	require.NoError(t, err)
	require.True(t, s.OOMKilled)
}

func TestExec(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	c := testContainer(t, e, Config{Hostname: "box", Cmd: Cmd{Env: []string{"A=1"}, Dir: "/usr"}}, "sleep", "1000")
	_, err := c.Exec(t.Context(), Cmd{Args: []string{"true"}}, IO{})
	require.ErrorIs(t, err, ErrNotRunning)
	require.NoError(t, c.Start(t.Context(), IO{}))

	exec := func(cmd Cmd, in string) (string, error) {
		var out bytes.Buffer
		p, err := c.Exec(t.Context(), cmd, IO{Stdin: strings.NewReader(in), Stdout: &out, Stderr: &out})
		if err != nil {
			return "", err
		}
		err = p.Wait(t.Context())
		return out.String(), errors.Join(err, errors.New(out.String()))
	}
	script := func(s string) Cmd { return Cmd{Args: []string{"sh", "-c", s}, Env: []string{"B=2"}} }
	_, err = exec(script("hostname; pwd; echo $A $B; cat; exit 5"), "from outside")
	require.ErrorContains(t, err, "exit status 5")
	require.ErrorContains(t, err, "box\n/usr\n1 2\nfrom outside")
	_, err = exec(script("grep -E 'Cap(Eff|Inh|Bnd|Amb)|NoNewPrivs|Seccomp:' /proc/self/status"), "")
	first, inside := testContainer(t, e, Config{}, "grep", "-E", "Cap(Eff|Inh|Bnd|Amb)|NoNewPrivs|Seccomp:", "/proc/self/status"), err.Error()
	require.Equal(t, strings.TrimSpace(output(t, first)), strings.TrimSpace(inside), "the same posture as the first process")
	_, err = exec(script("ls -l /proc/self/ns /proc/1/ns | grep -o '[a-z]*:.*' | sort | uniq -c | grep -v ' 2 '; cat /proc/1/cgroup > /tmp/1; diff /tmp/1 /proc/self/cgroup && echo same"), "")
	require.Equal(t, "same", strings.TrimSpace(err.Error()), "all namespaces and cgroups of the first process")

	_, err = exec(Cmd{Args: []string{"no-such-program"}}, "")
	var start *StartError
	require.ErrorAs(t, err, &start)
	require.Equal(t, 127, start.Code)
	require.ErrorContains(t, err, "no-such-program")

	p, err := c.Exec(t.Context(), Cmd{Args: []string{"sleep", "1000"}}, IO{})
	require.NoError(t, err)
	require.NoError(t, p.Signal(syscall.SIGUSR1))
	var exit *ExitError
	require.ErrorAs(t, p.Wait(t.Context()), &exit)
	require.Equal(t, syscall.SIGUSR1, exit.Signal)
	require.ErrorIs(t, p.Signal(syscall.SIGUSR1), ErrNotRunning)
	require.NoError(t, c.Remove(t.Context(), true))
}

// After Wait every byte is delivered, to the caller and to the log.
func TestOutputIsWhole(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	const size = 3 << 20
	c := testContainer(t, e, Config{Log: Log{Size: 1 << 30}}, "sh", "-c", "head -c 3145728 /dev/zero | tr '\\0' x; echo end >&2")
	for _, mode := range []string{"caller", "log"} {
		var out, errs bytes.Buffer
		io := IO{Stdout: &out, Stderr: &errs}
		if mode == "log" {
			io = IO{}
		}
		begin := time.Now()
		require.NoError(t, c.Run(t.Context(), io))
		if mode == "caller" {
			require.Equal(t, size, out.Len())
			require.Equal(t, "end\n", errs.String())
		}
		logged, stderr := 0, ""
		for r, err := range c.Logs(t.Context(), LogOptions{Since: begin}) {
			require.NoError(t, err)
			if r.Stderr {
				stderr += string(r.Data)
			} else {
				logged += len(r.Data)
			}
		}
		require.Equal(t, size, logged, mode)
		require.Equal(t, "end\n", stderr, mode)
	}
}

func TestStop(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	for _, tt := range []struct {
		name, script string
		stop         Stop
		want         ExitError
	}{
		{"by its signal", "trap 'exit 9' TERM; echo ready; while :; do sleep 0.01; done", Stop{}, ExitError{Code: 9}},
		{"by another signal", "trap 'exit 8' USR1; echo ready; while :; do sleep 0.01; done", Stop{Signal: "SIGUSR1"}, ExitError{Code: 8}},
		{"after its grace", "trap '' TERM; echo ready; while :; do sleep 0.01; done", Stop{Grace: 50 * time.Millisecond}, ExitError{Code: 137, Signal: syscall.SIGKILL}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := testContainer(t, e, Config{Stop: tt.stop}, "sh", "-c", tt.script)
			require.ErrorIs(t, c.Stop(t.Context()), ErrNotRunning)
			ready := newSink("ready")
			require.NoError(t, c.Start(t.Context(), IO{Stdout: ready}))
			ready.wait(t)
			require.NoError(t, c.Stop(t.Context()))
			var exit *ExitError
			require.ErrorAs(t, c.Wait(t.Context()), &exit)
			require.Equal(t, tt.want, *exit)
		})
	}
}

// Another engine on the same store sees, signals, waits for and removes what this
// one started.
func TestTwoEngines(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	other, err := Open(e.store.Path(), nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, other.Close()) })
	c := testContainer(t, e, Config{Name: "shared"}, "sh", "-c", "echo out; sleep 1000")
	require.NoError(t, c.Start(t.Context(), IO{}))
	o, err := other.Container(t.Context(), "shared")
	require.NoError(t, err)
	s, err := o.Status(t.Context())
	require.NoError(t, err)
	require.Equal(t, Running, s.State)
	require.Positive(t, s.PID)
	var out bytes.Buffer
	p, err := o.Exec(t.Context(), Cmd{Args: []string{"hostname"}}, IO{Stdout: &out})
	require.NoError(t, err)
	require.NoError(t, p.Wait(t.Context()))
	require.Equal(t, c.ID()[:12]+"\n", out.String())

	waited := make(chan error)
	go func() { waited <- o.Wait(t.Context()) }()
	require.NoError(t, o.Signal(t.Context(), syscall.SIGKILL))
	var exit *ExitError
	require.ErrorAs(t, <-waited, &exit)
	require.Equal(t, syscall.SIGKILL, exit.Signal)
	require.NoError(t, o.Remove(t.Context(), false))
}

// A detached container outlives its engine; the next one finds it.
func TestDetached(t *testing.T) {
	t.Parallel()
	testenv.Root(t)
	census := testenv.Census(t)
	dir := t.TempDir()
	e, err := Open(dir, nil)
	require.NoError(t, err)
	census.Mark(e.store.ID())
	c := testContainer(t, e, Config{Name: "d", Detach: true}, "sh", "-c", "echo one; sleep 0.2; echo two; exit 4")
	require.NoError(t, c.Start(t.Context(), IO{}))
	require.NoError(t, e.Close())

	e, err = Open(dir, nil)
	require.NoError(t, err)
	c, err = e.Container(t.Context(), "d")
	require.NoError(t, err)
	var exit *ExitError
	require.ErrorAs(t, c.Wait(t.Context()), &exit)
	require.Equal(t, 4, exit.Code)
	log := ""
	for r, err := range c.Logs(t.Context(), LogOptions{}) {
		require.NoError(t, err)
		log += string(r.Data)
	}
	require.Equal(t, "one\ntwo\n", log)
	require.NoError(t, c.Remove(t.Context(), false))
	require.NoError(t, e.Close())
}

func TestAttach(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	c := testContainer(t, e, Config{Cmd: Cmd{Terminal: true}}, "sh")
	require.NoError(t, c.Start(t.Context(), IO{}))
	in, keyboard := io.Pipe()
	sizes := make(chan Size, 1)
	sizes <- Size{Width: 97, Height: 31}
	screen := newSink("31 97")
	attached := make(chan error)
	go func() { attached <- c.Attach(t.Context(), IO{Stdin: in, Stdout: screen, Resize: sizes}) }()
	for !strings.Contains(screen.String(), "31 97") { // the size may come after the first question
		_, err := keyboard.Write([]byte("stty size\n"))
		require.NoError(t, err)
		time.Sleep(20 * time.Millisecond)
	}
	screen.wait(t)
	_, err := keyboard.Write([]byte("exit 6\n"))
	require.NoError(t, err)
	require.NoError(t, <-attached)
	var exit *ExitError
	require.ErrorAs(t, c.Wait(t.Context()), &exit)
	require.Equal(t, 6, exit.Code)
	require.ErrorIs(t, c.Attach(t.Context(), IO{}), ErrNotRunning)
}

// Dial reaches a server inside, with no network and nothing published.
func TestDial(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	c := testContainer(t, e, Config{}, "python3", "-u", "-c", `
import socket
s = socket.create_server(("127.0.0.1", 80))
print("listening")
c, _ = s.accept()
c.sendall(b"hello " + c.recv(100))
`)
	ready := newSink("listening")
	require.NoError(t, c.Start(t.Context(), IO{Stdout: ready, Stderr: ready}))
	ready.wait(t)
	conn, err := c.Dial(t.Context(), "tcp", "localhost:80")
	require.NoError(t, err)
	defer conn.Close()
	_, err = conn.Write([]byte("world"))
	require.NoError(t, err)
	answer, err := io.ReadAll(conn)
	require.NoError(t, err)
	require.Equal(t, "hello world", string(answer))
	require.NoError(t, c.Wait(t.Context()))
	_, err = net.DialTimeout("tcp", "localhost:80", time.Second)
	require.Error(t, err, "the control: it is not the host's port")
}

func TestRunEndsWithItsContext(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	c := testContainer(t, e, Config{}, "sh", "-c", "echo ready; sleep 1000")
	ready := newSink("ready")
	go func() {
		ready.wait(t)
		cancel(os.ErrDeadlineExceeded)
	}()
	require.ErrorIs(t, c.Run(ctx, IO{Stdout: ready}), os.ErrDeadlineExceeded)
	s, err := c.Status(t.Context())
	require.NoError(t, err)
	require.Equal(t, Exited, s.State)
	require.Equal(t, syscall.SIGKILL, s.Signal)
}

func TestPool(t *testing.T) {
	t.Parallel()
	testenv.Root(t)
	census := testenv.Census(t)
	e, err := Open(t.TempDir(), &Options{Volatile: true, Ready: 2})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, e.Close()) })
	census.Mark(e.store.ID())
	seen := map[string]bool{}
	for range 5 { // all alive, or a later one may have the number of one that ended
		out := newSink("end\n")
		c := testContainer(t, e, Config{}, "sh", "-c", "readlink /proc/self/ns/net; cat /sys/class/net/lo/operstate /proc/sys/net/ipv4/ip_unprivileged_port_start; ls /sys/class/net; echo end; exec sleep 1000")
		require.NoError(t, c.Start(t.Context(), IO{Stdout: out}))
		out.wait(t)
		ns, rest, _ := strings.Cut(out.String(), "\n")
		assert.Equal(t, "unknown\n0\nlo\nend\n", rest, "up, with its sysctls, and seen by its own /sys")
		assert.False(t, seen[ns], "each has its own")
		seen[ns] = true
	}
}
