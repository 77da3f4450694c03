package cgroup

import (
	"fmt"
	"io/fs"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Limits are what the processes of a group may use together. The zero value
// limits nothing. In the fields that say so, -1 states that there is no limit,
// which matters when a limit that stands is changed.
type Limits struct {
	Pids int64 // processes and threads; -1: no limit

	Memory            int64 // bytes; -1: no limit
	MemorySwap        int64 // bytes of memory and swap together, at least Memory; -1: no limit
	MemoryReservation int64 // bytes that are reclaimed last (v2 memory.low) or to which the group is pushed back when memory is short (v1 soft limit)

	CPUQuota  int64  // microseconds of CPU time in each period; -1: no limit
	CPUPeriod uint64 // microseconds; 0 with a quota: 100,000
	CPUBurst  uint64 // microseconds that unused quota may save up; Linux 5.14
	CPUShares uint64 // weight in v1's scale, 2 to 262,144, where 1024 is usual
	CPUIdle   bool   // run only where nobody else wants to (SCHED_IDLE); Linux 5.15

	CPUs string // CPUs as in "0-3,8"; empty: those of the parent
	Mems string // memory nodes, likewise

	Throttles []Throttle
	HugePages []HugePages
	Unified   map[string]string // files of cgroup v2 and what is written to them, as "memory.high": "1G"
}

// Throttle limits the direct use of one block device; 0 limits nothing.
type Throttle struct {
	Major, Minor        int64
	ReadBPS, WriteBPS   uint64 // bytes in a second
	ReadIOPS, WriteIOPS uint64 // operations in a second
}

// HugePages limits the huge pages of one size.
type HugePages struct {
	Size  string // as the kernel writes it: "2MB", "1GB", "64KB"
	Limit uint64 // bytes
}

// A file is one value written to one file of a group.
type file struct{ name, value string }

// A demand is what one resource asks of the hierarchy that has its controller.
type demand struct {
	what   string // the resource, for messages
	v1, v2 string // the controller in either version; "" where it has none
	files1 []file // what is written where it is found on v1
	files2 []file
}

// demands translates the limits into files to write, for both versions, since
// on a hybrid host each controller may be on either. An error wraps
// fs.ErrInvalid.
func (l Limits) demands() ([]demand, error) {
	var all []demand
	for _, f := range []func(Limits) (demand, error){pids, memory, cpu, cpuset, throttles, hugePages} {
		d, err := f(l)
		if err != nil {
			return nil, fmt.Errorf("limit: %w: %w", err, fs.ErrInvalid)
		}
		if d.files1 != nil || d.files2 != nil {
			all = append(all, d)
		}
	}
	raw, err := unified(l.Unified)
	if err != nil {
		return nil, fmt.Errorf("limit: %w: %w", err, fs.ErrInvalid)
	}
	return append(all, raw...), nil
}

func pids(l Limits) (demand, error) {
	d := demand{what: "number of processes", v1: "pids", v2: "pids"}
	if l.Pids < -1 {
		return d, fmt.Errorf("%d processes", l.Pids)
	}
	if l.Pids != 0 {
		d.files1 = []file{{"pids.max", orMax(l.Pids)}}
		d.files2 = d.files1
	}
	return d, nil
}

func memory(l Limits) (demand, error) {
	d := demand{what: "memory", v1: "memory", v2: "memory"}
	for _, n := range []int64{l.Memory, l.MemorySwap, l.MemoryReservation} {
		if n < -1 {
			return d, fmt.Errorf("%d bytes of memory", n)
		}
	}
	if l.Memory != 0 {
		d.files1 = append(d.files1, file{"memory.limit_in_bytes", strconv.FormatInt(l.Memory, 10)})
		d.files2 = append(d.files2, file{"memory.max", orMax(l.Memory)})
	}
	if l.MemorySwap != 0 {
		swap, err := swapAlone(l.MemorySwap, l.Memory)
		if err != nil {
			return d, err
		}
		// v1 refuses a sum below memory.limit_in_bytes, so it comes second.
		d.files1 = append(d.files1, file{"memory.memsw.limit_in_bytes", strconv.FormatInt(l.MemorySwap, 10)})
		d.files2 = append(d.files2, file{"memory.swap.max", orMax(swap)})
	}
	if l.MemoryReservation != 0 {
		d.files1 = append(d.files1, file{"memory.soft_limit_in_bytes", strconv.FormatInt(l.MemoryReservation, 10)})
		d.files2 = append(d.files2, file{"memory.low", orMax(l.MemoryReservation)})
	}
	return d, nil
}

// swapAlone is what v2 counts: swap without memory.
func swapAlone(sum, memory int64) (int64, error) {
	switch {
	case sum == -1:
		return -1, nil
	case memory <= 0:
		return 0, fmt.Errorf("%d bytes of memory and swap without a limit on memory", sum)
	case sum < memory:
		return 0, fmt.Errorf("%d bytes of memory and swap, fewer than the %d of memory", sum, memory)
	}
	return sum - memory, nil
}

func cpu(l Limits) (demand, error) {
	d := demand{what: "CPU time", v1: "cpu", v2: "cpu"}
	if l.CPUQuota < -1 {
		return d, fmt.Errorf("CPU quota of %d microseconds", l.CPUQuota)
	}
	period := l.CPUPeriod
	if l.CPUQuota != 0 && period == 0 {
		period = 100_000
	}
	if period != 0 {
		// v1 checks the quota against the period that stands: the period first.
		d.files1 = append(d.files1, file{"cpu.cfs_period_us", strconv.FormatUint(period, 10)})
		quota := "max"
		if l.CPUQuota != 0 {
			d.files1 = append(d.files1, file{"cpu.cfs_quota_us", strconv.FormatInt(l.CPUQuota, 10)})
			quota = orMax(l.CPUQuota)
		}
		d.files2 = append(d.files2, file{"cpu.max", quota + " " + strconv.FormatUint(period, 10)})
	}
	if l.CPUBurst != 0 {
		n := strconv.FormatUint(l.CPUBurst, 10)
		d.files1 = append(d.files1, file{"cpu.cfs_burst_us", n})
		d.files2 = append(d.files2, file{"cpu.max.burst", n})
	}
	if l.CPUShares != 0 {
		if l.CPUShares < minShares || l.CPUShares > maxShares {
			return d, fmt.Errorf("CPU shares of %d, outside of %d to %d", l.CPUShares, minShares, maxShares)
		}
		d.files1 = append(d.files1, file{"cpu.shares", strconv.FormatUint(l.CPUShares, 10)})
		d.files2 = append(d.files2, file{"cpu.weight", strconv.FormatUint(weight(l.CPUShares), 10)})
	}
	if l.CPUIdle {
		d.files1 = append(d.files1, file{"cpu.idle", "1"})
		d.files2 = append(d.files2, file{"cpu.idle", "1"})
	}
	return d, nil
}

// The range of cpu.shares, MIN_SHARES and MAX_SHARES in kernel/sched/sched.h.
const minShares, maxShares = 2, 1 << 18

// weight turns v1's shares, 2 to 262144 around 1024, into v2's weight, 1 to
// 10000 around 100. It is the parabola in the logarithms through those three
// pairs: a straight line would turn 1024 into 39 and make a container that asks
// for the usual share weaker than one that asks for nothing.
func weight(shares uint64) uint64 {
	l := math.Log2(float64(shares))
	return uint64(math.Ceil(math.Pow(10, (l*l+125*l)/612-7.0/34) - 1e-9))
}

// list is the kernel's format for sets of CPUs and nodes, cpuset(7).
var list = regexp.MustCompile(`^[0-9]+(-[0-9]+(:[0-9]+/[0-9]+)?)?(,[0-9]+(-[0-9]+(:[0-9]+/[0-9]+)?)?)*$`)

func cpuset(l Limits) (demand, error) {
	d := demand{what: "CPUs and memory nodes", v1: "cpuset", v2: "cpuset"}
	for _, f := range []file{{"cpuset.cpus", l.CPUs}, {"cpuset.mems", l.Mems}} {
		if f.value == "" {
			continue
		}
		if len(f.value) >= 4096 || !list.MatchString(f.value) {
			return d, fmt.Errorf("%s %.100q", f.name, f.value)
		}
		d.files1 = append(d.files1, f)
	}
	d.files2 = d.files1
	return d, nil
}

func throttles(l Limits) (demand, error) {
	d := demand{what: "block devices", v1: "blkio", v2: "io"}
	for _, t := range l.Throttles {
		if t.Major < 0 || t.Minor < 0 {
			return d, fmt.Errorf("block device %d:%d", t.Major, t.Minor)
		}
		dev := fmt.Sprintf("%d:%d ", t.Major, t.Minor)
		line := ""
		for _, r := range []struct {
			v1, v2 string
			rate   uint64
		}{
			{"read_bps_device", "rbps", t.ReadBPS}, {"write_bps_device", "wbps", t.WriteBPS},
			{"read_iops_device", "riops", t.ReadIOPS}, {"write_iops_device", "wiops", t.WriteIOPS},
		} {
			if r.rate == 0 {
				continue
			}
			n := strconv.FormatUint(r.rate, 10)
			d.files1 = append(d.files1, file{"blkio.throttle." + r.v1, dev + n})
			line += " " + r.v2 + "=" + n
		}
		if line != "" {
			d.files2 = append(d.files2, file{"io.max", dev + line[1:]})
		}
	}
	return d, nil
}

var pageSize = regexp.MustCompile(`^[1-9][0-9]{0,8}[KMG]B$`)

func hugePages(l Limits) (demand, error) {
	d := demand{what: "huge pages", v1: "hugetlb", v2: "hugetlb"}
	for _, h := range l.HugePages {
		if !pageSize.MatchString(h.Size) {
			return d, fmt.Errorf("size of huge pages %.100q", h.Size)
		}
		n := strconv.FormatUint(h.Limit, 10)
		d.files1 = append(d.files1, file{"hugetlb." + h.Size + ".limit_in_bytes", n})
		d.files2 = append(d.files2, file{"hugetlb." + h.Size + ".max", n})
	}
	return d, nil
}

var v2File = regexp.MustCompile(`^[a-z]+\.[A-Za-z0-9_.]+$`)

// unified takes the files of cgroup v2 as they are named, except those of the
// core, which are not limits: cgroup.procs, cgroup.kill and so on.
func unified(m map[string]string) ([]demand, error) {
	by := map[string]*demand{}
	for name, value := range m {
		controller, _, _ := strings.Cut(name, ".")
		if !v2File.MatchString(name) || controller == "cgroup" || len(value) >= 4096 || strings.ContainsRune(value, 0) {
			return nil, fmt.Errorf("cgroup v2 file %.100q", name)
		}
		d := by[controller]
		if d == nil {
			d = &demand{what: "cgroup v2 file " + name, v2: controller}
			by[controller] = d
		}
		d.files2 = append(d.files2, file{name, value})
	}
	var all []demand
	for _, d := range by {
		slices.SortFunc(d.files2, func(a, b file) int { return strings.Compare(a.name, b.name) })
		all = append(all, *d)
	}
	slices.SortFunc(all, func(a, b demand) int { return strings.Compare(a.v2, b.v2) })
	return all, nil
}

// orMax writes -1 as v2 and pids want it.
func orMax(n int64) string {
	if n == -1 {
		return "max"
	}
	return strconv.FormatInt(n, 10)
}
