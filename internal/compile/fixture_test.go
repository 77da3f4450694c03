package compile_test

import (
	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/coraclehq/coracle/internal/compile"
	"github.com/coraclehq/coracle/internal/cred"
	"github.com/coraclehq/coracle/internal/script"
	"github.com/coraclehq/coracle/internal/seccomp"
	"github.com/coraclehq/coracle/internal/sys"
)

// allow is a filter that allows everything on amd64 and arm64.
func allow() seccomp.Filter {
	return seccomp.Filter{{Code: sys.BPF_RET | sys.BPF_K, K: sys.SECCOMP_RET_ALLOW}}
}

// defaultSpec is a container as it is when nothing is asked for.
func defaultSpec() *specs.Spec {
	score, caps := 200, cred.DefaultCapabilities()
	return &specs.Spec{
		Version: specs.Version,
		Process: &specs.Process{
			Args: []string{"/bin/true"}, Env: []string{"PATH=/bin", "HOME=/root"}, Cwd: "/",
			Capabilities: &specs.LinuxCapabilities{Bounding: caps, Effective: caps, Permitted: caps},
			Rlimits:      []specs.POSIXRlimit{{Type: "RLIMIT_CORE"}, {Type: "RLIMIT_NOFILE", Soft: 1024, Hard: 2048}},
			OOMScoreAdj:  &score,
		},
		Root:     &specs.Root{Path: "rootfs"},
		Hostname: "box",
		Mounts:   compile.DefaultMounts(false),
		Linux: &specs.Linux{
			Namespaces:    compile.DefaultNamespaces(false),
			MaskedPaths:   compile.DefaultMaskedPaths(nil),
			ReadonlyPaths: compile.DefaultReadonlyPaths(),
			Sysctl:        compile.DefaultSysctls(),
			Seccomp:       &specs.LinuxSeccomp{},
		},
	}
}

// places are those of a kernel where each default path is what it usually is.
func places() map[string]compile.Place {
	m := map[string]compile.Place{}
	for _, p := range append(compile.DefaultMaskedPaths(nil), compile.DefaultReadonlyPaths()...) {
		m[p] = compile.File
	}
	for _, p := range []string{
		"/proc/acpi", "/proc/scsi", "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/sys/class/dmi", "/sys/devices/virtual/dmi",
		"/sys/devices/virtual/powercap", "/sys/firmware", "/sys/kernel/btf", "/sys/kernel/slab",
		"/sys/kernel/debug", "/sys/kernel/security", "/sys/kernel/tracing",
	} {
		m[p] = compile.Directory
	}
	for _, p := range []string{"/proc/asound", "/proc/latency_stats", "/proc/sched_debug", "/proc/timer_stats", "/sys/fs/selinux"} {
		m[p] = compile.Absent
	}
	return m
}

func fd(n int, name string) script.FD { return script.FD{N: n, Name: name} }

// defaultInput is what the spec is compiled with: Linux 6.18, everything there.
func defaultInput() compile.ContainerInput {
	return compile.ContainerInput{
		Common: compile.Common{
			Seccomp: allow(),
			FDs: compile.FDs{
				Status: fd(10, "status"), Join: []script.FD{fd(12, "pids"), fd(13, "memory")},
				Stdio: [3]script.FD{{}, fd(14, "stdout"), fd(15, "stderr")},
			},
			Kernel: compile.Kernel{CloseRange: true, MountSetattr: true, TimeExec: true, LastCap: 40, PageSize: 4096, Places: places()},
		},
		Spec: defaultSpec(),
		Root: compile.Root{Store: "/var/lib/coracle", Dir: "containers/c1/rootfs", Overlay: "lowerdir=layers/b/fs:layers/a/fs,upperdir=containers/c1/upper,workdir=containers/c1/work"},
	}
}
