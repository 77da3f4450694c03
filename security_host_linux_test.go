package coracle

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coraclehq/coracle/internal/testenv"
)

// hostStoreVar, in the environment, says where the store of a test process is that has a
// pid namespace, or all of a process, for itself.
const hostStoreVar = "CORACLE_TEST_HOST_STORE"

// asHost runs a test alone in a process of its own, over a store with the container
// "c" that runs a program, and shows what it logs. It returns true in that process.
func asHost(t *testing.T, attr *syscall.SysProcAttr, args ...string) (store string, child bool) {
	if dir := os.Getenv(hostStoreVar); dir != "" {
		return dir, true
	}
	t.Parallel()
	e := testEngine(t)
	of(t, e, hostileImage(t, e, ImageConfig{}, nil), Config{Name: "c"}, args...)
	cmd := exec.Command(os.Args[0], "-test.v", "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), hostStoreVar+"="+e.store.Path())
	cmd.SysProcAttr = attr
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	for line := range strings.Lines(string(out)) {
		if strings.HasPrefix(line, "    ") {
			t.Log(strings.TrimSpace(line))
		}
	}
	return "", false
}

// openHost opens the store of such a process and finds the container.
func openHost(t *testing.T, dir string) (*Engine, *Container) {
	e, err := Open(dir, nil)
	require.NoError(t, err)
	c, err := e.Container(context.Background(), "c")
	require.NoError(t, err)
	return e, c
}

// bystander is a process with a certain number, for which the pid namespace must be
// the test's own; nil: somebody else was faster.
func bystander(t *testing.T, pid int) *exec.Cmd {
	for range 100 {
		require.NoError(t, os.WriteFile("/proc/sys/kernel/ns_last_pid", []byte(strconv.Itoa(pid-1)), 0))
		cmd := exec.Command("sleep", "1000")
		require.NoError(t, cmd.Start())
		if cmd.Process.Pid == pid {
			return cmd
		}
		require.NoError(t, cmd.Process.Kill())
		cmd.Wait()
	}
	return nil
}

// A container that has ended, or whose supervisor was killed with it, is never
// signalled by the number that its process had, which another process may have by
// now. The control does so.
func TestRecycledPIDsAreNotSignalled(t *testing.T) {
	dir, child := asHost(t, &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS}, "sleep", "1000")
	if !child {
		return
	}
	ctx := context.Background()
	require.NoError(t, syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""))
	require.NoError(t, syscall.Mount("proc", "/proc", "proc", 0, ""))
	if _, err := os.Stat("/proc/sys/kernel/ns_last_pid"); err != nil {
		t.Skip("this kernel does not let anybody choose the next pid")
	}
	n, met := testenv.Scale(t, 1000), 0
	for i := range n {
		e, c := openHost(t, dir)
		require.NoError(t, c.Start(ctx, IO{}))
		r := c.run()
		pid := r.process.PID
		if i%2 == 0 { // both at once: nobody sees the end
			require.NoError(t, syscall.Kill(r.process.SupervisorPID, syscall.SIGKILL))
		}
		syscall.Kill(pid, syscall.SIGKILL) // may be gone with its supervisor
		<-r.gone
		for syscall.Kill(pid, 0) == nil { // until it is reaped
			syscall.Wait4(pid, nil, syscall.WNOHANG, nil)
			runtime.Gosched()
		}
		if i%3 == 0 {
			require.NoError(t, e.Close())
			e, c = openHost(t, dir)
		}
		b := bystander(t, pid)
		if b != nil {
			met++
		}
		assert.ErrorIs(t, c.Signal(ctx, syscall.SIGKILL), ErrNotRunning)
		assert.ErrorIs(t, c.Stop(ctx), ErrNotRunning)
		_, err := c.Exec(ctx, Cmd{Args: []string{"true"}}, IO{})
		assert.ErrorIs(t, err, ErrNotRunning)
		assert.Error(t, c.Wait(ctx))
		require.NoError(t, e.Close())
		if b == nil {
			continue
		}
		if i == n-1 {
			require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
			var exit *exec.ExitError
			require.ErrorAs(t, b.Wait(), &exit, "the control: by its number it is killed")
			continue
		}
		state, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		require.NoError(t, err)
		assert.NotContains(t, string(state), ") Z", "the bystander was killed")
		require.NoError(t, b.Process.Kill())
		b.Wait()
	}
	require.Greater(t, met, n/2)
	t.Logf("%d containers, the number of %d of them was another process's", n, met)
}
