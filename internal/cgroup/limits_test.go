package cgroup

import (
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coraclehq/coracle/internal/probe"
)

func TestDemands(t *testing.T) {
	for _, tt := range []struct {
		name   string
		in     Limits
		v1, v2 []file
	}{
		{name: "none"},
		{"pids", Limits{Pids: 4096}, []file{{"pids.max", "4096"}}, []file{{"pids.max", "4096"}}},
		{"pids without limit", Limits{Pids: -1}, []file{{"pids.max", "max"}}, []file{{"pids.max", "max"}}},
		{"memory", Limits{Memory: 1 << 30},
			[]file{{"memory.limit_in_bytes", "1073741824"}}, []file{{"memory.max", "1073741824"}}},
		{"memory and swap", Limits{Memory: 100, MemorySwap: 150, MemoryReservation: 50},
			[]file{{"memory.limit_in_bytes", "100"}, {"memory.memsw.limit_in_bytes", "150"}, {"memory.soft_limit_in_bytes", "50"}},
			[]file{{"memory.max", "100"}, {"memory.swap.max", "50"}, {"memory.low", "50"}}},
		{"memory without swap", Limits{Memory: 100, MemorySwap: 100},
			[]file{{"memory.limit_in_bytes", "100"}, {"memory.memsw.limit_in_bytes", "100"}},
			[]file{{"memory.max", "100"}, {"memory.swap.max", "0"}}},
		{"memory without limit", Limits{Memory: -1, MemorySwap: -1, MemoryReservation: -1},
			[]file{{"memory.limit_in_bytes", "-1"}, {"memory.memsw.limit_in_bytes", "-1"}, {"memory.soft_limit_in_bytes", "-1"}},
			[]file{{"memory.max", "max"}, {"memory.swap.max", "max"}, {"memory.low", "max"}}},
		{"half a CPU", Limits{CPUQuota: 50000},
			[]file{{"cpu.cfs_period_us", "100000"}, {"cpu.cfs_quota_us", "50000"}}, []file{{"cpu.max", "50000 100000"}}},
		{"CPU period", Limits{CPUPeriod: 20000}, []file{{"cpu.cfs_period_us", "20000"}}, []file{{"cpu.max", "max 20000"}}},
		{"CPU without limit", Limits{CPUQuota: -1, CPUPeriod: 20000},
			[]file{{"cpu.cfs_period_us", "20000"}, {"cpu.cfs_quota_us", "-1"}}, []file{{"cpu.max", "max 20000"}}},
		{"the rest of CPU", Limits{CPUShares: 1024, CPUBurst: 7, CPUIdle: true},
			[]file{{"cpu.cfs_burst_us", "7"}, {"cpu.shares", "1024"}, {"cpu.idle", "1"}},
			[]file{{"cpu.max.burst", "7"}, {"cpu.weight", "100"}, {"cpu.idle", "1"}}},
		{"cpuset", Limits{CPUs: "0-3,8", Mems: "0"},
			[]file{{"cpuset.cpus", "0-3,8"}, {"cpuset.mems", "0"}}, []file{{"cpuset.cpus", "0-3,8"}, {"cpuset.mems", "0"}}},
		{"throttles", Limits{Throttles: []Throttle{{Major: 8, Minor: 1, ReadBPS: 10, WriteIOPS: 20}, {Major: 9}}},
			[]file{{"blkio.throttle.read_bps_device", "8:1 10"}, {"blkio.throttle.write_iops_device", "8:1 20"}},
			[]file{{"io.max", "8:1 rbps=10 wiops=20"}}},
		{"huge pages", Limits{HugePages: []HugePages{{"2MB", 0}}},
			[]file{{"hugetlb.2MB.limit_in_bytes", "0"}}, []file{{"hugetlb.2MB.max", "0"}}},
		{"v2 files", Limits{Unified: map[string]string{"memory.high": "1G", "io.weight": "default 50", "memory.low": "1"}},
			nil, []file{{"io.weight", "default 50"}, {"memory.high", "1G"}, {"memory.low", "1"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ds, err := tt.in.demands()
			require.NoError(t, err)
			var v1, v2 []file
			for _, d := range ds {
				v1, v2 = append(v1, d.files1...), append(v2, d.files2...)
			}
			assert.Equal(t, tt.v1, v1, "v1")
			assert.Equal(t, tt.v2, v2, "v2")
		})
	}
}

func TestInvalidLimits(t *testing.T) {
	for name, l := range map[string]Limits{
		"pids":              {Pids: -2},
		"memory":            {Memory: -2},
		"swap":              {MemorySwap: -2},
		"reservation":       {MemoryReservation: -100},
		"swap alone":        {MemorySwap: 100},
		"swap too small":    {Memory: 100, MemorySwap: 99},
		"swap over nothing": {Memory: -1, MemorySwap: 99},
		"quota":             {CPUQuota: -2},
		"shares 1":          {CPUShares: 1},
		"shares":            {CPUShares: 262145},
		"cpus":              {CPUs: "a"},
		"cpus line":         {CPUs: "0\n1"},
		"cpus long":         {CPUs: "0" + strings.Repeat(",1", 3000)},
		"mems":              {Mems: "-1"},
		"device":            {Throttles: []Throttle{{Major: -1, ReadBPS: 1}}},
		"page size":         {HugePages: []HugePages{{Size: "2MB/../../x"}}},
		"page size empty":   {HugePages: []HugePages{{}}},
		"v2 core":           {Unified: map[string]string{"cgroup.procs": "1"}},
		"v2 kill":           {Unified: map[string]string{"cgroup.kill": "1"}},
		"v2 path":           {Unified: map[string]string{"../memory.max": "1"}},
		"v2 no controller":  {Unified: map[string]string{"tasks": "0"}},
		"v2 NUL":            {Unified: map[string]string{"memory.high": "1\x00"}},
	} {
		_, err := l.demands()
		assert.ErrorIs(t, err, fs.ErrInvalid, name)
	}
}

func TestWeight(t *testing.T) {
	assert.Equal(t, uint64(1), weight(2))
	assert.Equal(t, uint64(100), weight(1024))
	assert.Equal(t, uint64(10000), weight(262144))
	last := uint64(0)
	for s := uint64(minShares); s <= maxShares; s++ {
		w := weight(s)
		if w < last || w < 1 || w > 10000 {
			t.Fatalf("weight(%d) = %d after %d", s, w, last)
		}
		last = w
	}
}

func ptr[T any](v T) *T { return &v }

func TestFromSpec(t *testing.T) {
	got, err := FromSpec(nil)
	require.NoError(t, err)
	assert.Zero(t, got)

	got, err = FromSpec(&specs.LinuxResources{
		Pids:   &specs.LinuxPids{Limit: ptr(int64(7))},
		Memory: &specs.LinuxMemory{Limit: ptr(int64(100)), Swap: ptr(int64(-1)), Reservation: ptr(int64(50)), UseHierarchy: ptr(true)},
		CPU: &specs.LinuxCPU{Quota: ptr(int64(5)), Period: ptr(uint64(10)), Burst: ptr(uint64(1)), Shares: ptr(uint64(1)),
			Idle: ptr(int64(1)), Cpus: "0", Mems: "0"},
		BlockIO:        &specs.LinuxBlockIO{Weight: ptr(uint16(0)), ThrottleReadBpsDevice: []specs.LinuxThrottleDevice{{Rate: 3}}},
		HugepageLimits: []specs.LinuxHugepageLimit{{Pagesize: "2MB", Limit: 1<<64 - 1}},
		Unified:        map[string]string{"memory.high": "1"},
		Network:        &specs.LinuxNetwork{},
	})
	require.NoError(t, err)
	assert.Equal(t, Limits{
		Pids: 7, Memory: 100, MemorySwap: -1, MemoryReservation: 50,
		CPUQuota: 5, CPUPeriod: 10, CPUBurst: 1, CPUShares: 2, CPUIdle: true, CPUs: "0", Mems: "0",
		Throttles: []Throttle{{ReadBPS: 3}}, HugePages: []HugePages{{"2MB", 1<<63 - 1}},
		Unified: map[string]string{"memory.high": "1"},
	}, got)

	got, err = FromSpec(&specs.LinuxResources{Pids: &specs.LinuxPids{Limit: ptr(int64(0))}})
	require.NoError(t, err)
	assert.Equal(t, int64(1), got.Pids, "0 is a limit")
}

func TestFromSpecRefuses(t *testing.T) {
	for _, tt := range []struct {
		field string
		kind  error
		in    specs.LinuxResources
	}{
		{"/memory/swappiness", errors.ErrUnsupported, specs.LinuxResources{Memory: &specs.LinuxMemory{Swappiness: ptr(uint64(0))}}},
		{"/memory/kernelTCP", errors.ErrUnsupported, specs.LinuxResources{Memory: &specs.LinuxMemory{KernelTCP: ptr(int64(1))}}},
		{"/memory/disableOOMKiller", errors.ErrUnsupported, specs.LinuxResources{Memory: &specs.LinuxMemory{DisableOOMKiller: ptr(true)}}},
		{"/memory/limit", fs.ErrInvalid, specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: ptr(int64(-5))}}},
		{"/cpu/idle", fs.ErrInvalid, specs.LinuxResources{CPU: &specs.LinuxCPU{Idle: ptr(int64(2))}}},
		{"/cpu/realtimeRuntime", errors.ErrUnsupported, specs.LinuxResources{CPU: &specs.LinuxCPU{RealtimeRuntime: ptr(int64(1))}}},
		{"/blockIO/weight", errors.ErrUnsupported, specs.LinuxResources{BlockIO: &specs.LinuxBlockIO{Weight: ptr(uint16(10))}}},
		{"/network", errors.ErrUnsupported, specs.LinuxResources{Network: &specs.LinuxNetwork{ClassID: ptr(uint32(1))}}},
		{"/rdma", errors.ErrUnsupported, specs.LinuxResources{Rdma: map[string]specs.LinuxRdma{"mlx": {}}}},
	} {
		_, err := FromSpec(&tt.in)
		assert.ErrorIs(t, err, tt.kind, tt.field)
		assert.Contains(t, err.Error(), "/linux/resources"+tt.field)
	}
}

// FuzzUnified: whatever a bundle asks for, what is written is a file of the
// group itself, and none of the core's.
func FuzzUnified(f *testing.F) {
	f.Add("memory.high", "1G")
	f.Add("cgroup.procs", "1")
	f.Add("a/../memory.max", "\x00")
	f.Fuzz(func(t *testing.T, name, value string) {
		ds, err := Limits{Unified: map[string]string{name: value}}.demands()
		if err != nil {
			require.ErrorIs(t, err, fs.ErrInvalid)
			return
		}
		for _, d := range ds {
			for _, f := range d.files2 {
				require.NotContains(t, f.name, "/")
				require.False(t, strings.HasPrefix(f.name, "cgroup."))
				require.Contains(t, f.name, ".")
			}
		}
	})
}

func TestPlace(t *testing.T) {
	v1 := func(cs ...string) Hierarchy { return Hierarchy{Controllers: cs} }
	v2 := func(cs ...string) Hierarchy { return Hierarchy{V2: true, Controllers: cs} }
	hybrid := []Hierarchy{v1("cpu", "cpuacct"), v1("memory"), v1("freezer"), v1("pids"), {Name: "systemd"}, v2("hugetlb")}
	unified := []Hierarchy{v2("cpu", "memory", "pids", "io")}
	for _, tt := range []struct {
		name string
		hs   []Hierarchy
		in   Limits
		want []placement
	}{
		{"hybrid, nothing limited", hybrid, Limits{}, []placement{
			{1, []string{"memory"}, nil}, {2, []string{"freezer"}, nil}, {3, []string{"pids"}, nil}}},
		{"hybrid, the default", hybrid, Limits{Pids: 1}, []placement{
			{1, []string{"memory"}, nil}, {2, []string{"freezer"}, nil}, {3, []string{"pids"}, []file{{"pids.max", "1"}}}}},
		{"hybrid, cpu", hybrid, Limits{CPUShares: 2}, []placement{
			{0, []string{"cpu"}, []file{{"cpu.shares", "2"}}},
			{1, []string{"memory"}, nil}, {2, []string{"freezer"}, nil}, {3, []string{"pids"}, nil}}},
		{"hybrid, huge pages are on v2", hybrid, Limits{HugePages: []HugePages{{"2MB", 1}}}, []placement{
			{1, []string{"memory"}, nil}, {2, []string{"freezer"}, nil}, {3, []string{"pids"}, nil},
			{5, []string{"hugetlb"}, []file{{"hugetlb.2MB.max", "1"}}}}},
		{"unified", unified, Limits{Pids: 1, CPUQuota: 5}, []placement{
			{0, []string{"pids", "memory", "cpu"}, []file{{"pids.max", "1"}, {"cpu.max", "5 100000"}}}}},
		{"unified without controllers", []Hierarchy{v2()}, Limits{}, []placement{{0, nil, nil}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ds, err := tt.in.demands()
			require.NoError(t, err)
			got, err := place(tt.hs, modeOf(tt.hs), ds)
			require.NoError(t, err)
			assert.Equal(t, tt.want, got)
		})
	}
	for _, tt := range []struct {
		name, want string
		hs         []Hierarchy
		in         Limits
	}{
		{"no cgroups", "cgroups: not supported", nil, Limits{}},
		{"only systemd's", "cgroups: not supported", []Hierarchy{{Name: "systemd"}}, Limits{}},
		{"no pids", "cgroup controller pids", []Hierarchy{v1("memory")}, Limits{Pids: 1}},
		{"no io", "cgroup controller io", []Hierarchy{v2("memory")}, Limits{Throttles: []Throttle{{ReadBPS: 1}}}},
		{"v2 file on v1", "only cgroup v2 has this file", hybrid, Limits{Unified: map[string]string{"memory.high": "1"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ds, err := tt.in.demands()
			require.NoError(t, err)
			_, err = place(tt.hs, modeOf(tt.hs), ds)
			var unsupported *probe.UnsupportedError
			require.ErrorAs(t, err, &unsupported)
			assert.Contains(t, err.Error(), tt.want)
		})
	}
}
