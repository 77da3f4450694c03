package compile

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/coraclehq/coracle/internal/namespace"
	"github.com/coraclehq/coracle/internal/probe"
	"github.com/coraclehq/coracle/internal/script"
	"github.com/coraclehq/coracle/internal/sys"
)

// CloneFlags returns the CLONE_NEW flags that a container's first process is
// cloned with. The cgroup namespace is not among them, because the script makes
// it once the process is in its cgroups, nor is the time namespace, which begins
// with the exec.
func CloneFlags(s *specs.Spec) (uint64, error) {
	made, _, err := resolveNamespaces(s)
	return made.Without(namespace.Cgroup).Without(namespace.Time).Flags(), err
}

// ExecFlags returns the CLONE_NEW flags of the namespaces that a process joins to
// be in the container: all that the spec lists, but the pid namespace, which a
// process enters by being cloned.
func ExecFlags(s *specs.Spec) (uint64, error) {
	made, joined, err := resolveNamespaces(s)
	for k := range joined {
		made = made.With(k)
	}
	return made.Without(namespace.PID).Flags(), err
}

// Joined returns the paths of the namespaces that a container does not make for
// itself.
func Joined(s *specs.Spec) (map[namespace.Kind]string, error) {
	_, joined, err := resolveNamespaces(s)
	return joined, err
}

func resolveNamespaces(s *specs.Spec) (made namespace.Set, joined map[namespace.Kind]string, err error) {
	if s.Linux == nil {
		return 0, nil, invalid("/linux", "is missing")
	}
	made, joined, err = namespace.Resolve(s.Linux.Namespaces)
	if err != nil {
		// The error's text begins with the pointer.
		pointer, what, _ := strings.Cut(err.Error(), ": ")
		return 0, nil, &SpecError{pointer, errors.New(what)}
	}
	if !made.Has(namespace.Mount) {
		return 0, nil, unsupported(namespacePointer(s, namespace.Mount), "a container without a mount namespace of its own")
	}
	if _, ok := joined[namespace.User]; ok || made.Has(namespace.User) {
		return 0, nil, unsupported(namespacePointer(s, namespace.User), "user namespace")
	}
	return made, joined, nil
}

// namespacePointer is where a kind stands in a spec, or where it is missed.
func namespacePointer(s *specs.Spec, k namespace.Kind) string {
	i := slices.IndexFunc(s.Linux.Namespaces, func(n specs.LinuxNamespace) bool { return n.Type == k.Spec() })
	if i < 0 {
		return "/linux/namespaces"
	}
	return at("linux", "namespaces", i)
}

// makeTime makes the time namespace. The process itself enters it at the exec:
// 2b5f9dad32ed ("fs/exec: switch timens when a task gets a new mm"), Linux 6.2.
func (c *container) makeTime() error {
	if !c.made.Has(namespace.Time) {
		return nil
	}
	if !c.Kernel.TimeExec {
		return &SpecError{namespacePointer(c.spec, namespace.Time), &probe.UnsupportedError{
			Feature: "time namespace", Kernel: "6.2", Hint: "leave it out of the spec", Err: errors.ErrUnsupported,
		}}
	}
	c.Op(script.Unshare, cloneFlags(sys.CLONE_NEWTIME)).Doing("make the time namespace")
	var offsets strings.Builder
	for _, clock := range []string{"monotonic", "boottime"} {
		if o, ok := c.spec.Linux.TimeOffsets[clock]; ok {
			fmt.Fprintf(&offsets, "%s %d %d\n", clock, o.Secs, o.Nanosecs)
		}
	}
	if offsets.Len() > 0 {
		c.writeSelf("timens_offsets", offsets.String(), "set the offsets of the clocks")
	}
	return nil
}

// oomScoreAdj says how readily the kernel kills this process for want of memory.
func (c *compiler) oomScoreAdj(adj int) {
	c.writeSelf("oom_score_adj", fmt.Sprint(adj), fmt.Sprintf("set oom_score_adj to %d", adj))
}

// writeSelf writes a file of this process in the host's /proc. The container's
// cannot be trusted: CVE-2025-52881, writes that were led elsewhere.
func (c *compiler) writeSelf(name, value, doing string) {
	fd := c.cell(name)
	c.open(script.CWD, "/proc/self/"+name, sys.O_WRONLY|sys.O_CLOEXEC, sys.RESOLVE_NO_MAGICLINKS).Into(fd).Doing("open /proc/self/" + name)
	c.Op(script.Write, load(fd), script.Str(value), script.Num(len(value))).Doing(doing)
	c.Op(script.Close, load(fd)) // it leads to the host's proc
}
