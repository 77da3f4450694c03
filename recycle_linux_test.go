package coracle

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coraclehq/coracle/internal/sys"
	"github.com/coraclehq/coracle/internal/testenv"
)

// Numbers of processes that have ended are given to others: nothing that is done with
// a container that has ended, also after its store was opened anew, reaches whoever
// has its number now, or its supervisor's. In a pid namespace of its own, where the
// next number can be chosen.
func TestRecycledNumbers(t *testing.T) {
	t.Parallel()
	s := newShelf(t, Config{}, "sleep", "1000")
	cmd := hostCommand(t, "recycle", s.dir, strconv.Itoa(testenv.Scale(t, 1000)))
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS}
	out, err := cmd.Output()
	require.NoError(t, err)
	if reason, ok := strings.CutPrefix(string(out), "skip "); ok {
		t.Skip(reason)
	}
	t.Logf("%s", strings.TrimSpace(string(out)))
	s.quiet(t)
}

const lastPID = "/proc/sys/kernel/ns_last_pid"

// recycleProgram is the first process of its pid namespace.
func recycleProgram(p *program) {
	rounds, err := strconv.Atoi(p.args[1])
	require.NoError(p, err)
	require.NoError(p, sys.Mount("", "/", "", sys.MS_REC|sys.MS_PRIVATE, ""))
	require.NoError(p, sys.Mount("proc", "/proc", "proc", sys.MS_NOSUID|sys.MS_NODEV|sys.MS_NOEXEC, ""))
	if _, err := os.Stat(lastPID); err != nil {
		p.say("skip %v", err)
		return
	}
	ctx := context.Background()
	e, c := p.container()
	tries := 0
	for i := range rounds {
		require.NoError(p, c.Start(ctx, IO{}))
		r := c.run()
		pid, supervisor := r.process.PID, r.process.SupervisorPID
		lost := i%4 == 3 // nobody saw its end
		if lost {
			require.NoError(p, syscall.Kill(supervisor, syscall.SIGKILL))
		} else {
			require.NoError(p, c.Signal(ctx, syscall.SIGKILL))
		}
		exit := exitIn(p, c.Wait(ctx))
		require.Equal(p, lost, exit.Lost)
		require.NoError(p, c.settled(ctx))
		if lost { // its first process is a child of ours now, the namespace's first
			syscall.Wait4(pid, nil, 0, nil)
		}

		first, second := p.recycle(pid, &tries), p.recycle(supervisor, &tries)
		if i%2 == 1 {
			require.NoError(p, e.Close())
			e, c = p.container()
		}
		mistake(p, c)
		for _, b := range []*exec.Cmd{first, second} {
			require.NoError(p, syscall.Kill(b.Process.Pid, 0), "the bystander was killed")
			state, err := os.ReadFile("/proc/" + strconv.Itoa(b.Process.Pid) + "/stat")
			require.NoError(p, err)
			require.NotContains(p, string(state), ") Z ", "the bystander was killed")
		}
		// The control: what a number alone would have reached.
		require.NoError(p, syscall.Kill(pid, syscall.SIGKILL))
		require.Equal(p, "signal: killed", first.Wait().Error())
		require.NoError(p, second.Process.Kill())
		second.Wait()
	}
	require.NoError(p, e.Close())
	p.say("%d rounds, in each both numbers given to bystanders, with %d tries", rounds, tries)
}

// mistake does all to a container that might signal it.
func mistake(p *program, c *Container) {
	ctx := context.Background()
	require.ErrorIs(p, c.Signal(ctx, syscall.SIGKILL), ErrNotRunning)
	require.ErrorIs(p, c.Stop(ctx), ErrNotRunning)
	_, err := c.Exec(ctx, Cmd{Args: []string{"true"}}, IO{})
	require.ErrorIs(p, err, ErrNotRunning)
	_, err = c.Dial(ctx, "tcp", "localhost:1")
	require.ErrorIs(p, err, ErrNotRunning)
	exitIn(p, c.Wait(ctx))
	s, err := c.Status(ctx)
	require.NoError(p, err)
	require.Equal(p, Exited, s.State)
	require.Zero(p, s.PID)
	other, err := Open(p.args[0], &Options{Volatile: true})
	require.NoError(p, err)
	require.NoError(p, other.Close())
}

func exitIn(p *program, err error) ExitError {
	var exit *ExitError
	require.True(p, errors.As(err, &exit), "%v", err)
	return *exit
}

// recycle starts a process that has the number, when nobody has it.
func (p *program) recycle(pid int, tries *int) *exec.Cmd {
	for range 1000 {
		*tries++
		require.NoError(p, os.WriteFile(lastPID, []byte(strconv.Itoa(pid-1)), 0))
		cmd := exec.Command("sleep", "1000")
		require.NoError(p, cmd.Start())
		if cmd.Process.Pid == pid {
			return cmd
		}
		require.NoError(p, cmd.Process.Kill()) // another thread was faster
		cmd.Wait()
	}
	require.Fail(p, "the number is not given again", "%d", pid)
	return nil
}
