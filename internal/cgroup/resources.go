package cgroup

import (
	"fmt"
	"io/fs"
	"math"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// FromSpec translates the resources of an OCI runtime spec (config-linux.md,
// "Control groups"). Nil limits nothing. A resource that cannot be limited here
// is an error that names its field by JSON pointer and wraps
// errors.ErrUnsupported; a value without meaning wraps fs.ErrInvalid. Devices are
// not part of the limits and left to the caller.
func FromSpec(r *specs.LinuxResources) (Limits, error) {
	var l Limits
	if r == nil {
		return l, nil
	}
	if p := r.Pids; p != nil && p.Limit != nil {
		l.Pids = *p.Limit
		if l.Pids == 0 {
			// The specification takes 0 for a limit, under which nothing can be
			// started. In a group with one process that is what 1 means, and that
			// process can be born in the group.
			l.Pids = 1
		}
	}
	for _, f := range []func(*Limits, *specs.LinuxResources) error{fromMemory, fromCPU, fromBlockIO, fromRest} {
		if err := f(&l, r); err != nil {
			return Limits{}, err
		}
	}
	return l, nil
}

func fromMemory(l *Limits, r *specs.LinuxResources) error {
	m := r.Memory
	if m == nil {
		return nil
	}
	for _, f := range []struct {
		name string
		in   *int64
		out  *int64
	}{{"limit", m.Limit, &l.Memory}, {"swap", m.Swap, &l.MemorySwap}, {"reservation", m.Reservation, &l.MemoryReservation}} {
		if f.in == nil {
			continue
		}
		if *f.in < -1 {
			return fmt.Errorf("/linux/resources/memory/%s: %d: %w", f.name, *f.in, fs.ErrInvalid)
		}
		*f.out = *f.in
	}
	switch {
	// Kernels from 5.4 on ignore kmem, and the specification allows to.
	case m.Swappiness != nil:
		return unsupported("memory/swappiness")
	case m.KernelTCP != nil && *m.KernelTCP > 0:
		return unsupported("memory/kernelTCP")
	case m.DisableOOMKiller != nil && *m.DisableOOMKiller:
		return unsupported("memory/disableOOMKiller")
	}
	return nil
}

func fromCPU(l *Limits, r *specs.LinuxResources) error {
	c := r.CPU
	if c == nil {
		return nil
	}
	l.CPUQuota, l.CPUPeriod, l.CPUBurst, l.CPUShares = value(c.Quota), value(c.Period), value(c.Burst), value(c.Shares)
	l.CPUs, l.Mems = c.Cpus, c.Mems
	// Zero shares were always taken for "not given" and one for the least.
	if l.CPUShares == 1 {
		l.CPUShares = minShares
	}
	l.CPUShares = min(l.CPUShares, maxShares)
	switch idle := value(c.Idle); idle {
	case 0, 1:
		l.CPUIdle = idle == 1
	default:
		return fmt.Errorf("/linux/resources/cpu/idle: %d: %w", idle, fs.ErrInvalid)
	}
	if value(c.RealtimeRuntime) != 0 || value(c.RealtimePeriod) != 0 {
		return unsupported("cpu/realtimeRuntime")
	}
	return nil
}

func fromBlockIO(l *Limits, r *specs.LinuxResources) error {
	b := r.BlockIO
	if b == nil {
		return nil
	}
	if value(b.Weight) != 0 || value(b.LeafWeight) != 0 || len(b.WeightDevice) > 0 {
		return unsupported("blockIO/weight")
	}
	add := func(devs []specs.LinuxThrottleDevice, rate func(*Throttle) *uint64) {
		for _, d := range devs {
			t := Throttle{Major: d.Major, Minor: d.Minor}
			*rate(&t) = d.Rate
			l.Throttles = append(l.Throttles, t)
		}
	}
	add(b.ThrottleReadBpsDevice, func(t *Throttle) *uint64 { return &t.ReadBPS })
	add(b.ThrottleWriteBpsDevice, func(t *Throttle) *uint64 { return &t.WriteBPS })
	add(b.ThrottleReadIOPSDevice, func(t *Throttle) *uint64 { return &t.ReadIOPS })
	add(b.ThrottleWriteIOPSDevice, func(t *Throttle) *uint64 { return &t.WriteIOPS })
	return nil
}

func fromRest(l *Limits, r *specs.LinuxResources) error {
	for _, h := range r.HugepageLimits {
		l.HugePages = append(l.HugePages, HugePages{Size: h.Pagesize, Limit: min(h.Limit, math.MaxInt64)})
	}
	l.Unified = r.Unified
	switch {
	case r.Network != nil && (value(r.Network.ClassID) != 0 || len(r.Network.Priorities) > 0):
		return unsupported("network")
	case len(r.Rdma) > 0:
		return unsupported("rdma")
	}
	return nil
}

// value is *p, or zero for nil, which is what the fields of Limits mean by "not
// given".
func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}
