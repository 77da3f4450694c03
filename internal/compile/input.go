package compile

import (
	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/coraclehq/coracle/internal/namespace"
	"github.com/coraclehq/coracle/internal/script"
	"github.com/coraclehq/coracle/internal/seccomp"
)

// FDs are the descriptors that the process inherits. Numbers below 3 stand for
// none, so the zero FD is none.
type FDs struct {
	// Status takes "r" at the gate, and when the exec failed one message with the
	// root directory (SCM_RIGHTS), ahead of the failing op's 16 bytes. It is a
	// SEQPACKET socket that comes to its end with the exec.
	Status script.FD

	// Gate, when there is one, is read before the exec: one byte lets the process
	// on, the end of file makes it exit with code 1.
	Gate script.FD

	// Join are cgroup files that the process writes itself into. They are empty when
	// whoever cloned it has joined already.
	Join []script.FD

	// Namespaces are those that the spec gives by path, except the pid namespace,
	// which can be entered only by a clone; and ready-made ones, for which the spec
	// has no path, and whose flag is then taken out of CloneFlags. A ready-made one
	// is the container's own: its sysctls are set, its loopback device brought up.
	Namespaces map[namespace.Kind]script.FD

	// Target is the pidfd of the container's first process, for Exec.
	Target script.FD

	// Stdio is what becomes 0, 1 and 2; none: the container's own /dev/null. It is
	// not used with a terminal.
	Stdio [3]script.FD

	// Give says which of Stdio become the property of the user, so that a program
	// that is not root can open /dev/stdout again. Only pipes made for this process
	// are to be given away.
	Give [3]bool

	// Terminal is the socket over which a terminal's master is sent (one byte, one
	// descriptor).
	Terminal script.FD
}

func none(f script.FD) bool { return f.N < 3 }

// Common is what the first process of a container and one that joins it have in
// common.
type Common struct {
	// Process is used by Exec; Container takes the spec's.
	Process *specs.Process

	// Program holds the paths that are tried in turn; nil: those of cred.Candidates.
	Program []string

	// Seccomp is the spec's filter, compiled. Container refuses a spec that has a
	// filter where this is empty, and one that is given where the spec has none.
	Seccomp      seccomp.Filter
	SeccompFlags uint32

	FDs    FDs
	Kernel Kernel

	// Ignored are the signals that the host program ignores: SIG_IGN survives
	// CLONE_CLEAR_SIGHAND and execve(2).
	Ignored []int
}

// ContainerInput is what Container compiles.
type ContainerInput struct {
	Common
	Spec *specs.Spec
	Root Root

	// Sources are the facts about the sources of bind mounts, by source path.
	Sources map[string]Source

	// Cgroups are what a mount of type cgroup shows: nil is the unified hierarchy
	// (v2), else each is mounted under its name on a tmpfs (v1).
	Cgroups []Cgroup

	// LoopbackUp says that a ready-made network namespace has its loopback device up.
	LoopbackUp bool
}

// ExecInput is what Exec compiles. The process was cloned into the container's
// pid namespace and cgroups.
type ExecInput struct {
	Common

	// Namespaces are the CLONE_NEW flags of what is joined through FDs.Target: see
	// [ExecFlags].
	Namespaces uint64
}

// Root says how the root file system comes about.
type Root struct {
	// Store is the absolute path of the directory that the names in Dir, Overlay and
	// Layers are relative to. It is a path because a directory that was opened outside
	// lies on a mount of the outside's namespace, which overlay refuses (EINVAL).
	Store string

	// Dir is the container's own empty directory, where the root is mounted.
	Dir string

	// Overlay are the options of an overlay; Layers the same one by one, for lists
	// that do not fit into the page that mount(2) copies (Linux 6.7, lowerdir+). At
	// most one of the two is set.
	Overlay string
	Layers  []Option

	// Bind is an existing directory that becomes the root, by an absolute path on
	// the host (a bundle's rootfs). It excludes Overlay and Layers.
	Bind string

	// Nosuid makes the kernel ignore set-user-ID bits and file capabilities. Device
	// nodes in the root never work: the container's own are on /dev.
	Nosuid bool

	// Mask, when not empty, is a layer made in memory and mounted on Dir beforehand,
	// where Overlay then names it as its first lower.
	Mask []Mask

	// Lower, when not empty, are the options of a read-only overlay that is mounted on
	// Dir/lower beforehand, where Overlay then names it as its last lower. The mask
	// layer lies in Dir/mask then. It is for layers on top of the host's own root, which
	// they lie in: one overlay of both is refused (ELOOP).
	Lower string
}

// Option is a parameter of fsconfig(2). An empty value sets a flag.
type Option struct{ Key, Value string }

// Mask is a place that the mask layer hides.
type Mask struct {
	Path string // clean and absolute

	// Mode is that of the empty directory which stands there instead. 0: nothing
	// stands there (a whiteout).
	Mode uint32
}

// Cgroup is a hierarchy of cgroup v1.
type Cgroup struct {
	Name    string   // directory below the mount: cpu,cpuacct
	Options string   // of the mount: cpu,cpuacct; name=systemd
	Links   []string // further names for it: cpu, cpuacct
}

// Kernel are facts about the running kernel. The zero Kernel has nothing that
// came after Linux 5.10.
type Kernel struct {
	CloseRange   bool // close_range(2) with CLOSE_RANGE_CLOEXEC, Linux 5.11
	MountSetattr bool // Linux 5.12
	TimeExec     bool // execve(2) enters the new time namespace, Linux 6.2

	LastCap  int // /proc/sys/kernel/cap_last_cap; 0: unknown
	PageSize int // bytes; 0: 4096

	// Places says what stands at paths of a fresh proc and sysfs. What a path is
	// that is not in it is found out by the script, which takes longer.
	Places map[string]Place
}

// Place says what stands at a path.
type Place uint8

const (
	Unknown Place = iota
	Absent
	File // anything but a directory
	Directory
)

// Source is what is known about the source of a bind mount.
type Source struct {
	File bool // not a directory

	// Flags are the MS_ flags of the mount that it lies on. They are needed only
	// where Kernel.MountSetattr is false: setting flags there replaces them all.
	Flags uint64
}
