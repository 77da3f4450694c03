package cgroup

import (
	"context"
	"io/fs"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coraclehq/coracle/internal/sys"
)

func TestOOMKills(t *testing.T) {
	assert.Equal(t, uint64(3), OOMKills([]byte("oom_kill_disable 0\nunder_oom 0\noom_kill 3\n")))
	assert.Equal(t, uint64(2), OOMKills([]byte("low 0\nhigh 0\nmax 9\noom 5\noom_kill 2\noom_group_kill 0\n")))
	for _, s := range []string{"", "oom_kill", "oom_kill x\n", "oom_kill -1", "oom_kill_disable 0\nunder_oom 0\n"} {
		assert.Zero(t, OOMKills([]byte(s)), "%q", s)
	}
}

func TestOpen(t *testing.T) {
	h := testHost(t)
	g := create(t, h, "a", Limits{CPUShares: 100})
	start(t, g, "exec sleep 100")
	// By another process, that knows no limits.
	other, err := find(h.top)
	require.NoError(t, err)
	o, err := other.Open(store, "a")
	require.NoError(t, err)
	assert.Len(t, o.Join, len(g.Join))
	assert.Equal(t, g.Into == nil, o.Into == nil)
	assert.Nil(t, o.Events)
	assert.Nil(t, o.Dirs)
	start(t, o, "exec sleep 100")
	pids, err := g.Procs()
	require.NoError(t, err)
	assert.Len(t, pids, 2)
	require.NoError(t, o.Close())
	require.NoError(t, other.Close())
}

func TestFreeze(t *testing.T) {
	h := testHost(t)
	g := create(t, h, "a", Limits{})
	ctx := t.Context()
	require.NoError(t, g.Freeze(ctx), "an empty group")
	require.NoError(t, g.Thaw())
	cmd := start(t, g, "while :; do :; done & while :; do :; done")
	for range 20 {
		require.NoError(t, g.Freeze(ctx))
		frozen, err := g.Frozen()
		require.NoError(t, err)
		require.True(t, frozen)
		require.NoError(t, g.Thaw())
		frozen, err = g.Frozen()
		require.NoError(t, err)
		require.False(t, frozen)
	}
	require.NoError(t, g.Freeze(ctx))
	require.NoError(t, g.Freeze(ctx), "twice")
	before := ticks(t, cmd.Process.Pid)
	time.Sleep(30 * time.Millisecond)
	assert.Equal(t, before, ticks(t, cmd.Process.Pid), "a frozen process does nothing")
	require.NoError(t, g.KillAll(ctx), "frozen processes can be killed")
	_ = cmd.Wait()
	assert.Equal(t, syscall.SIGKILL, cmd.ProcessState.Sys().(syscall.WaitStatus).Signal())
	require.NoError(t, g.Remove(ctx))
	assert.ErrorIs(t, g.Freeze(ctx), fs.ErrNotExist)
}

// ticks is the CPU time that a process has used: utime in proc(5).
func ticks(t *testing.T, pid int) string {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	require.NoError(t, err)
	return strings.Fields(string(b))[13]
}

// A freeze that is given up leaves the group running.
func TestFreezeGivenUp(t *testing.T) {
	h := testHost(t)
	g := create(t, h, "a", Limits{})
	start(t, g, "exec sleep 100")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := g.Freeze(ctx)
	frozen, ferr := g.Frozen()
	require.NoError(t, ferr)
	// Or it was quicker than the context.
	assert.Equal(t, err == nil, frozen)
}

func TestKillForkBomb(t *testing.T) {
	h := testHost(t)
	g := create(t, h, "bomb", Limits{Pids: 200})
	cmd := start(t, g, `f() { f & f; }; f 2>/dev/null`)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	require.NoError(t, g.KillAll(ctx))
	_ = cmd.Wait()
	require.NoError(t, g.Remove(ctx))
}

// Groups below, such as a container with a writable cgroup file system makes.
func TestNested(t *testing.T) {
	h := testHost(t)
	g := create(t, h, "a", Limits{})
	for _, d := range g.Dirs {
		require.NoError(t, d.Parent.Mkdir("a/below", 0o755))
		require.NoError(t, d.Parent.Mkdir("a/below/v1.5", 0o755))
	}
	inner := &Group{}
	for _, d := range g.Dirs {
		if g.Into != nil {
			continue
		}
		f, err := d.Parent.Open("a/below/v1.5/tasks", sys.O_WRONLY, 0)
		require.NoError(t, err)
		inner.Join = append(inner.Join, f)
	}
	defer inner.Close()
	if g.Into == nil {
		cmd := start(t, inner, "exec sleep 100")
		pids, err := g.Procs()
		require.NoError(t, err)
		assert.Equal(t, []int{cmd.Process.Pid}, pids)
		short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		err = g.Remove(short)
		assert.ErrorIs(t, err, syscall.EBUSY)
		assert.ErrorIs(t, err, context.DeadlineExceeded)
	}
	require.NoError(t, g.KillAll(t.Context()))
	require.NoError(t, g.Remove(t.Context()))
}

func TestSweep(t *testing.T) {
	h := testHost(t)
	live, dead, empty := create(t, h, "live", Limits{}), create(t, h, "dead", Limits{CPUShares: 5}), create(t, h, "empty", Limits{})
	_ = empty
	bystander, err := h.Create("anotherstore", "dead", Limits{})
	require.NoError(t, err)
	l, d, b := start(t, live, "exec sleep 100"), start(t, dead, "sleep 100 & exec sleep 100"), start(t, bystander, "exec sleep 100")

	asked := map[string]int{}
	require.NoError(t, h.Sweep(t.Context(), store, func(id string) bool { asked[id]++; return id == "live" }))
	assert.Equal(t, map[string]int{"live": 1, "dead": 1, "empty": 1}, asked)
	_ = d.Wait()
	assert.Equal(t, syscall.SIGKILL, d.ProcessState.Sys().(syscall.WaitStatus).Signal())
	ids, err := h.Groups(store)
	require.NoError(t, err)
	assert.Equal(t, []string{"live"}, ids)
	assert.NoError(t, l.Process.Signal(syscall.Signal(0)), "a live one stays")
	assert.NoError(t, b.Process.Signal(syscall.Signal(0)), "another store's stays")

	require.NoError(t, h.Sweep(t.Context(), "neverheardof", func(string) bool { return false }))
	require.NoError(t, bystander.KillAll(t.Context()))
	require.NoError(t, bystander.Remove(t.Context()))
	require.NoError(t, bystander.Close())
}

// The number of a process that was listed may stand for another by the time it
// is looked at: who is not in the group is not signalled.
func TestSignalsNoBystander(t *testing.T) {
	h := testHost(t)
	g := create(t, h, "a", Limits{})
	bystander := exec.Command("/bin/sleep", "100")
	require.NoError(t, bystander.Start())
	require.NoError(t, g.signal(bystander.Process.Pid, sys.SIGKILL))
	require.NoError(t, g.signal(os.Getpid(), sys.SIGKILL))
	require.NoError(t, bystander.Process.Signal(syscall.Signal(0)))
	require.NoError(t, bystander.Process.Kill())
	err := bystander.Wait()
	assert.ErrorContains(t, err, "killed")
	assert.ErrorIs(t, g.signal(bystander.Process.Pid, sys.SIGKILL), syscall.ESRCH)
	assert.ErrorIs(t, g.signal(0, sys.SIGKILL), fs.ErrPermission)
}
