package cgroup

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCreate(t *testing.T) {
	h := testHost(t)
	require.NotEqual(t, Unavailable, h.Mode())
	g := create(t, h, "a", Limits{Pids: 77, Memory: 64 << 20})
	b, err := os.ReadFile(holder(t, h, "a", "pids.max"))
	require.NoError(t, err)
	assert.Equal(t, "77\n", string(b))

	cmd := start(t, g, "exec sleep 100")
	pids, err := g.Procs()
	require.NoError(t, err)
	assert.Equal(t, []int{cmd.Process.Pid}, pids)
	own, err := os.ReadFile("/proc/" + strconv.Itoa(cmd.Process.Pid) + "/cgroup")
	require.NoError(t, err)
	assert.Equal(t, len(g.Dirs), strings.Count(string(own), "/"+h.top+"/"+store+"/a\n"), "%s", own)

	// What the supervisor has is enough to remove the group.
	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait()
	for _, d := range g.Dirs {
		for w := (pause{}); ; w.wait() {
			if err := d.Parent.Rmdir(d.Name); !errors.Is(err, syscall.EBUSY) {
				require.NoError(t, err)
				break
			}
		}
	}
	_, err = h.Open(store, "a")
	assert.ErrorIs(t, err, fs.ErrNotExist)
	assert.NoError(t, g.Remove(t.Context()), "removing what is gone")
	assert.NoError(t, g.KillAll(t.Context()))
}

func TestEveryLimitIsSet(t *testing.T) {
	h := testHost(t)
	for name, l := range map[string]Limits{
		"cpu":    {CPUQuota: 50000, CPUPeriod: 100000, CPUShares: 512},
		"burst":  {CPUQuota: 50000, CPUBurst: 1000},
		"idle":   {CPUIdle: true},
		"cpuset": {CPUs: "0"},
		"memory": {Memory: 64 << 20, MemorySwap: 128 << 20, MemoryReservation: 32 << 20},
		"none":   {Pids: -1, Memory: -1, MemorySwap: -1, CPUQuota: -1},
	} {
		t.Run(name, func(t *testing.T) {
			g, err := h.Create(store, "limited", l)
			if errors.Is(err, errors.ErrUnsupported) {
				t.Skip(err)
			}
			require.NoError(t, err)
			defer g.Close()
			demands, err := l.demands()
			require.NoError(t, err)
			for _, d := range demands {
				for _, hi := range h.Hierarchies() {
					_, files := d.in(hi)
					for _, f := range files {
						b, err := os.ReadFile(hi.Mountpoint + "/" + h.top + "/" + store + "/limited/" + f.name)
						require.NoError(t, err)
						if f.value != "-1" || f.name == "cpu.cfs_quota_us" {
							assert.Equal(t, f.value, strings.TrimSpace(string(b)), f.name)
						}
					}
				}
			}
			start(t, g, "exec sleep 100")
			require.NoError(t, g.KillAll(t.Context()))
			require.NoError(t, g.Remove(t.Context()))
		})
	}
}

func TestLimitsHold(t *testing.T) {
	h := testHost(t)
	t.Run("pids", func(t *testing.T) {
		g := create(t, h, "pids", Limits{Pids: 3})
		out := start(t, g, "sleep 100 & sleep 100 & sleep 100 & sleep 100 & wait")
		err := out.Wait()
		var exit *exec.ExitError
		require.ErrorAs(t, err, &exit, "the shell gives up when it cannot fork")
	})
	t.Run("memory", func(t *testing.T) {
		g := create(t, h, "memory", Limits{Memory: 16 << 20, MemorySwap: 16 << 20})
		require.NotNil(t, g.Events)
		assert.Zero(t, kills(t, g))
		cmd := start(t, g, "x=x; while :; do x=$x$x; done")
		_ = cmd.Wait()
		assert.Equal(t, syscall.SIGKILL, cmd.ProcessState.Sys().(syscall.WaitStatus).Signal())
		assert.Equal(t, uint64(1), kills(t, g))
	})
}

func kills(t *testing.T, g *Group) uint64 {
	t.Helper()
	b, err := g.Events.ReadWhole(1 << 16)
	require.NoError(t, err)
	return OOMKills(b)
}

func TestLimitThatCannotBeSet(t *testing.T) {
	h := testHost(t)
	for name, tt := range map[string]struct {
		l    Limits
		kind error
	}{
		"no such CPU":         {Limits{Pids: 5, CPUs: "4095"}, nil},
		"quota of nothing":    {Limits{Pids: 5, CPUQuota: 1}, fs.ErrInvalid},
		"no such huge page":   {Limits{Pids: 5, HugePages: []HugePages{{Size: "3KB", Limit: 1}}}, errors.ErrUnsupported},
		"no such v2 file":     {Limits{Pids: 5, Unified: map[string]string{"hugetlb.nothing": "1"}}, errors.ErrUnsupported},
		"no such controller":  {Limits{Pids: 5, Unified: map[string]string{"coracle.nothing": "1"}}, errors.ErrUnsupported},
		"invalid by itself":   {Limits{Pids: -7}, fs.ErrInvalid},
		"no such disk or blk": {Limits{Pids: 5, Throttles: []Throttle{{Major: 4000, Minor: 1, ReadBPS: 1}}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := h.Create(store, "x", tt.l)
			require.Error(t, err)
			if tt.kind != nil {
				assert.ErrorIs(t, err, tt.kind)
			}
			assert.Contains(t, err.Error(), h.top+"/"+store+"/x")
			ids, err := h.Groups(store)
			require.NoError(t, err)
			assert.Empty(t, ids, "nothing is left behind")
		})
	}
}

func TestNames(t *testing.T) {
	h := testHost(t)
	for _, n := range []string{"", ".", "..", "a/b", "/", "a.b", "pids.max", "a\x00", "a\n", "ä", Supervisors, strings.Repeat("a", 129)} {
		_, err := h.Create(store, n, Limits{})
		assert.ErrorIs(t, err, fs.ErrInvalid, "%q", n)
		_, err = h.Create(n, "a", Limits{})
		assert.ErrorIs(t, err, fs.ErrInvalid, "%q", n)
		_, err = h.Open(store, n)
		assert.ErrorIs(t, err, fs.ErrInvalid, "%q", n)
		_, err = h.Leave(n)
		assert.ErrorIs(t, err, fs.ErrInvalid, "%q", n)
		assert.ErrorIs(t, h.Sweep(t.Context(), n, nil), fs.ErrInvalid, "%q", n)
	}
}

func TestCreateAgain(t *testing.T) {
	h := testHost(t)
	first := create(t, h, "a", Limits{Pids: 5})
	// Empty: made anew, with new limits.
	g := create(t, h, "a", Limits{})
	b, err := os.ReadFile(holder(t, h, "a", "pids.max"))
	require.NoError(t, err)
	assert.Equal(t, "max\n", string(b))
	if len(first.Join) > 0 {
		_, err = first.Join[0].Write([]byte("0"))
		assert.ErrorIs(t, err, syscall.ENODEV, "the old descriptors lead nowhere")
	}
	// In use: left alone.
	cmd := start(t, g, "exec sleep 100")
	_, err = h.Create(store, "a", Limits{})
	assert.ErrorIs(t, err, fs.ErrExist)
	pids, err := g.Procs()
	require.NoError(t, err)
	assert.Equal(t, []int{cmd.Process.Pid}, pids)
}
