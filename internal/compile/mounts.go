package compile

import (
	"path"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/coraclehq/coracle/internal/sys"
)

// mountPoint is one mount of the spec.
type mountPoint struct {
	specs.Mount
	options
	index int
	dest  string // clean
}

// mounts are the mounts of a spec in the order in which they are made: what the
// kernel provides first, then what users name. Both keep the spec's order.
type mounts struct {
	system, user []mountPoint

	proc, sysfs, dev *mountPoint // nil: there is none

	// slave: one of them, or the root, is to receive what is mounted on the host.
	slave bool
}

// systemTypes are the file systems that the kernel provides, and where each may
// be mounted.
var systemTypes = map[string]func(dest string) bool{
	"proc":    func(dest string) bool { return dest == "/proc" },
	"sysfs":   func(dest string) bool { return dest == "/sys" },
	"cgroup":  func(dest string) bool { return dest == "/sys/fs/cgroup" },
	"cgroup2": func(dest string) bool { return dest == "/sys/fs/cgroup" },
	"devpts":  func(dest string) bool { return dest == "/dev/pts" },
	"mqueue":  func(dest string) bool { return dest == "/dev/mqueue" },
	"tmpfs":   func(dest string) bool { return dest == "/dev" || dest == "/dev/shm" },
}

// sortMounts checks and sorts the mounts of a spec.
func sortMounts(s *specs.Spec) (mounts, error) {
	var m mounts
	switch p := s.Linux.RootfsPropagation; p {
	case "", "private", "rprivate":
	case "slave", "rslave":
		m.slave = true
	default:
		return m, unsupported("/linux/rootfsPropagation", "propagation "+p)
	}
	seen := map[string]bool{}
	for i, sm := range s.Mounts {
		p, err := newMountPoint(i, sm)
		if err != nil {
			return m, err
		}
		may, known := systemTypes[p.Type]
		switch {
		case !p.bind && known && may(p.dest):
			if seen[p.dest] {
				return m, invalid(at("mounts", i, "destination"), "%s is mounted a second time", p.dest)
			}
			seen[p.dest] = true
			m.system = append(m.system, p)
		case p.bind || p.Type == "tmpfs":
			if err := p.checkUser(); err != nil {
				return m, err
			}
			m.user = append(m.user, p)
			m.slave = m.slave || p.slave
		case known:
			return m, unsupported(at("mounts", i, "destination"), p.Type+" on "+p.dest)
		default:
			return m, unsupported(at("mounts", i, "type"), "file system "+p.Type)
		}
	}
	m.find()
	return m, m.checkOrder()
}

func newMountPoint(i int, m specs.Mount) (mountPoint, error) {
	p := mountPoint{Mount: m, index: i, dest: path.Clean(m.Destination)}
	if !path.IsAbs(m.Destination) || strings.ContainsRune(m.Destination, 0) {
		return p, invalid(at("mounts", i, "destination"), "%.200q is not an absolute path", m.Destination)
	}
	if len(m.UIDMappings)+len(m.GIDMappings) > 0 {
		return p, unsupported(at("mounts", i, "uidMappings"), "idmapped mount")
	}
	var err error
	p.options, err = parseOptions(i, m.Options)
	if m.Type == "bind" || m.Type == "rbind" {
		p.bind, p.recursive = true, p.recursive || m.Type == "rbind"
	}
	if err == nil && p.bind && (!path.IsAbs(m.Source) || strings.ContainsRune(m.Source, 0)) {
		err = invalid(at("mounts", i, "source"), "%.200q is not an absolute path", m.Source)
	}
	if err == nil && p.bind && len(p.data) > 0 {
		err = unsupported(at("mounts", i, "options"), "option "+p.text()+" of a bind mount")
	}
	if err == nil && !p.bind && p.setAll|p.clearAll != 0 {
		err = unsupported(at("mounts", i, "options"), "a recursive option of a mount that has none below it")
	}
	return p, err
}

// checkUser refuses the places where a user's mount would stand in for the
// kernel's own: what is written to or masked there must be real.
func (p *mountPoint) checkUser() error {
	pointer := at("mounts", p.index, "destination")
	for _, dir := range []string{"/proc", "/sys"} {
		if p.dest == dir || strings.HasPrefix(p.dest, dir+"/") {
			return invalid(pointer, "a mount on %s would hide the kernel's own", p.dest)
		}
	}
	switch {
	case p.dest == "/":
		return invalid(pointer, "a mount on / would hide the image")
	case p.dest == "/dev" || p.dest == "/dev/pts" || p.dest == "/dev/ptmx" || p.dest == "/dev/console":
		return invalid(pointer, "a mount on %s would hide the container's own", p.dest)
	}
	for _, d := range DefaultDevices() {
		if p.dest == d.Path {
			return invalid(pointer, "a mount on %s would hide the container's own", p.dest)
		}
	}
	return nil
}

// find points out the mounts that others depend on.
func (m *mounts) find() {
	for i := range m.system {
		switch p := &m.system[i]; p.dest {
		case "/proc":
			m.proc = p
		case "/sys":
			m.sysfs = p
		case "/dev":
			m.dev = p
		}
	}
}

// checkOrder refuses a mount that would come to lie under a later one.
func (m *mounts) checkOrder() error {
	seen := map[string]bool{}
	for _, p := range m.system {
		seen[p.dest] = true
		for _, below := range []struct{ dir, in string }{{"/dev", "/dev/"}, {"/sys", "/sys/"}} {
			if strings.HasPrefix(p.dest, below.in) && !seen[below.dir] {
				return invalid(at("mounts", p.index, "destination"), "%s is mounted before there is a mount on %s", p.dest, below.dir)
			}
		}
	}
	for _, p := range m.user {
		if strings.HasPrefix(p.dest, "/dev/") && m.dev == nil {
			return invalid(at("mounts", p.index, "destination"), "there is no tmpfs on /dev for %s", p.dest)
		}
	}
	return nil
}

// keep are the bits of a mount that a remount would otherwise take away.
func (p *mountPoint) keep() uint64 {
	return p.set & (sys.MS_NOSUID | sys.MS_NODEV | sys.MS_NOEXEC | sys.MS_NOATIME | sys.MS_NODIRATIME | sys.MS_RELATIME)
}
