package coracle

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coraclehq/coracle/internal/sys"
	"github.com/coraclehq/coracle/internal/testenv"
)

// hostVar, in the environment, makes the test program a program of its own that uses
// the library: which one. Its arguments are the command line.
const hostVar = "CORACLE_TEST_HOST"

func TestMain(m *testing.M) {
	if kind := os.Getenv(hostVar); kind != "" {
		os.Unsetenv(hostVar)
		runtime.LockOSThread() // strace counts the calls of each thread
		p := &program{args: os.Args[1:]}
		programs(kind)(p)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// programs are what the test program can be.
func programs(kind string) func(*program) {
	switch kind {
	case "start":
		return startProgram
	case "exec":
		return execProgram
	case "freeze":
		return freezeProgram
	case "hazard":
		return hazardProgram
	case "storm":
		return stormProgram
	case "recycle":
		return recycleProgram
	case "fallback":
		return fallbackProgram
	}
	panic(kind)
}

// program is the test program as such a program. What fails there ends it.
type program struct{ args []string }

func (p *program) Errorf(format string, args ...any) { fmt.Fprintf(os.Stderr, format, args...) }
func (p *program) FailNow()                          { os.Exit(1) }

// say tells the test.
func (p *program) say(format string, args ...any) { fmt.Printf(format+"\n", args...) }

// container opens the store of the first argument and finds its container "c".
func (p *program) container() (*Engine, *Container) {
	e, err := Open(p.args[0], &Options{Volatile: true})
	require.NoError(p, err)
	c, err := e.Container(context.Background(), "c")
	require.NoError(p, err)
	return e, c
}

// startProgram starts the container, as its second argument says, and waits for its
// end.
func startProgram(p *program) {
	e, c := p.container()
	ctx := context.Background()
	p.say("open")
	r, err := c.start(ctx, ioOf(p.args[1]))
	require.NoError(p, err)
	pids := []any{r.process.PID, r.process.SupervisorPID}
	if strings.HasSuffix(p.args[1], "+exec") {
		x, err := c.Exec(ctx, Cmd{Args: []string{"sleep", "1000"}}, IO{Stdout: io.Discard})
		require.NoError(p, err)
		pids = append(pids, x.PID())
	}
	p.say("%s", strings.TrimSpace(fmt.Sprintln(pids...)))
	c.Wait(ctx)
	require.NoError(p, e.Close())
}

// execProgram executes a process in the container, which somebody else started.
func execProgram(p *program) {
	_, c := p.container()
	p.say("open")
	terminal := strings.HasPrefix(p.args[1], "terminal")
	x, err := c.Exec(context.Background(), Cmd{Args: []string{"sh", "-c", "sleep 1000 & sleep 1000; sleep 1000"}, Terminal: terminal}, ioOf(p.args[1]))
	require.NoError(p, err)
	p.say("%d", x.PID())
	x.Wait(context.Background())
}

// freezeProgram starts the container and freezes it, as Commit does.
func freezeProgram(p *program) {
	e, c := p.container()
	ctx := context.Background()
	require.NoError(p, c.Start(ctx, ioOf(p.args[1])))
	r := c.run()
	lock, err := e.store.LockContainer(ctx, c.id)
	require.NoError(p, err)
	_, err = e.freeze(ctx, lock)
	require.NoError(p, err)
	p.say("%d %d", r.process.PID, r.process.SupervisorPID)
	c.Wait(ctx)
}

// ioOf is how the output is pumped: by this program, or by the supervisor.
func ioOf(how string) IO {
	if strings.Contains(how, "pumped") {
		return IO{Stdout: io.Discard, Stderr: io.Discard}
	}
	return IO{}
}

// host is such a program, running.
type host struct {
	*exec.Cmd
	out *bufio.Reader
}

// hostCommand is the program, not yet running. Its errors are the test's output.
func hostCommand(t testing.TB, kind string, args ...string) *exec.Cmd {
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(self, args...)
	cmd.Env = append(os.Environ(), hostVar+"="+kind)
	cmd.Stderr = os.Stderr
	return cmd
}

func startHost(t testing.TB, kind string, args ...string) *host {
	return runHost(t, hostCommand(t, kind, args...))
}

func runHost(t testing.TB, cmd *exec.Cmd) *host {
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	h := &host{Cmd: cmd, out: bufio.NewReader(out)}
	t.Cleanup(func() {
		h.Process.Kill()
		h.Wait()
	})
	return h
}

// line is the next thing that the program says; "" when it has ended.
func (h *host) line(t testing.TB) string {
	line, err := h.out.ReadString('\n')
	if err != nil {
		require.ErrorIs(t, err, io.EOF)
	}
	return strings.TrimSpace(line)
}

// pids opens the processes whose numbers the program says.
func (h *host) pids(t testing.TB) (all []*sys.FD) {
	line := h.line(t)
	require.NotEmpty(t, line)
	for _, word := range strings.Fields(line) {
		pid, err := strconv.Atoi(word)
		require.NoError(t, err, line)
		fd, err := sys.PidfdOpen(pid, 0)
		require.NoError(t, err)
		t.Cleanup(func() { fd.Close() })
		all = append(all, fd)
	}
	return all
}

func (h *host) kill(t testing.TB) {
	require.NoError(t, h.Process.Kill())
	h.Wait()
}

// patience bounds a wait for what must come.
const patience = 20 * time.Second

// ended waits for the end of processes and returns how long it took.
func ended(t testing.TB, pids ...*sys.FD) time.Duration {
	begin := time.Now()
	for _, fd := range pids {
		n, err := sys.Poll([]sys.PollFD{{FD: fd, Events: sys.POLLIN}}, patience)
		require.NoError(t, err)
		require.NotZero(t, n, "%s lives on", fd.Name())
	}
	return time.Since(begin)
}

// shelf is a store that no engine of this process has open, with the container "c".
type shelf struct {
	dir, store, id string
	census         *testenv.Counter
	opened         []time.Duration
}

func newShelf(t testing.TB, cfg Config, args ...string) *shelf {
	testenv.Root(t)
	s := &shelf{census: testenv.Census(t), dir: t.TempDir()}
	e := s.open(t)
	s.store = e.store.ID()
	s.census.Mark(s.store)
	cfg.Name = "c"
	s.id = testContainer(t, e, cfg, args...).ID()
	require.NoError(t, e.Close())
	return s
}

// open opens the store as the next program does.
func (s *shelf) open(t testing.TB) *Engine {
	begin := time.Now()
	e, err := Open(s.dir, &Options{Volatile: true})
	require.NoError(t, err)
	s.opened = append(s.opened, time.Since(begin))
	return e
}

// container opens the store and finds the container.
func (s *shelf) container(t testing.TB) (*Engine, *Container) {
	e := s.open(t)
	c, err := e.Container(t.Context(), "c")
	require.NoError(t, err)
	return e, c
}

// remove removes the container, running or not.
func (s *shelf) remove(t testing.TB) {
	e, c := s.container(t)
	require.NoError(t, c.Remove(t.Context(), true))
	require.NoError(t, e.Close())
	s.quiet(t)
}

// report tells how long the store took to open, and that it was quick.
func (s *shelf) report(t testing.TB) {
	slices.Sort(s.opened)
	n := len(s.opened)
	t.Logf("%d times opened: min %v, median %v, max %v", n, s.opened[0], s.opened[n/2], s.opened[n-1])
	require.Less(t, s.opened[0], 100*time.Millisecond)
}

// quiet waits until nothing of the store is alive: no process, and with it no
// namespace and no mount, and no cgroup of a container.
func (s *shelf) quiet(t testing.TB) {
	t.Helper()
	var left []string
	for deadline := time.Now().Add(patience); ; time.Sleep(2 * time.Millisecond) {
		if left = s.left(); len(left) == 0 {
			return
		}
		require.False(t, time.Now().After(deadline), "left over: %s", left)
	}
}

func (s *shelf) left() (all []string) {
	for _, pattern := range []string{"/sys/fs/cgroup/", "/sys/fs/cgroup/*/"} {
		groups, _ := filepath.Glob(pattern + "coracle/" + s.store + "/" + s.id)
		all = append(all, groups...)
	}
	procs, _ := filepath.Glob("/proc/[0-9]*")
	for _, p := range procs {
		groups, _ := os.ReadFile(p + "/cgroup")
		line, _ := os.ReadFile(p + "/cmdline")
		if strings.Contains(string(groups), s.store) || strings.HasPrefix(string(line), "coracle\x00"+s.store) {
			all = append(all, p)
		}
	}
	return all
}

// exitOf is the end that Wait tells of.
func exitOf(t testing.TB, err error) ExitError {
	var exit *ExitError
	require.True(t, errors.As(err, &exit), "%v", err)
	return *exit
}
