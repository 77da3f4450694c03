package coracle

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coraclehq/coracle/internal/cgroup"
	"github.com/coraclehq/coracle/internal/testenv"
)

// groupOf is where a process is in each hierarchy that h has, by mount point.
func groupOf(t *testing.T, h *cgroup.Host, pid int) map[string]string {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	require.NoError(t, err)
	groups := map[string]string{}
	for line := range strings.Lines(string(text)) {
		part := strings.SplitN(strings.TrimSpace(line), ":", 3)
		for _, hi := range h.Hierarchies() {
			// cgroups(7): the list of controllers is empty on v2.
			if hi.V2 && part[1] == "" || !hi.V2 && part[1] == strings.Join(hi.Controllers, ",") && hi.Name == "" {
				groups[hi.Mountpoint] = part[2]
			}
		}
	}
	return groups
}

// parentOf is the fourth field of proc_pid_stat(5); the second may hold anything.
func parentOf(t *testing.T, pid int) (parent int) {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	require.NoError(t, err)
	var state string
	_, err = fmt.Sscan(string(text[strings.LastIndexByte(string(text), ')')+1:]), &state, &parent)
	require.NoError(t, err)
	return parent
}

// A container, and what is executed in it, is in a group of its own in every
// hierarchy that its limits are in. Its supervisor is in none of the groups of the
// program that started it, so that neither the end of that program's service nor its
// limits reach a detached container. Both groups go.
func TestGroups(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	h, err := cgroup.Find()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, h.Close()) })
	c := testContainer(t, e, Config{Detach: true, Limits: Limits{Memory: 64 << 20, CPUs: 0.5}}, "sleep", "1000")
	require.NoError(t, c.Start(t.Context(), IO{}))
	s, err := c.Status(t.Context())
	require.NoError(t, err)
	p, err := c.Exec(t.Context(), Cmd{Args: []string{"sleep", "1000"}}, IO{})
	require.NoError(t, err)
	supervisor := parentOf(t, s.PID)
	exec := p.PID()

	own, theirs, execs, watchers := groupOf(t, h, os.Getpid()), groupOf(t, h, s.PID), groupOf(t, h, exec), groupOf(t, h, supervisor)
	group := "/coracle/" + e.store.ID() + "/" + c.ID()
	found := map[string]string{}
	for _, hi := range h.Hierarchies() {
		if hi.Outside() {
			assert.Equal(t, "/coracle/"+e.store.ID()+"/supervisors", watchers[hi.Mountpoint], hi.Label())
		} else {
			assert.Equal(t, own[hi.Mountpoint], watchers[hi.Mountpoint], hi.Label())
		}
		assert.Equal(t, theirs[hi.Mountpoint], execs[hi.Mountpoint], hi.Label())
		if theirs[hi.Mountpoint] != group {
			continue
		}
		for _, file := range []string{"pids.max", "memory.max", "memory.swap.max", "cpu.max", "memory.limit_in_bytes", "cpu.cfs_quota_us"} {
			if text, err := os.ReadFile(hi.Mountpoint + group + "/" + file); err == nil {
				found[file] = strings.TrimSpace(string(text))
			}
		}
	}
	switch h.Mode() {
	case cgroup.Unified:
		if _, ok := found["memory.swap.max"]; !ok { // without CONFIG_SWAP
			found["memory.swap.max"] = "0"
		}
		require.Equal(t, map[string]string{"pids.max": "4096", "memory.max": "67108864", "memory.swap.max": "0", "cpu.max": "50000 100000"}, found)
	default:
		require.Equal(t, map[string]string{"pids.max": "4096", "memory.limit_in_bytes": "67108864", "cpu.cfs_quota_us": "50000"}, found)
	}

	require.NoError(t, c.Remove(t.Context(), true))
	require.Error(t, p.Wait(t.Context()))
	for _, hi := range h.Hierarchies() {
		require.NoDirExists(t, hi.Mountpoint+group)
	}
}

// The number of processes is limited, also for one that was joined later.
func TestPIDs(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	const fork = `i=0; while [ $i -lt 30 ]; do sleep 1000 & i=$((i+1)); done; echo none refused`
	out := newSink("fork")
	c := testContainer(t, e, Config{Limits: Limits{PIDs: 16}}, "sh", "-c", "("+fork+"); echo ready; exec sleep 1000")
	require.NoError(t, c.Start(t.Context(), IO{Stdout: out, Stderr: out}))
	out.wait(t)
	require.NotContains(t, out.String(), "none refused")
	// One is free again. On v1 the thread that joins takes it, on v2 the process.
	p, err := c.Exec(t.Context(), Cmd{Args: []string{"sh", "-c", "sleep 1000 & echo one more"}}, IO{})
	if err == nil {
		err = p.Wait(t.Context())
	}
	require.Error(t, err)
	require.NoError(t, c.Remove(t.Context(), true))
}

// What is in a container sees no group but its own.
func TestGroupsSeenFromInside(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	for line := range strings.Lines(output(t, testContainer(t, e, Config{}, "cat", "/proc/self/cgroup"))) {
		assert.True(t, strings.HasSuffix(line, ":/\n") || strings.HasPrefix(line[strings.IndexByte(line, ':'):], ":name="), line)
	}
}

// A group that a program left when it was killed goes with the next Open, along
// with what is in it.
func TestSweep(t *testing.T) {
	t.Parallel()
	testenv.Root(t)
	dir := t.TempDir()
	e, err := Open(dir, &Options{Volatile: true})
	require.NoError(t, err)
	h, err := cgroup.Find()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, h.Close()) })
	id := strings.Repeat("ab", 32)
	g, err := h.Create(e.store.ID(), id, cgroup.Limits{Pids: 5})
	require.NoError(t, err)
	require.NoError(t, g.Close())
	require.NoError(t, e.Close())
	e, err = Open(dir, &Options{Volatile: true})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, e.Close()) })
	for _, hi := range h.Hierarchies() {
		require.NoDirExists(t, hi.Mountpoint+"/coracle/"+e.store.ID()+"/"+id)
	}
}
