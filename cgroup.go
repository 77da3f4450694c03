package coracle

import (
	"fmt"

	"github.com/coraclehq/coracle/internal/cgroup"
)

// Limits bound what a container may use. Zero means the default.
type Limits struct {
	// PIDs bounds processes and threads; 0: 4096; -1: no limit.
	PIDs int64
	// Memory bounds memory and page cache in bytes, and allows no swap beside; 0: no
	// limit.
	Memory int64
	// CPUs bounds processor time, as a number of processors, at least 0.01: 1.5; 0:
	// no limit.
	CPUs float64
}

const defaultPIDs = 4096

// resolve are the limits in the words of the cgroup.
func (l Limits) resolve() (cgroup.Limits, error) {
	const period = 100_000 // microseconds
	if l.PIDs < -1 || l.Memory < 0 || l.CPUs < 0 || l.CPUs > 1<<20 {
		return cgroup.Limits{}, fmt.Errorf("limits %+v: %w", l, ErrInvalid)
	}
	r := cgroup.Limits{Pids: l.PIDs, Memory: l.Memory}
	if r.Pids == 0 {
		r.Pids = defaultPIDs
	}
	if l.Memory > 0 {
		r.MemorySwap = l.Memory
	}
	if l.CPUs > 0 {
		r.CPUPeriod, r.CPUQuota = period, max(int64(l.CPUs*period), 1000)
	}
	return r, nil
}
