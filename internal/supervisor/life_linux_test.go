package supervisor

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coraclehq/coracle/internal/sys"
	"github.com/coraclehq/coracle/internal/testenv"
)

// hostVar makes the test program a host program of its own: what it does, and where.
const hostVar = "CORACLE_TEST_HOST"

func TestMain(m *testing.M) {
	if kind, path, ok := strings.Cut(os.Getenv(hostVar), " "); ok {
		hostProgram(kind, path)
		return
	}
	os.Exit(m.Run())
}

// exiter ends a host program that fails.
type exiter struct{}

func (exiter) Errorf(format string, args ...any) { fmt.Fprintf(os.Stderr, format, args...) }
func (exiter) FailNow()                          { os.Exit(1) }

// hostProgram starts one process, says its pid and its supervisor's, and waits for
// the end.
func hostProgram(kind, path string) {
	b := boxIn(exiter{}, path).logged().locked()
	text := os.Getenv("SCRIPT")
	switch kind {
	case "detached":
		b.Attached = false
	case "collector": // waits for any child, all the time
		go func() {
			for {
				var status syscall.WaitStatus
				syscall.Wait4(-1, &status, 0, nil)
			}
		}()
	case "ignorant":
		signal.Ignore(syscall.SIGCHLD)
	}
	b.start(text)
	fmt.Println(b.pid, b.helper.PID)
	e := b.wait()
	fmt.Println("exit", e.Code)
}

// host is such a program, running.
type host struct {
	*exec.Cmd
	out        *bufio.Reader
	process    *sys.FD
	supervisor *sys.FD
}

func startHost(t *testing.T, kind, path, text string) *host {
	t.Helper()
	testenv.Root(t)
	require.NoError(t, syscall.Mkfifo(filepath.Join(path, "go"), 0o600))
	h := launchHost(t, kind, path, text)
	line, err := h.out.ReadString('\n')
	require.NoError(t, err)
	h.adopt(t, line)
	return h
}

// goOn lets a text go on that waits to read a line from $BOX/go.
func goOn(t *testing.T, path string) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(path, "go"), []byte("\n"), 0o600))
}

func launchHost(t *testing.T, kind, path, text string) *host {
	self, err := os.Executable()
	require.NoError(t, err)
	h := &host{Cmd: exec.Command(self)}
	h.Env = append(os.Environ(), hostVar+"="+kind+" "+path, "SCRIPT="+text)
	h.Stderr = os.Stderr
	out, err := h.StdoutPipe()
	require.NoError(t, err)
	h.out = bufio.NewReader(out)
	require.NoError(t, h.Start())
	t.Cleanup(func() {
		h.Process.Kill()
		h.Wait()
		for _, fd := range []*sys.FD{h.process, h.supervisor} {
			if fd != nil {
				fd.PidfdSignal(sigkill)
				fd.Close()
			}
		}
	})
	return h
}

// adopt opens the processes of which the host told the numbers.
func (h *host) adopt(t *testing.T, line string) {
	t.Helper()
	var pid, supervisor int
	_, err := fmt.Sscan(line, &pid, &supervisor)
	require.NoError(t, err, line)
	// They cannot have ended: their texts see to that.
	h.process, err = sys.PidfdOpen(pid, 0)
	require.NoError(t, err)
	h.supervisor, err = sys.PidfdOpen(supervisor, 0)
	require.NoError(t, err)
}

func (h *host) kill(t *testing.T) {
	t.Helper()
	require.NoError(t, h.Process.Kill())
	h.Wait()
}

// Killed at any moment, the host takes an attached process along, within a second.
func TestAttachedDiesWithItsHost(t *testing.T) {
	t.Parallel()
	for i := range testenv.Scale(t, 400) {
		text := []string{"sleep 60", "sleep 60 & sleep 60 & exec sleep 60", "yes & yes >&2; sleep 60", "trap '' TERM HUP INT; sleep 60; sleep 60"}[i%4]
		path := t.TempDir()
		h := startHost(t, "attached", path, text)
		time.Sleep(rand.N(3 * time.Millisecond)) // the place in the text is what varies
		h.kill(t)
		killed := time.Now()
		require.True(t, ready(h.process, patience), "%s: the process lives on", text)
		require.Less(t, time.Since(killed), time.Second)
		require.True(t, ready(h.supervisor, patience), "%s: the supervisor lives on", text)
		e := exitIn(t, path)
		assert.Equal(t, syscall.SIGKILL, e.Signal)
	}
}

// Also while it is being started: nothing is left that carries its mark.
func TestHostKilledWhileStarting(t *testing.T) {
	t.Parallel()
	testenv.Root(t)
	for range testenv.Scale(t, 100) {
		path := t.TempDir()
		h := launchHost(t, "attached", path, "sleep 60")
		time.Sleep(rand.N(15 * time.Millisecond)) // any moment of the start
		h.kill(t)
		eventually(t, "something lives on", func() bool { return len(marked(path)) == 0 })
	}
}

// marked are the processes that have path in their environment, hosts aside, and the
// supervisors that have it open.
func marked(path string) (pids []string) {
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		environ, _ := os.ReadFile(dir + "/environ")
		if strings.Contains(string(environ), "BOX="+path) {
			pids = append(pids, filepath.Base(dir))
			continue
		}
		line, _ := os.ReadFile(dir + "/cmdline")
		if !strings.HasPrefix(string(line), "coracle\x00test") {
			continue
		}
		open, _ := filepath.Glob(dir + "/fd/*")
		for _, fd := range open {
			if to, _ := os.Readlink(fd); strings.HasPrefix(to, path) {
				pids = append(pids, filepath.Base(dir))
				break
			}
		}
	}
	return pids
}

func exitIn(t *testing.T, path string) Exit {
	t.Helper()
	record, err := os.ReadFile(filepath.Join(path, "exit"))
	require.NoError(t, err)
	e, err := ParseExit(record)
	require.NoError(t, err)
	return e
}

// A detached process, its log and its exit record do not need the host.
func TestDetachedOutlivesItsHost(t *testing.T) {
	t.Parallel()
	for range testenv.Scale(t, 200) {
		path := t.TempDir()
		h := startHost(t, "detached", path, "read x <$BOX/go; seq 1 500; sleep 0.01; seq 1 9000 >&2; seq 501 1000; exit 42")
		goOn(t, path)
		time.Sleep(rand.N(10 * time.Millisecond)) // at any moment
		h.kill(t)
		require.True(t, ready(h.supervisor, patience))
		assert.Equal(t, 42, exitIn(t, path).Code)
		b := boxIn(t, path)
		out, errs := b.output()
		sameText(t, lines(1, 1000), out)
		sameText(t, lines(1, 9000), errs)
		require.False(t, b.runs())
		require.NoError(t, b.dir.Close())
	}
}

// A host that waits for any child takes the supervisor's exit status, one that
// ignores SIGCHLD has it thrown away: neither is where the process's comes from.
func TestHostsThatTakeTheStatus(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"collector", "ignorant"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			for range testenv.Scale(t, 200) {
				path := t.TempDir()
				h := startHost(t, kind, path, "read x <$BOX/go; exit 42")
				goOn(t, path)
				rest, err := io.ReadAll(h.out)
				require.NoError(t, err)
				require.Equal(t, "exit 42\n", string(rest))
				require.Equal(t, 42, exitIn(t, path).Code)
			}
		})
	}
}

// A log on a file system that hangs does not hold up the kill. Freezing an ext4 is
// the hanging that can be had: a write sleeps, uninterruptible, until the thaw.
func TestHostKilledWhileTheLogHangs(t *testing.T) {
	path := frozenFS(t)
	h := startHost(t, "attached", path, "while :; do echo x; sleep 0.001; done")
	dir, err := os.Open(path)
	require.NoError(t, err)
	defer dir.Close()
	freeze(t, dir, true)
	thaw := sync.OnceFunc(func() { freeze(t, dir, false) })
	defer thaw()
	eventually(t, "the supervisor does not hang", func() bool { return state(t, h.supervisor) == "D" })
	h.kill(t)
	killed := time.Now()
	require.True(t, ready(h.process, patience), "the process lives on")
	assert.Less(t, time.Since(killed), time.Second)
	assert.False(t, ready(h.supervisor, 0), "the supervisor did not hang, and this test shows nothing")
	thaw()
	require.True(t, ready(h.supervisor, patience))
	assert.Equal(t, syscall.SIGKILL, exitIn(t, path).Signal)
}

// frozenFS mounts an ext4 of its own.
func frozenFS(t *testing.T) string {
	testenv.Root(t)
	if _, err := exec.LookPath("mkfs.ext4"); err != nil {
		t.Skip("needs mkfs.ext4")
	}
	image, path := filepath.Join(t.TempDir(), "image"), t.TempDir()
	require.NoError(t, os.WriteFile(image, nil, 0o600))
	require.NoError(t, os.Truncate(image, 32<<20))
	out, err := exec.Command("mkfs.ext4", "-q", image).CombinedOutput()
	require.NoError(t, err, string(out))
	out, err = exec.Command("mount", "-o", "loop", image, path).CombinedOutput()
	if err != nil {
		t.Skipf("needs a loop device: %s", out)
	}
	t.Cleanup(func() {
		out, err := exec.Command("umount", path).CombinedOutput()
		assert.NoError(t, err, string(out))
	})
	return path
}

func freeze(t *testing.T, dir *os.File, on bool) {
	const fifreeze, fithaw = 0xc0045877, 0xc0045878
	request := uintptr(fithaw)
	if on {
		request = fifreeze
	}
	_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, dir.Fd(), request, 0)
	assert.Zero(t, errno)
}

// state is the letter that ps shows.
func state(t *testing.T, pidfd *sys.FD) string {
	info, err := os.ReadFile("/proc/self/fdinfo/" + strconv.Itoa(pidfd.Int()))
	require.NoError(t, err)
	_, after, _ := strings.Cut(string(info), "Pid:")
	pid := strings.Fields(after)[0]
	stat, err := os.ReadFile("/proc/" + pid + "/stat")
	require.NoError(t, err)
	_, after, _ = strings.Cut(string(stat), ") ")
	return after[:1]
}

// The supervisor may be stopped and continued.
func TestStoppedSupervisor(t *testing.T) {
	t.Parallel()
	for range testenv.Scale(t, 60) {
		b := newBox(t).start("seq 1 20000; seq 1 9000 >&2; sleep 0.02; exit 3")
		done := make(chan struct{})
		go func() {
			defer close(done)
			for !ready(b.pidfd, 0) {
				b.helper.PIDFD.PidfdSignal(int(syscall.SIGSTOP))
				time.Sleep(200 * time.Microsecond)
				b.helper.PIDFD.PidfdSignal(int(syscall.SIGCONT))
				time.Sleep(200 * time.Microsecond)
			}
		}()
		e := b.wait()
		<-done
		assert.Equal(t, 3, e.Code)
		out, errs := b.output()
		sameText(t, lines(1, 20000), out)
		sameText(t, lines(1, 9000), errs)
	}
}

// A killed supervisor leaves no record and no lock; the host socket comes to its end.
func TestKilledSupervisor(t *testing.T) {
	t.Parallel()
	b := newBox(t).locked().start("echo x; sleep 60")
	require.True(t, b.runs())
	require.NoError(t, b.helper.PIDFD.PidfdSignal(sigkill))
	assert.Empty(t, b.record())
	assert.False(t, b.runs())
	assert.NoFileExists(t, filepath.Join(b.path, "exit"))
}

// What the process has of the supervisor: nothing.
func TestProcessHasNothingOfTheSupervisor(t *testing.T) {
	t.Parallel()
	b := newBox(t).locked().listening().start("exec sleep 60")
	eventually(t, "it has more than its three streams", func() bool { // the loader opens libraries
		fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", b.pid))
		return err == nil && len(fds) == 3
	})
}

// The supervisor is small, also when it has moved something.
func TestMemory(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{"quiet": "sleep 60", "after a flood": "seq 1 200000; echo end >&2; sleep 60"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBox(t)
			b.LogLimit, b.LogFiles = 256<<10, 1
			b.start(text)
			if name != "quiet" {
				eventually(t, "no end", func() bool { // not by records: one is being written
					text, err := os.ReadFile(filepath.Join(b.path, "log"))
					return err == nil && strings.HasSuffix(string(text), "end\n")
				})
			}
			status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", b.helper.PID))
			require.NoError(t, err)
			_, after, _ := strings.Cut(string(status), "VmRSS:")
			kib, err := strconv.Atoi(strings.Fields(after)[0])
			require.NoError(t, err)
			assert.Less(t, kib, 100)
			t.Logf("%d KiB", kib)
		})
	}
}
