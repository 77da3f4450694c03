//go:build linux && (amd64 || arm64)

package launch

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coraclehq/coracle/internal/script"
	"github.com/coraclehq/coracle/internal/sys"
	"github.com/coraclehq/coracle/internal/testenv"
)

// hostVar makes the test program a host program: "way hazard", as below.
const hostVar = "CORACLE_TEST_HOST"

func TestMain(m *testing.M) {
	if way, hazard, ok := strings.Cut(os.Getenv(hostVar), " "); ok {
		hostProgram(way, hazard)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// hazards are what goes wrong where the process that sets a container up shares the
// memory of the program that started it. Each is tried both ways: "naive", in the
// memory-sharing child itself, and "helper", in the program of its own.
var hazards = map[string]hazard{
	// The host can no longer be traced or dumped, and /proc/self of it belongs to root:
	// the attribute is one of the memory. PR_SET_DUMPABLE(2const).
	"dumpable": {
		program: func(b *script.Builder, _ *sys.FD) {
			b.Op(script.Prctl, script.Num(sys.PR_SET_DUMPABLE), script.Num(0), script.Num(0), script.Num(0), script.Num(0))
			exit(b, 0)
		},
		naive: "0", helper: "1",
	},
	// Whoever sees the process in a container sees the host's memory map.
	"maps": {
		program: func(b *script.Builder, status *sys.FD) {
			b.Op(script.Write, script.Num(status.Int()), script.Str("r"), script.Num(1))
			sleep(b)
		},
		naive: "maps of the host", helper: "maps of its own",
	},
	// An image's "#!/proc/self/exe" runs the host's binary, and can then open it for
	// writing: CVE-2019-5736.
	"exe": {
		program: func(b *script.Builder, status *sys.FD) {
			b.Op(script.Fcntl, script.Num(status.Int()), script.Num(syscall.F_SETFD), script.Num(syscall.FD_CLOEXEC)).Doing("run a second time")
			entry := script.Str(os.Args[1])
			b.Op(script.Execve, entry, script.Strings{"entry"}, script.Strings{hostVar + "=evil exe"})
		},
		naive: "the host's binary runs", helper: "ended",
	},
	// The kernel kills whoever has the most memory in the container's cgroup, and
	// everybody who shares it: the host.
	"oom": {
		program: func(b *script.Builder, _ *sys.FD) {
			fd := b.Cell("tasks", 0)
			b.Op(script.Openat, script.CWD, script.Str(os.Args[1]), script.Num(sys.O_WRONLY)).Into(fd)
			b.Op(script.Write, script.Load{From: fd}, script.Str("0"), script.Num(1))
			sleep(b)
		},
		naive: "killed", helper: "alive",
	},
}

type hazard struct {
	program       func(b *script.Builder, status *sys.FD)
	naive, helper string // what the host says
}

func sleep(b *script.Builder) {
	b.Op(script.Nanosleep, b.Words("a minute", script.Num(60), script.Num(0)), script.Num(0))
	exit(b, 0)
}

// fatal ends a host program that fails.
type fatal struct{}

func (fatal) Errorf(format string, args ...any) { fmt.Fprintf(os.Stderr, format, args...) }
func (fatal) FailNow()                          { os.Exit(1) }

// hostProgram runs the program of a hazard and says what it sees of itself.
func hostProgram(way, kind string) {
	var t fatal
	if way == "evil" {
		fmt.Println("the host's binary runs")
		return
	}
	ours, theirs, err := sys.SocketPair(sys.SOCK_SEQPACKET)
	require.NoError(t, err)
	b := script.New(host(), script.Base)
	var l Launcher
	var pid int
	var pidfd *sys.FD
	if way == "helper" {
		b.Status(script.Num(theirs.Int()))
		hazards[kind].program(b, theirs)
		p, err := b.Link()
		require.NoError(t, err)
		h, err := l.Start(Options{Program: p, Status: theirs, Name: "test"})
		require.NoError(t, err)
		pid, pidfd = h.PID, h.PIDFD
	} else {
		pid, pidfd = naive(t, &l, theirs, hazards[kind].program)
	}
	require.NoError(t, theirs.Close())
	observe(t, kind, pid, pidfd, ours)
}

// naive runs a program in the child that shares this one's memory.
func naive(t require.TestingT, l *Launcher, status *sys.FD, write func(*script.Builder, *sys.FD)) (int, *sys.FD) {
	a, err := l.take()
	require.NoError(t, err)
	b := script.New(host(), uint64(a.address()))
	b.Status(script.Num(status.Int()))
	write(b, status)
	p, err := b.Link()
	require.NoError(t, err)
	copy(a.mem, p.Image())
	pid, err := l.clone(a, nil)
	require.NoError(t, err)
	return pid, sys.NewFD(int(*a.pidfd()), "child")
}

func observe(t require.TestingT, kind string, pid int, pidfd, status *sys.FD) {
	exited := func() {
		_, err := pidfd.PidfdWait(sys.WEXITED)
		require.NoError(t, err)
	}
	switch kind {
	case "dumpable":
		exited()
		n, err := sys.Dumpable()
		require.NoError(t, err)
		fmt.Println(n)
	case "maps":
		_, err := status.Read(make([]byte, 1)) // until it runs
		require.NoError(t, err)
		fmt.Println(mapsOf(t, pid))
		require.NoError(t, pidfd.PidfdSignal(int(syscall.SIGKILL)))
		exited()
	case "exe":
		exited()
		fmt.Println("ended")
	case "oom":
		ballast := make([]byte, 64<<20)
		for i := 0; i < len(ballast); i += os.Getpagesize() {
			ballast[i] = 1
		}
		awaitIn(t, filepath.Dir(os.Args[1]), pid)
		out, err := exec.Command("sh", "-c", "echo 0 >$0; exec tail /dev/zero", os.Args[1]).CombinedOutput()
		require.Error(t, err, "%s", out)
		fmt.Println("alive", ballast[0] == 1)
		pidfd.PidfdSignal(int(syscall.SIGKILL))
		exited()
	}
}

// mapsOf says whose program is mapped in a process.
func mapsOf(t require.TestingT, pid int) string {
	self, err := os.Executable()
	require.NoError(t, err)
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	require.NoError(t, err)
	if strings.Contains(string(maps), self) {
		return "maps of the host"
	}
	return "maps of its own"
}

// awaitIn waits until a process is in a cgroup.
func awaitIn(t require.TestingT, dir string, pid int) {
	for range 5000 {
		pids, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
		require.NoError(t, err)
		if strings.Contains("\n"+string(pids), fmt.Sprintf("\n%d\n", pid)) {
			return
		}
		time.Sleep(time.Millisecond)
	}
	require.Fail(t, "it did not join")
}

func TestHazards(t *testing.T) {
	t.Parallel()
	testenv.Root(t)
	entry := filepath.Join(t.TempDir(), "entry")
	require.NoError(t, os.WriteFile(entry, []byte("#!/proc/self/exe\n"), 0o700))
	for kind, h := range hazards {
		for way, want := range map[string]string{"naive": h.naive, "helper": h.helper} {
			t.Run(kind+" "+way, func(t *testing.T) {
				t.Parallel()
				arg := entry
				if kind == "oom" {
					arg = smallGroup(t)
				}
				assert.Contains(t, runHost(t, way+" "+kind, arg), want)
			})
		}
	}
}

// runHost returns what a host program said, or that it was killed.
func runHost(t *testing.T, env, arg string) string {
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(self, arg)
	cmd.Env = append(os.Environ(), hostVar+"="+env)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	said, err := bufio.NewReader(out).ReadString('\n')
	if cmd.Wait(); err != nil {
		status := cmd.ProcessState.Sys().(syscall.WaitStatus)
		require.Equal(t, syscall.SIGKILL, status.Signal(), "%v", status)
		return "killed"
	}
	return said
}

// smallGroup makes a cgroup of 8 MiB and returns the file to join it by.
func smallGroup(t *testing.T) string {
	name := testenv.CgroupName(t)
	// On v2 a controller is given to the groups below. That is what every host with
	// systemd has done, and stays.
	_ = os.WriteFile("/sys/fs/cgroup/cgroup.subtree_control", []byte("+memory"), 0)
	for _, g := range []struct{ dir, limit, join string }{
		{"/sys/fs/cgroup/memory", "memory.limit_in_bytes", "tasks"},
		{"/sys/fs/cgroup", "memory.max", "cgroup.procs"},
	} {
		dir := filepath.Join(g.dir, name)
		if err := os.Mkdir(dir, 0o755); errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.EROFS) || errors.Is(err, fs.ErrPermission) {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, g.limit), []byte("8388608"), 0); err == nil {
			os.WriteFile(filepath.Join(dir, "memory.swap.max"), []byte("0"), 0)
			return filepath.Join(dir, g.join)
		}
	}
	t.Skip("needs the memory controller")
	return ""
}
