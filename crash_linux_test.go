package coracle

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coraclehq/coracle/internal/sys"
	"github.com/coraclehq/coracle/internal/testenv"
)

// lives are containers that are hard to take along when their host is killed.
var lives = []struct {
	name, how string
	cfg       Config
	script    string
	settled   string // what /proc/PID/status shows when the script is where it is meant to be
}{
	{"log", "log", Config{}, "exec sleep 1000", "Name:\tsleep"},
	{"output pumped by the program", "pumped", Config{}, "while :; do echo x; echo y >&2; done", ""},
	{"terminal", "log", Config{Cmd: Cmd{Terminal: true}}, "exec sleep 1000", ""},
	{"terminal of the program", "terminal pumped", Config{Cmd: Cmd{Terminal: true}}, "while :; do echo x; sleep 0.01; done", ""},
	{"drops privileges and its parent-death signal", "log", Config{}, "exec setpriv --reuid 65534 --regid 65534 --clear-groups --pdeathsig clear sleep 1000", "Uid:\t65534"},
	{"another user", "pumped", Config{Cmd: Cmd{User: "65534:65534"}}, "exec sleep 1000", "Uid:\t65534"},
	{"many deaf processes", "log", Config{}, "trap '' TERM HUP INT QUIT USR1; for i in 1 2 3 4 5; do (setsid sleep 1000 &); done; sleep 1000; sleep 1000", ""},
	{"exec", "log+exec", Config{}, "exec sleep 1000", ""},
	{"exec on pipes", "pumped+exec", Config{}, "exec sleep 1000", ""},
}

// Killed at any moment of its container's life, a program takes the container along
// within a second, and what it executed in there. The next Open finds nothing.
func TestKilledProgramTakesItsContainersAlong(t *testing.T) {
	t.Parallel()
	testenv.Root(t)
	rounds := testenv.Scale(t, 1000)/len(lives) + 1
	for _, life := range lives {
		t.Run(life.name, func(t *testing.T) {
			t.Parallel()
			s := newShelf(t, life.cfg, "sh", "-c", life.script)
			var slowest time.Duration
			for i := range rounds {
				h := startHost(t, "start", s.dir, life.how)
				require.Equal(t, "open", h.line(t))
				pids := h.pids(t)
				if i%2 == 0 && life.settled != "" {
					awaitStatus(t, pids[0], life.settled)
				} else {
					time.Sleep(rand.N(5 * time.Millisecond)) // the place in the script is what varies
				}
				h.kill(t)
				took := ended(t, pids...)
				slowest = max(slowest, took)
				assert.Less(t, took, time.Second)

				e, c := s.container(t)
				assert.Equal(t, ExitError{Code: 137, Signal: syscall.SIGKILL}, exitOf(t, c.Wait(t.Context())))
				s.quiet(t)
				require.NoError(t, e.Close())
			}
			t.Logf("%d programs killed, the slowest container was gone after %v", rounds, slowest)
			s.report(t)
		})
	}
}

// awaitStatus waits until the process's status shows a line that begins so.
func awaitStatus(t testing.TB, process *sys.FD, want string) {
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		pid, err := process.PidfdPID()
		require.NoError(t, err)
		status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
		require.NoError(t, err)
		if strings.HasPrefix(string(status), want) || strings.Contains(string(status), "\n"+want) {
			return
		}
		require.False(t, time.Now().After(deadline), "%q is not in %s", want, status)
	}
}

// A process executed in a container of somebody else's dies with the program that
// executed it; the container lives on.
func TestKilledProgramTakesItsExecsAlong(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"log", "pumped", "terminal pumped"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			s := newShelf(t, Config{}, "sleep", "1000")
			e, c := s.container(t)
			require.NoError(t, c.Start(t.Context(), IO{}))
			for i := range testenv.Scale(t, 200) {
				h := startHost(t, "exec", s.dir, how)
				require.Equal(t, "open", h.line(t))
				if i%2 == 0 {
					pids := h.pids(t)
					time.Sleep(rand.N(3 * time.Millisecond))
					h.kill(t)
					assert.Less(t, ended(t, pids...), time.Second)
				} else {
					time.Sleep(rand.N(8 * time.Millisecond)) // any moment of the start
					h.kill(t)
				}
				s.onlyFirst(t, c)
			}
			require.NoError(t, c.Remove(t.Context(), true))
			require.NoError(t, e.Close())
		})
	}
}

// onlyFirst waits until the container's first process and its supervisor are all
// that is left.
func (s *shelf) onlyFirst(t testing.TB, c *Container) {
	t.Helper()
	first, supervisor := "/proc/"+strconv.Itoa(c.run().process.PID), "/proc/"+strconv.Itoa(c.run().process.SupervisorPID)
	var others []string
	for deadline := time.Now().Add(patience); ; time.Sleep(2 * time.Millisecond) {
		others = others[:0]
		for _, l := range s.left() {
			if l != first && l != supervisor && strings.HasPrefix(l, "/proc/") {
				others = append(others, l)
			}
		}
		if len(others) == 0 {
			break
		}
		require.False(t, time.Now().After(deadline), "left over: %s", others)
	}
	state, err := c.Status(t.Context())
	require.NoError(t, err)
	require.Equal(t, Running, state.State)
}

// The same at any moment of the start. What the program had not been told of may run
// or not when it is detached, but never half.
func TestProgramKilledWhileStarting(t *testing.T) {
	t.Parallel()
	testenv.Root(t)
	kinds := []struct {
		name, how string
		cfg       Config
	}{
		{"log", "log", Config{}},
		{"output pumped by the program", "pumped+exec", Config{}},
		{"terminal", "log", Config{Cmd: Cmd{Terminal: true}}},
		{"terminal of the program", "pumped", Config{Cmd: Cmd{Terminal: true}}},
		{"detached", "log", Config{Detach: true}},
	}
	rounds := testenv.Scale(t, 1000)/len(kinds) + 1
	for _, kind := range kinds {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			script := "sleep 1000; exit 1"
			if kind.cfg.Detach {
				script = "echo out; exit 42"
			}
			s := newShelf(t, kind.cfg, "sh", "-c", script)
			acknowledged := 0
			window := 4 * time.Millisecond
			for range rounds {
				h := startHost(t, "start", s.dir, kind.how)
				require.Equal(t, "open", h.line(t))
				opened := time.Now()
				time.Sleep(rand.N(window))
				h.Process.Kill()
				rest, err := io.ReadAll(h.out)
				require.NoError(t, err)
				h.Wait()
				if len(rest) > 0 {
					acknowledged++
				} else if acknowledged == 0 {
					window = max(window, 2*time.Since(opened)) // until one in some comes to its end
				}

				e, c := s.container(t)
				err = c.Wait(t.Context())
				s.quiet(t)
				switch {
				case len(rest) == 0 && errors.Is(err, ErrNotRunning): // it never ran
				case kind.cfg.Detach:
					require.Equal(t, ExitError{Code: 42}, exitOf(t, err))
				case len(rest) == 0: // killed in its set-up, it may have failed by itself
					require.NotZero(t, exitOf(t, err).Code)
				default:
					require.Equal(t, ExitError{Code: 137, Signal: syscall.SIGKILL}, exitOf(t, err))
				}
				require.NoError(t, e.Close())
			}
			t.Logf("%d programs killed in up to %v, %d after the start", rounds, window, acknowledged)
			s.report(t)
		})
	}
}

// A program is killed while it holds its container frozen: with cgroups of version 1
// a frozen process does not die, so the supervisor thaws it.
func TestProgramKilledWhileItsContainerIsFrozen(t *testing.T) {
	t.Parallel()
	s := newShelf(t, Config{}, "sh", "-c", "sleep 1000 & sleep 1000")
	for i := range testenv.Scale(t, 200) {
		h := startHost(t, "freeze", s.dir, []string{"log", "pumped"}[i%2])
		pids := h.pids(t)
		if i%2 == 0 && s.freezer1() {
			require.NoError(t, pids[0].PidfdSignal(int(syscall.SIGKILL)))
			time.Sleep(20 * time.Millisecond)
			require.False(t, processEnded(pids[0]), "the control: killed, and still there")
		}
		h.kill(t)
		assert.Less(t, ended(t, pids...), time.Second)
		e, c := s.container(t)
		require.Equal(t, ExitError{Code: 137, Signal: syscall.SIGKILL}, exitOf(t, c.Wait(t.Context())))
		s.quiet(t)
		require.NoError(t, e.Close())
	}
}

// freezer1 says whether the container is frozen by version 1.
func (s *shelf) freezer1() bool {
	groups, _ := filepath.Glob("/sys/fs/cgroup/*/coracle/" + s.store + "/" + s.id + "/freezer.state")
	return len(groups) > 0
}

// At every call of the start that changes anything: strace kills the program as it
// makes its n-th.
func TestProgramKilledAtEveryCall(t *testing.T) {
	t.Parallel()
	strace, err := exec.LookPath("strace")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("%v: run make deps", err)
		}
		t.Skipf("%v: run make deps", err)
	}
	const calls = "openat,openat2,mkdirat,unlinkat,renameat,renameat2,write,pwrite64,flock,socket,socketpair,bind,listen,connect,sendmsg,recvmsg,pipe2,ftruncate,memfd_create,clone,clone3,mount,fcntl,ioctl,dup3,close"
	s := newShelf(t, Config{}, "true")
	step := 1
	if full := 40; testenv.Scale(t, full) < full {
		step = 7
	}
	killed, n := 0, 1+rand.N(step)
	for ; ; n += step {
		cmd := hostCommand(t, "start", s.dir, "pumped")
		cmd.Args = append([]string{strace, "-f", "-qq", "-o", "/dev/null", "-e", "trace=" + calls, "-e",
			"inject=" + calls + ":signal=SIGKILL:when=" + strconv.Itoa(n)}, cmd.Args...)
		cmd.Path = strace
		err := cmd.Run()
		e, c := s.container(t)
		end := c.Wait(t.Context())
		s.quiet(t)
		if err == nil {
			require.NoError(t, end)
			require.NoError(t, e.Close())
			break
		}
		killed++
		require.NoError(t, c.Run(t.Context(), IO{Stdout: io.Discard}), "after call %d", n)
		s.quiet(t)
		require.NoError(t, e.Close())
		require.Less(t, n, 3000)
	}
	t.Logf("%d programs killed, at every %d. of %d calls", killed, step, n)
	s.report(t)
}

// A program that is killed right after it started a detached container: exit code
// and log are there.
func TestDetachedSurvivesItsProgram(t *testing.T) {
	t.Parallel()
	for _, kind := range []struct {
		name, want string
		cfg        Config
	}{
		{"pipes", "out\nerr\n", Config{Detach: true}},
		{"terminal", "out\r\nerr\r\n", Config{Detach: true, Cmd: Cmd{Terminal: true}}},
	} {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			s := newShelf(t, kind.cfg, "sh", "-c", "sleep 0.0$(($$ % 3)); echo out; echo err >&2; exit 42")
			for range testenv.Scale(t, 1000)/2 + 1 {
				begin := time.Now()
				h := startHost(t, "start", s.dir, "log")
				require.Equal(t, "open", h.line(t))
				require.NotEmpty(t, h.line(t))
				h.kill(t)
				e, c := s.container(t)
				require.Equal(t, ExitError{Code: 42}, exitOf(t, c.Wait(t.Context())))
				require.Equal(t, kind.want, logSince(t, c, begin))
				s.quiet(t)
				require.NoError(t, e.Close())
			}
			s.report(t)
		})
	}
}

func logSince(t testing.TB, c *Container, begin time.Time) string {
	var out, errs strings.Builder
	for r, err := range c.Logs(t.Context(), LogOptions{Since: begin}) {
		require.NoError(t, err)
		if r.Stderr {
			errs.Write(r.Data)
		} else {
			out.Write(r.Data)
		}
	}
	return out.String() + errs.String()
}

// The supervisor is killed: its container goes too, and its end is lost.
func TestKilledSupervisor(t *testing.T) {
	t.Parallel()
	for _, kind := range []struct {
		name string
		io   IO
		cfg  Config
	}{
		{"log", IO{}, Config{}},
		{"pumped", IO{Stdout: io.Discard, Stderr: io.Discard}, Config{}},
		{"terminal", IO{Stdout: io.Discard}, Config{Cmd: Cmd{Terminal: true}}},
		{"detached", IO{}, Config{Detach: true}},
	} {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			s := newShelf(t, kind.cfg, "sh", "-c", "(setsid sleep 1000 &); sleep 1000; sleep 1000")
			e, c := s.container(t)
			for range testenv.Scale(t, 200) {
				require.NoError(t, c.Start(t.Context(), kind.io))
				p := c.run().process
				pid, err := p.Open()
				require.NoError(t, err)
				require.NoError(t, syscall.Kill(p.SupervisorPID, syscall.SIGKILL))
				assert.Less(t, ended(t, pid), time.Second)
				require.NoError(t, pid.Close())
				require.Equal(t, ExitError{Code: 137, Lost: true}, exitOf(t, c.Wait(t.Context())))
				require.NoError(t, c.settled(t.Context()))
				status, err := c.Status(t.Context())
				require.NoError(t, err)
				require.Equal(t, Exited, status.State)
				require.True(t, status.Lost)
				s.quiet(t)
			}
			require.NoError(t, e.Close())
		})
	}
}

// The supervisor of an executed process is killed: the process goes too, the
// container does not.
func TestKilledSupervisorOfExec(t *testing.T) {
	t.Parallel()
	s := newShelf(t, Config{}, "sleep", "1000")
	e, c := s.container(t)
	require.NoError(t, c.Start(t.Context(), IO{}))
	for range testenv.Scale(t, 200) {
		x, err := c.Exec(t.Context(), Cmd{Args: []string{"sleep", "1000"}}, IO{Stdout: io.Discard})
		require.NoError(t, err)
		require.NoError(t, syscall.Kill(x.process.SupervisorPID, syscall.SIGKILL))
		require.Equal(t, ExitError{Code: 137, Lost: true}, exitOf(t, x.Wait(t.Context())))
		s.onlyFirst(t, c)
	}
	require.NoError(t, c.Remove(t.Context(), true))
	require.NoError(t, e.Close())
}

// Program and supervisor are killed together: the next Open kills what is left of
// the container, and it can be started again.
func TestKilledProgramAndSupervisor(t *testing.T) {
	t.Parallel()
	for _, cfg := range []Config{{}, {Detach: true}} {
		t.Run(fmt.Sprintf("detach %t", cfg.Detach), func(t *testing.T) {
			t.Parallel()
			s := newShelf(t, cfg, "sh", "-c", "(setsid sleep 1000 &); sleep 1000; sleep 1000")
			for i := range testenv.Scale(t, 400) {
				h := startHost(t, "start", s.dir, []string{"log", "pumped"}[i%2])
				require.Equal(t, "open", h.line(t))
				pids := h.pids(t)
				supervisor := pids[1]
				// Each of the two would kill the container if it saw the other's end.
				require.NoError(t, h.Process.Signal(syscall.SIGSTOP))
				var status syscall.WaitStatus
				_, err := syscall.Wait4(h.Process.Pid, &status, syscall.WUNTRACED, nil)
				require.NoError(t, err)
				require.True(t, status.Stopped())
				require.NoError(t, supervisor.PidfdSignal(int(syscall.SIGKILL)))
				ended(t, supervisor)
				h.kill(t)
				require.False(t, processEnded(pids[0]), "the control: nobody has killed it yet")

				e, c := s.container(t)
				assert.Less(t, ended(t, pids[0]), time.Second) // it has left its cgroup, and is on its way
				require.Equal(t, ExitError{Code: 137, Lost: true}, exitOf(t, c.Wait(t.Context())))
				last, err := c.Status(t.Context())
				require.NoError(t, err)
				require.True(t, last.Lost)
				s.quiet(t)
				require.NoError(t, e.Close())
			}
			s.report(t)
		})
	}
}

// Supervisors are killed at any moment of a start: it fails, or it ran and was lost.
// The next one works.
func TestSupervisorKilledWhileStarting(t *testing.T) {
	t.Parallel()
	s := newShelf(t, Config{}, "true")
	e, c := s.container(t)
	failed := 0
	rounds := testenv.Scale(t, 1000)
	for i := range rounds {
		ctx, cancel := context.WithCancel(t.Context())
		hunted := make(chan struct{})
		go func() {
			defer close(hunted)
			hunt(ctx, s.store, rand.N(3*time.Millisecond))
		}()
		err := c.Run(t.Context(), IO{Stdout: io.Discard})
		cancel()
		<-hunted
		if err != nil {
			failed++
		}
		var exit *ExitError
		if errors.As(err, &exit) {
			require.True(t, exit.Lost || exit.Code == 0, "round %d: %v", i, err)
		}
		require.NoError(t, c.settled(t.Context()))
		s.quiet(t)
	}
	require.NoError(t, c.Run(t.Context(), IO{}))
	t.Logf("%d starts, %d of them hit", rounds, failed)
	require.NoError(t, e.Close())
}

// hunt kills the next supervisor of a store that appears, some time after that.
func hunt(ctx context.Context, store string, after time.Duration) {
	mark := []byte("coracle\x00" + store)
	for ctx.Err() == nil {
		children, _ := filepath.Glob("/proc/self/task/*/children")
		for _, file := range children {
			pids, _ := os.ReadFile(file)
			for _, pid := range strings.Fields(string(pids)) {
				line, _ := os.ReadFile("/proc/" + pid + "/cmdline")
				if !bytes.HasPrefix(line, mark) {
					continue
				}
				n, _ := strconv.Atoi(pid)
				fd, err := sys.PidfdOpen(n, 0)
				if err != nil {
					continue
				}
				time.Sleep(after)
				fd.PidfdSignal(int(syscall.SIGKILL))
				fd.Close()
				return
			}
		}
	}
}
