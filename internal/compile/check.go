package compile

import (
	"path"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/coraclehq/coracle/internal/cred"
	"github.com/coraclehq/coracle/internal/script"
)

// checkSpec refuses the fields of a spec that the script does not carry out. What
// is not looked at here or elsewhere in the package belongs to others: resources
// and cgroupsPath to package cgroup, annotations to nobody.
func checkSpec(s *specs.Spec) error {
	if s.Linux == nil {
		return invalid("/linux", "is missing")
	}
	for _, f := range []struct {
		pointer string
		given   bool
	}{
		{"/hooks", s.Hooks != nil && hooks(s.Hooks) > 0},
		{"/solaris", s.Solaris != nil}, {"/windows", s.Windows != nil}, {"/vm", s.VM != nil}, {"/zos", s.ZOS != nil}, {"/freebsd", s.FreeBSD != nil},
		{"/linux/uidMappings", len(s.Linux.UIDMappings) > 0}, {"/linux/gidMappings", len(s.Linux.GIDMappings) > 0},
		{"/linux/netDevices", len(s.Linux.NetDevices) > 0}, {"/linux/mountLabel", s.Linux.MountLabel != ""},
		{"/linux/intelRdt", s.Linux.IntelRdt != nil}, {"/linux/memoryPolicy", s.Linux.MemoryPolicy != nil},
		{"/linux/seccomp/listenerPath", s.Linux.Seccomp != nil && s.Linux.Seccomp.ListenerPath != ""},
	} {
		if f.given {
			return unsupported(f.pointer, "is given")
		}
	}
	for clock := range s.Linux.TimeOffsets {
		if clock != "monotonic" && clock != "boottime" {
			return invalid(at("linux", "timeOffsets", clock), "is no clock of a time namespace")
		}
	}
	return nil
}

func hooks(h *specs.Hooks) int {
	//lint:ignore SA1019 a spec may still have prestart hooks
	return len(h.Prestart) + len(h.CreateRuntime) + len(h.CreateContainer) + len(h.StartContainer) + len(h.Poststart) + len(h.Poststop)
}

// maxName is the kernel's __NEW_UTS_LEN.
const maxName = 64

// checkNames looks at host and domain name, which belong to a uts namespace.
func checkNames(s *specs.Spec, own bool) error {
	for _, n := range []struct{ pointer, name string }{{"/hostname", s.Hostname}, {"/domainname", s.Domainname}} {
		switch {
		case n.name == "":
		case !own:
			return invalid(n.pointer, "the uts namespace is not the container's own")
		case len(n.name) > maxName:
			return invalid(n.pointer, "%d bytes, more than the kernel's %d", len(n.name), maxName)
		case strings.ContainsFunc(n.name, func(r rune) bool { return r <= ' ' || r == 0x7f }):
			return invalid(n.pointer, "%.100q has a space or a control character in it", n.name)
		}
	}
	return nil
}

// checkProcess looks at the fields of the process, and fills in its program.
func (c *compiler) checkProcess() error {
	p := c.Process
	if p == nil {
		return invalid("/process", "is missing")
	}
	for _, f := range []struct {
		pointer string
		given   bool
	}{
		{"/process/apparmorProfile", p.ApparmorProfile != ""}, {"/process/selinuxLabel", p.SelinuxLabel != ""},
		{"/process/scheduler", p.Scheduler != nil}, {"/process/ioPriority", p.IOPriority != nil},
		{"/process/execCPUAffinity", p.ExecCPUAffinity != nil}, {"/process/commandLine", p.CommandLine != ""},
	} {
		if f.given {
			return unsupported(f.pointer, "is given")
		}
	}
	switch {
	case !path.IsAbs(p.Cwd) || strings.ContainsRune(p.Cwd, 0) || len(p.Cwd) >= 4096:
		return invalid("/process/cwd", "%.200q is not an absolute path", p.Cwd)
	case p.User.UID > maxID:
		return invalid("/process/user/uid", "%d is more than %d", p.User.UID, maxID)
	case p.User.GID > maxID:
		return invalid("/process/user/gid", "%d is more than %d", p.User.GID, maxID)
	case p.User.Umask != nil && *p.User.Umask > 0o777:
		return invalid("/process/user/umask", "%#o is more than permissions", *p.User.Umask)
	case p.OOMScoreAdj != nil && (*p.OOMScoreAdj < -1000 || *p.OOMScoreAdj > 1000):
		return invalid("/process/oomScoreAdj", "%d is not between -1000 and 1000", *p.OOMScoreAdj)
	}
	if err := checkGroups(p.User.AdditionalGids); err != nil {
		return err
	}
	if err := c.checkStrings(); err != nil {
		return err
	}
	if err := c.checkDescriptors(); err != nil {
		return err
	}
	return c.checkTerminal()
}

// maxID keeps IDs out of the upper half, where other programs take them for
// negative (CVE-2024-40635).
const maxID = 1<<31 - 1

func checkGroups(gids []uint32) error {
	const most = 65536 // NGROUPS_MAX
	if len(gids) > most {
		return invalid("/process/user/additionalGids", "%d groups, more than the kernel's %d", len(gids), most)
	}
	for i, g := range gids {
		if g > maxID {
			return invalid(at("process", "user", "additionalGids", i), "%d is more than %d", g, maxID)
		}
	}
	return nil
}

func (c *compiler) checkDescriptors() error {
	if none(c.FDs.Status) {
		return invalid("/process", "there is no status socket")
	}
	for i, f := range c.FDs.Stdio {
		if f.N >= 0 && f.N < 3 && f != (script.FD{}) {
			return invalid("/process", "descriptor %d for stdio %d was not moved out of the way", f.N, i)
		}
	}
	return nil
}

// checkStrings looks at arguments and environment: what the kernel would refuse
// with E2BIG in the end, and what cannot be a C string.
func (c *compiler) checkStrings() error {
	p := c.Process
	if len(p.Args) == 0 || p.Args[0] == "" {
		return invalid("/process/args", "there is no program")
	}
	if len(c.Program) == 0 {
		var err error
		if c.Program, err = cred.Candidates(p.Args[0], p.Env); err != nil {
			return &SpecError{"/process/args/0", err}
		}
	}
	page := c.Kernel.PageSize
	if page == 0 {
		page = 4096
	}
	total := 0
	for _, list := range []struct {
		name string
		text []string
	}{{"args", p.Args}, {"env", p.Env}} {
		for i, s := range list.text {
			switch most := 32 * page; {
			case strings.IndexByte(s, 0) >= 0:
				return invalid(at("process", list.name, i), "has a NUL byte")
			case len(s) >= most:
				// execve(2), "Limits on size of arguments and environment"; MAX_ARG_STRLEN.
				return invalid(at("process", list.name, i), "%d bytes, more than the %d that the kernel takes in one string", len(s), most-1)
			}
			total += len(s) + 1 + 8
		}
	}
	const most = 6 << 20 // three quarters of _STK_LIM; the stack limit may lower it
	if total > most {
		return invalid("/process/args", "arguments and environment are %d bytes, more than the %d that the kernel takes", total, most)
	}
	return nil
}
