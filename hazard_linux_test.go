package coracle

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coraclehq/coracle/internal/sys"
	"github.com/coraclehq/coracle/internal/testenv"
)

// look prints what a process may have inherited.
const look = `
echo descriptors $(ls /proc/self/fd)
grep -E '^(SigPnd|ShdPnd|SigBlk|SigIgn|Umask|Groups|NoNewPrivs)' /proc/self/status
for p in /dev /dev/null /dev/tty /dev/shm /dev/pts /dev/mqueue /etc/hosts /etc/hostname /etc/resolv.conf /made /made/dir; do stat -c '%a %u %g %n' $p 2>&1; done
env | sort | grep -v '^HOSTNAME\|^_='
pwd
cat /proc/self/oom_score_adj
nice
exit 7`

// seen is what a host program saw.
type seen struct {
	Inside, Exec  string // what look printed as the first process, and executed
	Codes         map[int]int
	Dumpable      int    // of the host program afterwards
	Naive         string // what look printed in a child of os/exec
	NaiveLost     int    // children of os/exec whose exit code was lost
	NaiveDumpable int    // of the host program, after a child of os/exec that changed its user
}

// hazardProgram does to itself what its third argument says, runs the container and
// a process in it a number of times, and writes what it saw to its second argument.
func hazardProgram(p *program) {
	if p.args[2] == "few descriptors" {
		fewDescriptors(p)
		return
	}
	report, err := os.Create(p.args[1])
	require.NoError(p, err)
	hosts[p.args[2]].change(p)
	e, c := p.container()
	s := seen{Codes: map[int]int{}}
	for range 10 {
		var out bytes.Buffer
		s.Codes[codeOf(p, c.Run(context.Background(), IO{Stdout: &out, Stderr: &out}))]++
		s.Inside = out.String()
		s.Exec = p.execIn(e, &s)
	}
	s.Dumpable, err = sys.Dumpable()
	require.NoError(p, err)
	s.naive(p)
	require.NoError(p, e.Close())
	require.NoError(p, json.NewEncoder(report).Encode(s))
	require.NoError(p, report.Close())
}

// execIn executes look in the container "other", which waits.
func (p *program) execIn(e *Engine, s *seen) string {
	ctx := context.Background()
	c, err := e.Container(ctx, "other")
	require.NoError(p, err)
	if c.run() == nil {
		require.NoError(p, c.Start(ctx, IO{}))
	}
	var out bytes.Buffer
	x, err := c.Exec(ctx, Cmd{Args: []string{"sh", "-c", look}, Dir: "/made/dir"}, IO{Stdout: &out, Stderr: &out})
	require.NoError(p, err)
	s.Codes[codeOf(p, x.Wait(ctx))]++
	return out.String()
}

func codeOf(t require.TestingT, err error) int {
	if err == nil {
		return 0
	}
	var exit *ExitError
	require.ErrorAs(t, err, &exit)
	return exit.Code
}

// naive does the same with os/exec.
func (s *seen) naive(p *program) {
	for range 30 {
		var out bytes.Buffer
		cmd := exec.Command("sh", "-c", look)
		cmd.Stdout = &out
		if err := cmd.Run(); cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != 7 {
			require.Error(p, err)
			s.NaiveLost++
		}
		s.Naive = out.String()
	}
	cmd := exec.Command("true")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	cmd.Run()
	s.NaiveDumpable, _ = sys.Dumpable()
}

// hosts are programs that are in no state in which children should be started, and
// what a child of os/exec would have of it.
var hosts = map[string]struct {
	change   func(*program)
	leaks    string // is in what a child of os/exec prints, and not in what one of an ordinary program does
	statuses bool   // loses exit codes of os/exec
}{
	"an ordinary program": {change: func(*program) {}},
	"ignores signals": {
		change: func(*program) {
			for n := 1; n < 65; n++ {
				if n != int(syscall.SIGPROF) && n != int(syscall.SIGURG) { // the runtime's
					signal.Ignore(syscall.Signal(n))
				}
			}
		},
		leaks: "SigIgn:\tffff", statuses: true, // of a SIGCHLD that is ignored there is nothing to wait for
	},
	"blocks signals": {
		change: func(*program) {
			all := ^uint64(0)
			_, _, e := syscall.RawSyscall6(syscall.SYS_RT_SIGPROCMASK, 2, uintptr(unsafe.Pointer(&all)), 0, 8, 0, 0)
			runtime.KeepAlive(&all)
			if e != 0 {
				panic(e)
			}
		},
	},
	"waits for any child": {
		change: func(*program) {
			go func() {
				for {
					if _, err := syscall.Wait4(-1, nil, 0, nil); err != nil {
						time.Sleep(50 * time.Microsecond)
					}
				}
			}()
		},
		statuses: true,
	},
	"has closed its standard streams": {change: func(p *program) {
		for fd := range 3 {
			require.NoError(p, syscall.Close(fd))
		}
	}},
	"has closed one of them": {change: func(p *program) { require.NoError(p, syscall.Close(1)) }},
	"leaks descriptors": {
		change: func(p *program) {
			for n := range 100 {
				fd, err := syscall.Open("/", syscall.O_RDONLY|syscall.O_DIRECTORY, 0)
				require.NoError(p, err)
				require.NoError(p, syscall.Dup3(fd, 200+n*n%777, 0))
			}
		},
		leaks: " 200 ",
	},
	"umask 077": {
		change: func(*program) { syscall.Umask(0o077) },
		leaks:  "Umask:\t0077",
	},
	"umask 777": {
		change: func(*program) { syscall.Umask(0o777) },
		leaks:  "Umask:\t0777",
	},
	"groups": {
		change: func(p *program) { require.NoError(p, syscall.Setgroups([]int{0, 4, 27, 999})) },
		leaks:  "Groups:\t0 4 27 999",
	},
	"environment": {
		change: func(p *program) {
			require.NoError(p, os.Setenv("SECRET", "of the host"))
			require.NoError(p, os.Chdir("/proc"))
		},
		leaks: "SECRET=of the host",
	},
	"undumpable": {change: func(p *program) { require.NoError(p, sys.Prctl(sys.PR_SET_DUMPABLE, 0, 0, 0, 0)) }},
}

// Whatever state a program is in, its containers have nothing of it, their exit codes
// arrive, and it stays dumpable. The control is os/exec.
func TestContainersOfStrangePrograms(t *testing.T) {
	t.Parallel()
	testenv.Root(t)
	ordinary := strange(t, "an ordinary program")
	require.Contains(t, ordinary.Inside, "descriptors 0 1 2 3\n") // 3 is that of ls
	require.Contains(t, ordinary.Inside, "SigIgn:\t0000000000000000\n")
	require.Contains(t, ordinary.Inside, "SigBlk:\t0000000000000000\n")
	require.Contains(t, ordinary.Inside, "Umask:\t0022\n")
	require.Zero(t, ordinary.NaiveLost)
	require.Equal(t, 1, ordinary.Dumpable)
	require.Zero(t, ordinary.NaiveDumpable, "the control: os/exec makes the program undumpable")
	for name, h := range hosts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := strange(t, name)
			assert.Equal(t, ordinary.Inside, s.Inside)
			assert.Equal(t, ordinary.Exec, s.Exec)
			assert.Equal(t, map[int]int{7: 20}, s.Codes)
			if h.leaks != "" {
				assert.NotContains(t, ordinary.Naive, h.leaks)
				assert.Contains(t, s.Naive, h.leaks, "the control")
			}
			if h.statuses {
				assert.NotZero(t, s.NaiveLost, "the control")
			}
			if name != "undumpable" {
				assert.Equal(t, 1, s.Dumpable)
			}
		})
	}
}

func strange(t *testing.T, kind string) (s seen) {
	shelf := newShelf(t, Config{Cmd: Cmd{Dir: "/made/dir"}}, "sh", "-c", look)
	e := shelf.open(t)
	testContainer(t, e, Config{Name: "other", Cmd: Cmd{Dir: "/made/dir"}}, "sleep", "1000")
	require.NoError(t, e.Close())
	report := filepath.Join(t.TempDir(), "seen")
	require.NoError(t, hostCommand(t, "hazard", shelf.dir, report, kind).Run())
	b, err := os.ReadFile(report)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(b, &s))
	return s
}

// With any number of descriptors from 3 to 300 a start succeeds, or fails and leaves
// nothing; so does an exec.
func TestFewDescriptors(t *testing.T) {
	t.Parallel()
	s := newShelf(t, Config{}, "sh", "-c", "exit 7")
	e := s.open(t)
	testContainer(t, e, Config{Name: "other"}, "sleep", "1000")
	require.NoError(t, e.Close())
	out, err := hostCommand(t, "hazard", s.dir, s.store, "few descriptors").Output()
	require.NoError(t, err)
	t.Logf("%s", out)
}

// fewDescriptors tries every limit. The runtime's own descriptors are there before.
func fewDescriptors(p *program) {
	ctx := context.Background()
	keeper, err := Open(p.args[0], &Options{Volatile: true})
	require.NoError(p, err)
	other, err := keeper.Container(ctx, "other")
	require.NoError(p, err)
	require.NoError(p, other.Start(ctx, IO{}))
	c, err := keeper.Container(ctx, "c")
	require.NoError(p, err)
	limit, err := sys.Prlimit(0, sys.RLIMIT_NOFILE, nil)
	require.NoError(p, err)
	before := openDescriptors(p)
	var first [3]uint64 // the first limit at which each of open, start and exec succeeds
	var failed [3]int
	for n := uint64(3); n <= 300; n++ {
		setLimit(p, sys.Rlimit{Cur: n, Max: limit.Max})
		errs := tryAll(ctx, p.args[0])
		setLimit(p, limit)
		for i, err := range errs {
			switch {
			case err != nil:
				failed[i]++
				// Descriptors that no longer fit are missing from a message.
				require.True(p, errors.Is(err, syscall.EMFILE) || errors.Is(err, sys.ErrTruncated), "limit %d: %v", n, err)
			case first[i] == 0:
				first[i] = n
			}
		}
		running, err := keeper.store.Running(c.id)
		require.NoError(p, err)
		require.False(p, running, "limit %d: half a container", n)
		require.NoError(p, other.pidAlive())
		if errs[2] != nil || n%50 == 0 {
			others := []string{"/proc/" + strconv.Itoa(other.run().process.PID), "/proc/" + strconv.Itoa(other.run().process.SupervisorPID)}
			require.Subset(p, others, (&shelf{store: p.args[1], id: c.id}).left(), "limit %d: left over", n)
		}
		require.Equal(p, before, openDescriptors(p), "limit %d: descriptors", n)
	}
	require.NotZero(p, first[2])
	require.NoError(p, keeper.Close())
	p.say("open works from %d descriptors on, start from %d, exec from %d; failed %d times", first[0], first[1], first[2], failed)
}

func (c *Container) pidAlive() error {
	if processEnded(c.run().process.PIDFD) {
		return ErrNotRunning
	}
	return nil
}

// tryAll opens the store, runs "c" and executes in "other".
func tryAll(ctx context.Context, dir string) (errs [3]error) {
	e, err := Open(dir, &Options{Volatile: true})
	if err != nil {
		return [3]error{err, err, err}
	}
	defer e.Close()
	c, err := e.Container(ctx, "c")
	if err == nil {
		err = c.Run(ctx, IO{Stdout: new(bytes.Buffer), Stderr: new(bytes.Buffer)})
	}
	var exit *ExitError
	if errors.As(err, &exit) && exit.Code == 7 {
		err = nil
	}
	errs[1] = err
	other, err := e.Container(ctx, "other")
	if err == nil {
		var x *Process
		if x, err = other.Exec(ctx, Cmd{Args: []string{"true"}}, IO{Stdout: new(bytes.Buffer)}); err == nil {
			err = x.Wait(ctx)
		}
	}
	errs[2] = err
	return errs
}

func setLimit(p *program, l sys.Rlimit) {
	_, err := sys.Prlimit(0, sys.RLIMIT_NOFILE, &l)
	require.NoError(p, err)
}

func openDescriptors(p *program) int {
	names, err := os.ReadDir("/proc/self/fd")
	require.NoError(p, err)
	return len(names)
}

// A container that runs out of memory in its set-up, or later, takes nothing of the
// host along: not this program, not its supervisor. The control, a child that shares
// the program's memory, is in the tests of package launch.
func TestOutOfMemoryStaysInside(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	ended := map[string]int{}
	for i := range testenv.Scale(t, 200) {
		limit := []int64{64 << 10, 256 << 10, 512 << 10, 1 << 20, 4 << 20, 16 << 20}[i%6]
		c := testContainer(t, e, Config{Limits: Limits{Memory: limit}}, "sh", "-c", "tail /dev/zero; exit $?")
		err := c.Run(t.Context(), IO{Stdout: new(bytes.Buffer)})
		var exit *ExitError
		if errors.As(err, &exit) {
			assert.True(t, exit.OOMKilled, "%d bytes: %+v", limit, exit)
			assert.False(t, exit.Lost)
			ended["in its run"]++
		} else {
			require.Error(t, err)
			ended["in its set-up"]++
		}
		require.NoError(t, c.Remove(t.Context(), false))
	}
	t.Logf("ended %v", ended)
	text, err := os.ReadFile("/proc/self/oom_score_adj")
	require.NoError(t, err)
	assert.NotEqual(t, "200", strings.TrimSpace(string(text)), "the container's score is the host's")
}
