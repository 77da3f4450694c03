package seccomp

import (
	"fmt"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/coraclehq/coracle/internal/sys"
)

// Default returns the built-in profile: Docker's, less what containers can do
// without.
//
//   - ptrace, process_vm_readv, process_vm_writev, name_to_handle_at and
//     modify_ldt are denied, as are personalities other than 0.
//   - socket and socketpair know the families UNIX, INET, INET6 and NETLINK; for
//     others they give EAFNOSUPPORT, and EPROTONOSUPPORT for NETLINK_AUDIT,
//     as on kernels without them. useradd(8) of Debian, say, goes on without
//     audit then, but aborts on EPERM.
//   - Denied calls give EPERM. Calls newer than the profile give ENOSYS, and so
//     does clone3, whose flags lie in memory: libraries then use clone.
//   - Only native programs run, unless Compat32 is set.
//
// It is an ordinary profile: runtimes that use libseccomp understand it, too,
// except that they refuse the rules for socketcall that come with Compat32. The
// caller owns the result.
func Default(host sys.Arch, o Options) (*specs.LinuxSeccomp, error) {
	abis, err := defaultABIs(host, o.Compat32)
	if err != nil {
		return nil, err
	}
	eperm := uint(sys.EPERM)
	p := &specs.LinuxSeccomp{DefaultAction: specs.ActErrno, DefaultErrnoRet: &eperm}
	for _, a := range abis {
		p.Architectures = append(p.Architectures, a.name)
	}
	docker, err := dockerRules(host, o.Caps)
	if err != nil {
		return nil, err
	}
	names := make(map[string]bool) // without conditions
	for _, s := range docker {
		switch {
		case s.Action == specs.ActAllow && len(s.Args) == 0:
			for _, n := range s.Names {
				names[n] = true
			}
		case slices.Equal(s.Names, []string{"socket"}), slices.Equal(s.Names, []string{"personality"}):
			// There are rules of its own for it below.
		default:
			p.Syscalls = append(p.Syscalls, s)
		}
	}
	for _, n := range removed(o) {
		delete(names, n)
	}
	for _, n := range debugCalls() {
		names[n] = names[n] || o.Debug
	}
	p.Syscalls = append(p.Syscalls, personalityRules(o.Debug)...)
	p.Syscalls = append(p.Syscalls, socketRules(o)...)
	if slices.ContainsFunc(abis, func(a abi) bool { return a.arch == sys.I386 }) {
		p.Syscalls = append(p.Syscalls, socketcallRules(o.Socketcall)...)
	}
	allowed, denied := divide(abis, names, p.Syscalls)
	p.Syscalls = append(p.Syscalls,
		specs.LinuxSyscall{Names: allowed, Action: specs.ActAllow},
		// The default, but said: what is named is known, and gives no ENOSYS.
		specs.LinuxSyscall{Names: denied, Action: specs.ActErrno, ErrnoRet: &eperm})
	return p, nil
}

func defaultABIs(host sys.Arch, compat bool) ([]abi, error) {
	abis := abisOf(host)
	switch {
	case len(abis) == 0:
		return nil, fmt.Errorf("seccomp profile: none built in for %q", host)
	case !compat:
		return abis[:1], nil
	}
	return slices.DeleteFunc(abis, func(a abi) bool { return a.x32 }), nil
}

func holdsAll(caps, want []string) bool {
	return !slices.ContainsFunc(want, func(c string) bool { return !slices.Contains(caps, c) })
}

func holdsAny(caps, want []string) bool {
	return slices.ContainsFunc(want, func(c string) bool { return slices.Contains(caps, c) })
}

// debugCalls are allowed by Debug or CAP_SYS_PTRACE.
func debugCalls() []string {
	return []string{"ptrace", "process_vm_readv", "process_vm_writev"}
}

// removed lists what Docker allows and Default does not.
func removed(o Options) []string {
	// They have conditions here.
	gone := []string{"personality", "socket", "socketpair", "socketcall"}
	if !slices.Contains(o.Caps, "CAP_SYS_PTRACE") {
		gone = append(gone, debugCalls()...)
	}
	// File handles lead around the container's root together with
	// open_by_handle_at (the "shocker" exploit of 2014), and identify inodes.
	if !slices.Contains(o.Caps, "CAP_DAC_READ_SEARCH") {
		gone = append(gone, "name_to_handle_at")
	}
	if !o.Compat32 {
		gone = append(gone, "modify_ldt")
	}
	return gone
}

// divide sorts the calls that the ABIs have into allowed ones and those that no
// rule allows. Calls newer than all that a rule knows are in neither.
func divide(abis []abi, names map[string]bool, rules []specs.LinuxSyscall) (allowed, denied []string) {
	ruled := make(map[string]bool)
	for _, r := range rules {
		for _, n := range r.Names {
			ruled[n] = true
		}
	}
	seen := make(map[string]bool)
	for _, a := range abis {
		calls := a.arch.Calls()
		newest := 0
		for nr, n := range calls {
			if names[n] || ruled[n] {
				newest = max(newest, nr)
			}
		}
		for nr, n := range calls {
			switch {
			case seen[n]:
			case names[n]:
				allowed = append(allowed, n)
			case !ruled[n] && nr < newest:
				denied = append(denied, n)
			}
			seen[n] = true
		}
	}
	slices.Sort(allowed)
	slices.Sort(denied)
	return allowed, denied
}
