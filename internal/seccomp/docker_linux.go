package seccomp

import (
	"slices"

	moby "github.com/moby/profiles/seccomp"
	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/coraclehq/coracle/internal/sys"
)

// Docker returns Docker's own default profile for a container with these
// capabilities in its bounding set. The caller owns the result.
func Docker(host sys.Arch, caps []string) (*specs.LinuxSeccomp, error) {
	abis, err := defaultABIs(host, true)
	if err != nil {
		return nil, err
	}
	d := moby.DefaultProfile()
	p := &d.LinuxSeccomp
	for _, m := range d.ArchMap {
		if m.Arch == abis[0].name {
			p.Architectures = append([]specs.Arch{m.Arch}, m.SubArches...)
		}
	}
	p.Syscalls, err = dockerRules(host, caps)
	return p, err
}

// dockerRules returns the rules of Docker's profile that concern the host.
func dockerRules(host sys.Arch, caps []string) ([]specs.LinuxSyscall, error) {
	var rules []specs.LinuxSyscall
	for _, s := range moby.DefaultProfile().Syscalls {
		if in := s.Includes; in != nil && (len(in.Arches) > 0 && !slices.Contains(in.Arches, mobyArch(host)) || !holdsAll(caps, in.Caps)) {
			continue
		}
		if ex := s.Excludes; ex != nil && (slices.Contains(ex.Arches, mobyArch(host)) || holdsAny(caps, ex.Caps)) {
			continue
		}
		// The conditions on the kernel's version, 4.8 at most, always hold.
		rules = append(rules, s.LinuxSyscall)
	}
	return rules, nil
}

// mobyArch is the host as Docker's profile names it.
func mobyArch(host sys.Arch) string {
	if host == sys.I386 {
		return "x86"
	}
	return string(host)
}
