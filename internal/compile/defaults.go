package compile

import "github.com/opencontainers/runtime-spec/specs-go"

// DefaultMounts returns what a container has mounted before anything of its own:
// proc, dev with pts, shm and mqueue, sys read-only. With cgroup, its cgroups too,
// read-only; on a host with cgroup v1 that is a mount for each hierarchy.
func DefaultMounts(cgroup bool) []specs.Mount {
	m := []specs.Mount{
		{Destination: "/proc", Type: "proc", Source: "proc", Options: []string{"nosuid", "noexec", "nodev"}},
		{Destination: "/dev", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "strictatime", "mode=755", "size=65536k"}},
		{Destination: "/dev/pts", Type: "devpts", Source: "devpts", Options: []string{"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}},
		{Destination: "/dev/shm", Type: "tmpfs", Source: "shm", Options: []string{"nosuid", "noexec", "nodev", "mode=1777", "size=65536k"}},
		{Destination: "/dev/mqueue", Type: "mqueue", Source: "mqueue", Options: []string{"nosuid", "noexec", "nodev"}},
		{Destination: "/sys", Type: "sysfs", Source: "sysfs", Options: []string{"nosuid", "noexec", "nodev", "ro"}},
	}
	if cgroup {
		m = append(m, specs.Mount{Destination: "/sys/fs/cgroup", Type: "cgroup", Source: "cgroup", Options: []string{"nosuid", "noexec", "nodev", "relatime", "ro"}})
	}
	return m
}

// DefaultMaskedPaths returns the paths of proc and sysfs that tell of the host or
// act on it. found are those that exist in a number or under a name of the
// machine's own: [MaskedHere].
//
// /sys/module/*/sections is not among them, though it holds addresses of the
// kernel: since Linux 5.8 they read as 0 without CAP_SYSLOG (b25a7c5af905,
// "module: Do not expose section addresses to non-CAP_SYSLOG").
func DefaultMaskedPaths(found []string) []string {
	return append([]string{
		"/proc/acpi",
		"/proc/asound",
		"/proc/config.gz",
		"/proc/interrupts",
		"/proc/kallsyms",
		"/proc/kcore",
		"/proc/keys",
		"/proc/kmsg",
		"/proc/latency_stats",
		"/proc/mtrr",
		"/proc/pagetypeinfo",
		"/proc/sched_debug",
		"/proc/scsi",
		"/proc/slabinfo",
		"/proc/timer_list",
		"/proc/timer_stats",
		"/proc/vmallocinfo",
		"/sys/class/dmi",
		"/sys/devices/virtual/dmi", // where the links of the former lead
		"/sys/devices/virtual/powercap",
		"/sys/firmware",
		"/sys/fs/selinux",
		"/sys/kernel/btf",
		"/sys/kernel/debug",
		"/sys/kernel/security",
		"/sys/kernel/slab",
		"/sys/kernel/tracing",
	}, found...)
}

// DefaultReadonlyPaths returns the paths of proc through which the host could be
// changed.
func DefaultReadonlyPaths() []string {
	return []string{"/proc/asound", "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"}
}

// DefaultDevices returns the devices that every container has on its /dev,
// whether its spec lists them or not (config-linux.md, "Default Devices").
func DefaultDevices() []specs.LinuxDevice {
	return []specs.LinuxDevice{
		{Path: "/dev/null", Type: "c", Major: 1, Minor: 3},
		{Path: "/dev/zero", Type: "c", Major: 1, Minor: 5},
		{Path: "/dev/full", Type: "c", Major: 1, Minor: 7},
		{Path: "/dev/random", Type: "c", Major: 1, Minor: 8},
		{Path: "/dev/urandom", Type: "c", Major: 1, Minor: 9},
		{Path: "/dev/tty", Type: "c", Major: 5, Minor: 0},
	}
}

// DefaultSysctls returns what a container with a network namespace of its own
// sets there: services listen on low ports and ping works, without a capability.
func DefaultSysctls() map[string]string {
	return map[string]string{
		"net.ipv4.ip_unprivileged_port_start": "0",
		"net.ipv4.ping_group_range":           "0 2147483647",
	}
}

// DefaultNamespaces returns the namespaces of a container that shares none: all
// but the user namespace. With time, a time namespace too: Kernel.TimeExec.
func DefaultNamespaces(time bool) []specs.LinuxNamespace {
	n := []specs.LinuxNamespace{
		{Type: specs.PIDNamespace}, {Type: specs.NetworkNamespace}, {Type: specs.IPCNamespace}, {Type: specs.UTSNamespace},
		{Type: specs.MountNamespace}, {Type: specs.CgroupNamespace},
	}
	if time {
		n = append(n, specs.LinuxNamespace{Type: specs.TimeNamespace})
	}
	return n
}
