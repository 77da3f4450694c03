package cgroup

import (
	"context"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// unifiedHost is a Host that knows nothing of v1, on a machine that has v2 at
// all, though perhaps without the usual controllers.
func unifiedHost(t *testing.T) *Host {
	t.Helper()
	h := testHost(t)
	h.trees = slices.DeleteFunc(h.trees, func(t tree) bool {
		if !t.V2 {
			_ = t.root.Close()
		}
		return !t.V2
	})
	h.infos = slices.DeleteFunc(h.infos, func(i Hierarchy) bool { return !i.V2 })
	h.mode = modeOf(h.infos)
	if h.mode != Unified {
		t.Skip("this machine has no cgroup v2")
	}
	return h
}

func TestUnified(t *testing.T) {
	h := unifiedHost(t)
	g := create(t, h, "a", Limits{})
	require.NotNil(t, g.Into)
	assert.Empty(t, g.Join)
	require.Len(t, g.Dirs, 1)

	cmd := start(t, g, "sleep 100 & exec sleep 100")
	b, err := os.ReadFile("/proc/self/cgroup")
	require.NoError(t, err)
	assert.NotContains(t, string(b), h.top)
	pids, err := g.Procs()
	require.NoError(t, err)
	assert.Contains(t, pids, cmd.Process.Pid)

	o, err := h.Open(store, "a")
	require.NoError(t, err)
	require.NotNil(t, o.Into)
	other := start(t, o, "exec sleep 100")
	require.NoError(t, o.Close())

	require.NoError(t, g.Freeze(t.Context()))
	frozen, err := g.Frozen()
	require.NoError(t, err)
	assert.True(t, frozen)
	require.NoError(t, g.KillAll(t.Context()), "frozen processes can be killed")
	_ = cmd.Wait()
	_ = other.Wait()
	assert.Equal(t, syscall.SIGKILL, other.ProcessState.Sys().(syscall.WaitStatus).Signal())
	require.NoError(t, g.Thaw())
	require.NoError(t, g.Remove(t.Context()))
}

// What the supervisor does: one write into Kill, one rmdir.
func TestUnifiedKillFile(t *testing.T) {
	h := unifiedHost(t)
	g := create(t, h, "a", Limits{})
	if g.Kill == nil {
		t.Skip("needs Linux 5.14")
	}
	cmd := start(t, g, "sleep 100 & sleep 100 & wait")
	_, err := g.Kill.Write([]byte("1"))
	require.NoError(t, err)
	_ = cmd.Wait()
	require.NoError(t, g.Remove(t.Context()))
}

// Without cgroup.kill the processes are signalled one by one.
func TestUnifiedKillBySignals(t *testing.T) {
	h := unifiedHost(t)
	g := create(t, h, "a", Limits{})
	cmd := start(t, g, "sleep 100 & sleep 100 & wait")
	require.NoError(t, g.Freeze(t.Context()))
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for w := (pause{}); ; w.wait() {
		left, err := g.signalAll(int(syscall.SIGKILL))
		require.NoError(t, err)
		if left == 0 {
			break
		}
		require.NoError(t, ctx.Err())
	}
	_ = cmd.Wait()
	require.NoError(t, g.Thaw())
}

func TestUnifiedSweep(t *testing.T) {
	h := unifiedHost(t)
	g := create(t, h, "a", Limits{})
	cmd := start(t, g, "sleep 100 & exec sleep 100")
	require.NoError(t, g.Dirs[0].Parent.Mkdir("a/below", 0o755))
	require.NoError(t, h.Sweep(t.Context(), store, func(string) bool { return false }))
	_ = cmd.Wait()
	ids, err := h.Groups(store)
	require.NoError(t, err)
	assert.Empty(t, ids)
}

// Controllers are enabled down to the store, for what is limited as well.
func TestUnifiedControllers(t *testing.T) {
	h := unifiedHost(t)
	if !h.infos[0].has("memory") || !h.infos[0].has("cpu") {
		t.Skipf("cgroup v2 has only these controllers here: %s", h.infos[0].Controllers)
	}
	g := create(t, h, "a", Limits{Pids: 50, Memory: 64 << 20, MemoryReservation: 1 << 20})
	assert.NotNil(t, g.Events)
	create(t, h, "b", Limits{CPUShares: 1024, CPUQuota: 5000, CPUs: "0", Unified: map[string]string{"memory.high": "1048576"}})
	for file, want := range map[string]string{
		"a/pids.max": "50", "a/memory.max": "67108864", "a/memory.low": "1048576",
		"b/cpu.weight": "100", "b/cpu.max": "5000 100000", "b/cpuset.cpus": "0", "b/memory.high": "1048576", "b/pids.max": "max",
	} {
		b, err := os.ReadFile(h.infos[0].Mountpoint + "/" + h.top + "/" + store + "/" + file)
		require.NoError(t, err)
		assert.Equal(t, want, strings.TrimSpace(string(b)), file)
	}
}
