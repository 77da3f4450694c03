package sys_test

import (
	"os"
	"os/exec"
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

// start starts a process and returns its pidfd. The test waits for it.
func start(t *testing.T, args ...string) *sys.FD {
	t.Helper()
	path, err := exec.LookPath(args[0])
	require.NoError(t, err)
	pid, err := syscall.ForkExec(path, args, &syscall.ProcAttr{})
	require.NoError(t, err)
	p, err := sys.PidfdOpen(pid, 0)
	require.NoError(t, err)
	t.Cleanup(func() { p.Close() })
	return p
}

func TestPidfd(t *testing.T) {
	t.Parallel()
	p := start(t, "sh", "-c", "exit 7")
	e, err := p.PidfdWait(sys.WEXITED)
	require.NoError(t, err)
	assert.True(t, e.Exited())
	assert.Equal(t, 7, e.Status)
	assert.Positive(t, e.PID)
	_, err = p.PidfdWait(sys.WEXITED)
	assert.ErrorIs(t, err, sys.ECHILD)
	assert.ErrorIs(t, p.PidfdSignal(0), sys.ESRCH)

	p = start(t, "sleep", "1000")
	e, err = p.PidfdWait(sys.WEXITED | sys.WNOHANG)
	require.NoError(t, err)
	assert.Zero(t, e.PID)
	ready, err := sys.Poll([]sys.PollFD{{FD: p, Events: sys.POLLIN}}, 0)
	require.NoError(t, err)
	assert.Zero(t, ready)
	require.NoError(t, p.PidfdSignal(sys.SIGTERM))
	fds := []sys.PollFD{{FD: p, Events: sys.POLLIN}}
	ready, err = sys.Poll(fds, -1)
	require.NoError(t, err)
	assert.Equal(t, 1, ready)
	assert.EqualValues(t, sys.POLLIN, fds[0].Revents&sys.POLLIN)
	e, err = p.PidfdWait(sys.WEXITED)
	require.NoError(t, err)
	assert.True(t, e.Signaled())
	assert.Equal(t, sys.SIGTERM, e.Status)
}

func TestPidfdGet(t *testing.T) {
	t.Parallel()
	self, err := sys.PidfdOpen(os.Getpid(), 0)
	require.NoError(t, err)
	defer self.Close()
	d := tempDir(t)
	got, err := self.PidfdGet(d.Int())
	require.NoError(t, err)
	defer got.Close()
	a, err := d.Stat()
	require.NoError(t, err)
	b, err := got.Stat()
	require.NoError(t, err)
	assert.True(t, a.Same(b))
}

func TestPollTimesOut(t *testing.T) {
	t.Parallel()
	r, w, err := sys.Pipe(0)
	require.NoError(t, err)
	defer r.Close()
	defer w.Close()
	begin := time.Now()
	n, err := sys.Poll([]sys.PollFD{{FD: r, Events: sys.POLLIN}}, 20*time.Millisecond)
	require.NoError(t, err)
	assert.Zero(t, n)
	assert.GreaterOrEqual(t, time.Since(begin), 20*time.Millisecond)
}

func TestLimitsAndCapabilities(t *testing.T) {
	t.Parallel()
	was, err := sys.Prlimit(0, sys.RLIMIT_CORE, nil)
	require.NoError(t, err)
	assert.LessOrEqual(t, was.Cur, was.Max)
	p := start(t, "sleep", "1000")
	fdinfo, err := os.ReadFile("/proc/self/fdinfo/" + strings.TrimPrefix(procFD(p), "/proc/self/fd/"))
	require.NoError(t, err)
	assert.Contains(t, string(fdinfo), "Pid:")
	require.NoError(t, p.PidfdSignal(sys.SIGKILL))
	_, err = p.PidfdWait(sys.WEXITED)
	require.NoError(t, err)

	testenv.Root(t)
	c, err := sys.Capget(0)
	require.NoError(t, err)
	assert.True(t, sys.Has(c.Effective, sys.CAP_SYS_ADMIN))
	assert.Equal(t, c.Effective, c.Effective&c.Permitted)
	assert.False(t, sys.Has(c.Effective, 63))
	release, machine, err := sys.Uname()
	require.NoError(t, err)
	assert.NotEmpty(t, release)
	assert.NotEmpty(t, machine)
}

func TestThreadOfItsOwn(t *testing.T) {
	t.Parallel()
	testenv.Root(t)
	own, err := os.Readlink("/proc/self/ns/uts")
	require.NoError(t, err)
	// Enough of them at once that one begins on the process's first thread, were
	// that not avoided.
	done := make(chan error)
	const n = 50
	for range n {
		go func() {
			done <- sys.OnThread(func() error {
				assert.NotEqual(t, os.Getpid(), sys.Gettid())
				runtime.Gosched()
				return sys.Unshare(sys.CLONE_NEWUTS)
			})
		}()
	}
	for range n {
		assert.NoError(t, <-done)
	}
	now, err := os.Readlink("/proc/self/ns/uts")
	require.NoError(t, err)
	assert.Equal(t, own, now)
	assert.ErrorIs(t, sys.OnThread(func() error { return os.ErrClosed }), os.ErrClosed)
	assert.Error(t, sys.OnThread(func() error { runtime.Goexit(); return nil }))
}

func TestLoopbackUp(t *testing.T) {
	t.Parallel()
	testenv.Root(t)
	require.NoError(t, sys.OnThread(func() error {
		if err := sys.Unshare(sys.CLONE_NEWNET); err != nil {
			return err
		}
		assert.ErrorIs(t, sys.LinkUp("none"), sys.ENODEV)
		assert.Error(t, sys.LinkUp("a name that is too long"))
		return sys.LinkUp("lo")
	}))
}
