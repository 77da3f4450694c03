package namespace

import (
	"fmt"
	"io/fs"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/coraclehq/coracle/internal/sys"
)

// Kind is one kind of namespace, see namespaces(7). The zero Kind is none.
type Kind uint8

// The kinds, in the order in which setns(2) is safe one at a time: the user
// namespace first, since it holds the right to join the others, the mount namespace
// last, since /proc/<pid>/ns of the outside is out of reach afterwards.
const (
	_ Kind = iota
	User
	IPC
	UTS
	Network
	PID
	Time
	Cgroup
	Mount
)

// Kinds lists all kinds in that order.
func Kinds() []Kind { return []Kind{User, IPC, UTS, Network, PID, Time, Cgroup, Mount} }

// facts are a kind's names: the flag of clone(2), unshare(2) and setns(2), the
// file in /proc/<pid>/ns, and the type in the OCI runtime spec.
type facts struct {
	flag uint64
	proc string
	spec specs.LinuxNamespaceType
}

func (k Kind) facts() facts {
	switch k {
	case User:
		return facts{sys.CLONE_NEWUSER, "user", specs.UserNamespace}
	case IPC:
		return facts{sys.CLONE_NEWIPC, "ipc", specs.IPCNamespace}
	case UTS:
		return facts{sys.CLONE_NEWUTS, "uts", specs.UTSNamespace}
	case Network:
		return facts{sys.CLONE_NEWNET, "net", specs.NetworkNamespace}
	case PID:
		return facts{sys.CLONE_NEWPID, "pid", specs.PIDNamespace}
	case Time:
		return facts{sys.CLONE_NEWTIME, "time", specs.TimeNamespace}
	case Cgroup:
		return facts{sys.CLONE_NEWCGROUP, "cgroup", specs.CgroupNamespace}
	case Mount:
		return facts{sys.CLONE_NEWNS, "mnt", specs.MountNamespace}
	}
	return facts{}
}

// Flag is the CLONE_NEW* flag, 0 for none. CLONE_NEWTIME lies in the byte that
// clone(2) uses for the exit signal: only clone3(2), unshare(2) and setns(2) take
// it.
func (k Kind) Flag() uint64 { return k.facts().flag }

// Proc is the file's name in /proc/<pid>/ns of the namespace that the process
// itself is in. What its children will be in is that of PID and Time with
// "_for_children".
func (k Kind) Proc() string { return k.facts().proc }

// Spec is the type in an OCI runtime spec.
func (k Kind) Spec() specs.LinuxNamespaceType { return k.facts().spec }

// String is the name in the OCI runtime spec, which is also what users type.
func (k Kind) String() string {
	if s := k.facts().spec; s != "" {
		return string(s)
	}
	return fmt.Sprintf("namespace kind %d", uint8(k))
}

// FromSpec finds the kind of a type in an OCI runtime spec. One that is not in
// the specification wraps fs.ErrInvalid.
func FromSpec(t specs.LinuxNamespaceType) (Kind, error) {
	for _, k := range Kinds() {
		if k.Spec() == t {
			return k, nil
		}
	}
	return 0, fmt.Errorf("namespace type %.100q: %w", string(t), fs.ErrInvalid)
}

// FromProc finds the kind of a file in /proc/<pid>/ns, "pid_for_children" and
// "time_for_children" included.
func FromProc(name string) (Kind, error) {
	base := strings.TrimSuffix(name, "_for_children")
	for _, k := range Kinds() {
		if k.Proc() == base && (base == name || k == PID || k == Time) {
			return k, nil
		}
	}
	return 0, fmt.Errorf("namespace file %.100q: %w", name, fs.ErrInvalid)
}

// Set is a set of kinds. The zero Set is empty.
type Set uint16

// SetOf makes a set.
func SetOf(kinds ...Kind) Set {
	var s Set
	for _, k := range kinds {
		s |= 1 << k
	}
	return s
}

// FromFlags picks the kinds out of clone flags; the other flags are ignored.
func FromFlags(flags uint64) Set {
	var s Set
	for _, k := range Kinds() {
		if flags&k.Flag() != 0 {
			s |= 1 << k
		}
	}
	return s
}

// Has says whether k is in the set.
func (s Set) Has(k Kind) bool { return s>>k&1 == 1 }

// With returns the set and k.
func (s Set) With(k Kind) Set { return s | 1<<k }

// Without returns the set less k.
func (s Set) Without(k Kind) Set { return s &^ (1 << k) }

// Kinds lists the members in the order of Kinds.
func (s Set) Kinds() []Kind {
	var in []Kind
	for _, k := range Kinds() {
		if s.Has(k) {
			in = append(in, k)
		}
	}
	return in
}

// Flags is the union of the members' flags.
func (s Set) Flags() uint64 {
	var f uint64
	for _, k := range s.Kinds() {
		f |= k.Flag()
	}
	return f
}

// String lists the members: "pid,network".
func (s Set) String() string {
	var names []string
	for _, k := range s.Kinds() {
		names = append(names, k.String())
	}
	return strings.Join(names, ",")
}

// Resolve sorts the namespaces of an OCI runtime spec into those that are made
// and those that are joined, by path. A kind that stands twice, or a path that is
// not absolute, wraps fs.ErrInvalid (config-linux.md, "Namespaces").
func Resolve(list []specs.LinuxNamespace) (made Set, joined map[Kind]string, err error) {
	joined = map[Kind]string{}
	var seen Set
	for i, n := range list {
		k, err := FromSpec(n.Type)
		if err != nil {
			return 0, nil, fmt.Errorf("/linux/namespaces/%d/type: %w", i, err)
		}
		if seen.Has(k) {
			return 0, nil, fmt.Errorf("/linux/namespaces/%d: a second %s namespace: %w", i, k, fs.ErrInvalid)
		}
		seen = seen.With(k)
		switch {
		case n.Path == "":
			made = made.With(k)
		case !strings.HasPrefix(n.Path, "/") || strings.ContainsRune(n.Path, 0):
			return 0, nil, fmt.Errorf("/linux/namespaces/%d/path: %.200q is not absolute: %w", i, n.Path, fs.ErrInvalid)
		default:
			joined[k] = n.Path
		}
	}
	return made, joined, nil
}
