package compile_test

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coraclehq/coracle/internal/compile"
	"github.com/coraclehq/coracle/internal/namespace"
	"github.com/coraclehq/coracle/internal/probe"
	"github.com/coraclehq/coracle/internal/script"
)

// What a spec asks for in vain is refused by the pointer of the field.
func TestRefused(t *testing.T) {
	t.Parallel()
	mount := func(m specs.Mount) func(*compile.ContainerInput) {
		return func(in *compile.ContainerInput) { in.Spec.Mounts = append(in.Spec.Mounts, m) }
	}
	bindOn := func(dest string) func(*compile.ContainerInput) {
		return mount(specs.Mount{Destination: dest, Source: "/srv", Options: []string{"bind"}})
	}
	option := func(o ...string) func(*compile.ContainerInput) {
		return mount(specs.Mount{Destination: "/data", Source: "/srv", Options: append([]string{"bind"}, o...)})
	}
	process := func(f func(p *specs.Process)) func(*compile.ContainerInput) {
		return func(in *compile.ContainerInput) { f(in.Spec.Process) }
	}
	linux := func(f func(l *specs.Linux)) func(*compile.ContainerInput) {
		return func(in *compile.ContainerInput) { f(in.Spec.Linux) }
	}
	sysctl := func(key, value string) func(*compile.ContainerInput) {
		return linux(func(l *specs.Linux) { l.Sysctl = map[string]string{key: value} })
	}
	device := func(d specs.LinuxDevice) func(*compile.ContainerInput) {
		return linux(func(l *specs.Linux) { l.Devices = []specs.LinuxDevice{d} })
	}
	for _, tt := range []struct {
		name, pointer string
		unsupported   bool
		set           func(in *compile.ContainerInput)
	}{
		{"no linux", "/linux", false, func(in *compile.ContainerInput) { in.Spec.Linux = nil }},
		{"no process", "/process", false, func(in *compile.ContainerInput) { in.Spec.Process = nil }},
		{"hooks", "/hooks", true, func(in *compile.ContainerInput) { in.Spec.Hooks = &specs.Hooks{Poststop: make([]specs.Hook, 1)} }},
		{"windows", "/windows", true, func(in *compile.ContainerInput) { in.Spec.Windows = &specs.Windows{} }},
		{"vm", "/vm", true, func(in *compile.ContainerInput) { in.Spec.VM = &specs.VM{} }},

		{"no mount namespace", "/linux/namespaces", true, linux(func(l *specs.Linux) { l.Namespaces = nil })},
		{"mount namespace by path", "/linux/namespaces/4", true, linux(func(l *specs.Linux) { l.Namespaces[4].Path = "/proc/1/ns/mnt" })},
		{"user namespace", "/linux/namespaces/6", true, linux(func(l *specs.Linux) {
			l.Namespaces = append(l.Namespaces, specs.LinuxNamespace{Type: specs.UserNamespace})
		})},
		{"namespace twice", "/linux/namespaces/6", false, linux(func(l *specs.Linux) {
			l.Namespaces = append(l.Namespaces, specs.LinuxNamespace{Type: specs.PIDNamespace})
		})},
		{"namespace of no type", "/linux/namespaces/0/type", false, linux(func(l *specs.Linux) { l.Namespaces[0].Type = "x" })},
		{"namespace not opened", "/linux/namespaces/1", false, linux(func(l *specs.Linux) { l.Namespaces[1].Path = "/run/netns/a" })},
		{"time namespace before 6.2", "/linux/namespaces/6", true, func(in *compile.ContainerInput) {
			in.Spec.Linux.Namespaces = compile.DefaultNamespaces(true)
			in.Kernel.TimeExec = false
		}},
		{"clock", "/linux/timeOffsets/realtime", false, linux(func(l *specs.Linux) { l.TimeOffsets = map[string]specs.LinuxTimeOffset{"realtime": {}} })},
		{"id mappings", "/linux/uidMappings", true, linux(func(l *specs.Linux) { l.UIDMappings = make([]specs.LinuxIDMapping, 1) })},
		{"rdt", "/linux/intelRdt", true, linux(func(l *specs.Linux) { l.IntelRdt = &specs.LinuxIntelRdt{} })},
		{"network devices", "/linux/netDevices", true, linux(func(l *specs.Linux) { l.NetDevices = map[string]specs.LinuxNetDevice{"eth0": {}} })},
		{"mount label", "/linux/mountLabel", true, linux(func(l *specs.Linux) { l.MountLabel = "x" })},
		{"memory policy", "/linux/memoryPolicy", true, linux(func(l *specs.Linux) { l.MemoryPolicy = &specs.LinuxMemoryPolicy{} })},
		{"listener", "/linux/seccomp/listenerPath", true, linux(func(l *specs.Linux) { l.Seccomp.ListenerPath = "/run/x" })},
		{"filter not compiled", "/linux/seccomp", false, func(in *compile.ContainerInput) { in.Seccomp = nil }},
		{"filter of no spec", "/linux/seccomp", false, linux(func(l *specs.Linux) { l.Seccomp = nil })},
		{"shared", "/linux/rootfsPropagation", true, linux(func(l *specs.Linux) { l.RootfsPropagation = "shared" })},
		{"personality", "/linux/personality/domain", false, linux(func(l *specs.Linux) { l.Personality = &specs.LinuxPersonality{Domain: "x"} })},
		{"masked path", "/linux/maskedPaths/0", false, linux(func(l *specs.Linux) { l.MaskedPaths = []string{"proc/kcore"} })},
		{"everything masked", "/linux/maskedPaths/0", false, linux(func(l *specs.Linux) { l.MaskedPaths = []string{"/.."} })},
		{"read-only path", "/linux/readonlyPaths/0", false, linux(func(l *specs.Linux) { l.ReadonlyPaths = []string{"/a\x00b"} })},
		{"masks without dev", "/linux/maskedPaths", false, func(in *compile.ContainerInput) {
			in.Spec.Mounts = in.Spec.Mounts[:1]
			in.FDs.Stdio[0] = fd(9, "stdin")
		}},

		{"host name too long", "/hostname", false, func(in *compile.ContainerInput) { in.Spec.Hostname = strings.Repeat("x", 65) }},
		{"host name with a line end", "/hostname", false, func(in *compile.ContainerInput) { in.Spec.Hostname = "a\nb" }},
		{"domain name of the host", "/domainname", false, func(in *compile.ContainerInput) {
			in.Spec.Domainname, in.Spec.Hostname = "x", ""
			in.Spec.Linux.Namespaces[3] = specs.LinuxNamespace{Type: specs.TimeNamespace}
		}},

		{"no program", "/process/args", false, process(func(p *specs.Process) { p.Args = nil })},
		{"empty program", "/process/args", false, process(func(p *specs.Process) { p.Args = []string{""} })},
		{"NUL in an argument", "/process/args/1", false, process(func(p *specs.Process) { p.Args = []string{"x", "a\x00"} })},
		{"NUL in the environment", "/process/env/0", false, process(func(p *specs.Process) { p.Env = []string{"a=\x00"} })},
		{"argument of 200 KB", "/process/args/1", false, process(func(p *specs.Process) { p.Args = []string{"x", strings.Repeat("x", 200<<10)} })},
		{"environment of 7 MB", "/process/args", false, process(func(p *specs.Process) {
			p.Env = strings.Split(strings.Repeat(strings.Repeat("x", 1<<16)+" ", 112), " ")
		})},
		{"relative directory", "/process/cwd", false, process(func(p *specs.Process) { p.Cwd = "work" })},
		{"no directory", "/process/cwd", false, process(func(p *specs.Process) { p.Cwd = "" })},
		{"uid", "/process/user/uid", false, process(func(p *specs.Process) { p.User.UID = 1 << 31 })},
		{"gid", "/process/user/gid", false, process(func(p *specs.Process) { p.User.GID = 1<<32 - 1 })},
		{"additional gid", "/process/user/additionalGids/1", false, process(func(p *specs.Process) { p.User.AdditionalGids = []uint32{1, 1 << 31} })},
		{"too many groups", "/process/user/additionalGids", false, process(func(p *specs.Process) { p.User.AdditionalGids = make([]uint32, 65537) })},
		{"umask", "/process/user/umask", false, process(func(p *specs.Process) { p.User.Umask = ptr(uint32(0o1000)) })},
		{"oom score", "/process/oomScoreAdj", false, process(func(p *specs.Process) { p.OOMScoreAdj = ptr(1001) })},
		{"apparmor", "/process/apparmorProfile", true, process(func(p *specs.Process) { p.ApparmorProfile = "x" })},
		{"selinux", "/process/selinuxLabel", true, process(func(p *specs.Process) { p.SelinuxLabel = "x" })},
		{"scheduler", "/process/scheduler", true, process(func(p *specs.Process) { p.Scheduler = &specs.Scheduler{} })},
		{"limit of no name", "/process/rlimits/0/type", false, process(func(p *specs.Process) { p.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_X"}} })},
		{"limit twice", "/process/rlimits/2/type", false, process(func(p *specs.Process) { p.Rlimits = append(p.Rlimits, p.Rlimits[0]) })},
		{"soft above hard", "/process/rlimits/0/soft", false, process(func(p *specs.Process) { p.Rlimits[0].Soft = 1 })},
		{"capability of no name", "/process/capabilities/bounding/0", false, process(func(p *specs.Process) { p.Capabilities = &specs.LinuxCapabilities{Bounding: []string{"CHOWN"}} })},
		{"capability of a newer kernel", "/process/capabilities/permitted/0", true, func(in *compile.ContainerInput) {
			in.Kernel.LastCap = 37
			in.Spec.Process.Capabilities = &specs.LinuxCapabilities{Permitted: []string{"CAP_BPF"}}
		}},
		{"effective, not permitted", "/process/capabilities/effective", false, process(func(p *specs.Process) { p.Capabilities.Permitted = nil })},
		{"ambient, not inheritable", "/process/capabilities/ambient", false, process(func(p *specs.Process) { p.Capabilities.Ambient = []string{"CAP_CHOWN"} })},
		{"terminal without a socket", "/process/terminal", false, process(func(p *specs.Process) { p.Terminal = true })},
		{"terminal without devpts", "/process/terminal", false, func(in *compile.ContainerInput) {
			in.Spec.Process.Terminal, in.FDs.Terminal = true, fd(9, "terminal")
			in.Spec.Mounts = in.Spec.Mounts[:2]
		}},
		{"size of the terminal", "/process/consoleSize", false, process(func(p *specs.Process) { p.ConsoleSize = &specs.Box{Width: 1 << 16} })},

		{"mount on /", "/mounts/6/destination", false, bindOn("/")},
		{"mount on / in other words", "/mounts/6/destination", false, bindOn("/a/..")},
		{"mount on proc", "/mounts/6/destination", false, bindOn("/proc")},
		{"mount below proc", "/mounts/6/destination", false, bindOn("/x/../proc/sys")},
		{"mount below sys", "/mounts/6/destination", false, bindOn("/sys/fs/cgroup")},
		{"mount on dev", "/mounts/6/destination", false, bindOn("/dev")},
		{"mount on pts", "/mounts/6/destination", false, bindOn("/dev/pts")},
		{"mount on null", "/mounts/6/destination", false, bindOn("/dev/null")},
		{"relative destination", "/mounts/6/destination", false, bindOn("data")},
		{"destination with NUL", "/mounts/6/destination", false, bindOn("/a\x00b")},
		{"relative source", "/mounts/6/source", false, mount(specs.Mount{Destination: "/data", Source: "srv", Type: "bind"})},
		{"ext4", "/mounts/6/type", true, mount(specs.Mount{Destination: "/data", Source: "/dev/vda", Type: "ext4"})},
		{"no type", "/mounts/6/type", true, mount(specs.Mount{Destination: "/data", Source: "/srv"})},
		{"proc elsewhere", "/mounts/6/destination", true, mount(specs.Mount{Destination: "/p", Type: "proc"})},
		{"proc twice", "/mounts/6/destination", false, mount(specs.Mount{Destination: "/proc", Type: "proc"})},
		{"pts before dev", "/mounts/0/destination", false, func(in *compile.ContainerInput) { m := in.Spec.Mounts; m[0], m[2] = m[2], m[0] }},
		{"below a dev that is not mounted", "/mounts/1/destination", false, func(in *compile.ContainerInput) {
			in.Spec.Mounts = in.Spec.Mounts[:1]
			bindOn("/dev/x")(in)
		}},
		{"idmapped", "/mounts/6/uidMappings", true, mount(specs.Mount{Destination: "/data", Source: "/srv", Type: "bind", UIDMappings: make([]specs.LinuxIDMapping, 1)})},
		{"shared mount", "/mounts/6/options/1", true, option("rshared")},
		{"remount", "/mounts/6/options/1", true, option("remount")},
		{"copied up", "/mounts/6/options/1", true, option("tmpcopyup")},
		{"data of a bind mount", "/mounts/6/options", true, option("size=1m")},
		{"sync bind mount", "/mounts/6/options", true, option("sync")},
		{"two options in one", "/mounts/6/options/1", false, option("ro,suid")},
		{"option with NUL", "/mounts/6/options/1", false, option("a=\x00")},
		{"recursive before 5.12", "/mounts/6", true, func(in *compile.ContainerInput) {
			in.Kernel.MountSetattr = false
			option("rro")(in)
		}},

		{"sysctl of the host", "/linux/sysctl/kernel.core_pattern", true, sysctl("kernel.core_pattern", "x")},
		{"sysctl upwards", "/linux/sysctl/net~1..~1kernel~1core_pattern", false, sysctl("net/../kernel/core_pattern", "x")},
		{"sysctl upwards, by dots", "/linux/sysctl/net...x", false, sysctl("net...x", "x")},
		{"sysctl of the host's network", "/linux/sysctl/net.ipv4.ip_forward", false, func(in *compile.ContainerInput) {
			sysctl("net.ipv4.ip_forward", "1")(in)
			in.Spec.Linux.Namespaces = append(in.Spec.Linux.Namespaces[:1], in.Spec.Linux.Namespaces[2:]...)
		}},
		{"sysctl without value", "/linux/sysctl/kernel.shmmax", false, sysctl("kernel.shmmax", "")},

		{"device elsewhere", "/linux/devices/0/path", true, device(specs.LinuxDevice{Path: "/x", Type: "c"})},
		{"device upwards", "/linux/devices/0/path", true, device(specs.LinuxDevice{Path: "/dev/../x", Type: "c"})},
		{"device of no type", "/linux/devices/0/type", false, device(specs.LinuxDevice{Path: "/dev/x", Type: "x"})},
		{"device number", "/linux/devices/0", false, device(specs.LinuxDevice{Path: "/dev/x", Type: "c", Major: -1})},
		{"set-user-ID device", "/linux/devices/0/fileMode", false, device(specs.LinuxDevice{Path: "/dev/x", Type: "c", FileMode: ptr(os.ModeSetuid)})},
		{"other null", "/linux/devices/0", false, device(specs.LinuxDevice{Path: "/dev/null", Type: "c", Major: 1, Minor: 1})},
		{"device in pts", "/linux/devices/0/path", false, device(specs.LinuxDevice{Path: "/dev/pts/0", Type: "c"})},
		{"device twice", "/linux/devices/1/path", false, linux(func(l *specs.Linux) {
			l.Devices = []specs.LinuxDevice{{Path: "/dev/x", Type: "p"}, {Path: "/dev/x", Type: "p"}}
		})},

		{"no root", "/root", false, func(in *compile.ContainerInput) { in.Root = compile.Root{} }},
		{"two roots", "/root", false, func(in *compile.ContainerInput) { in.Root.Bind = "/srv" }},
		{"host's root", "/root/path", false, func(in *compile.ContainerInput) { in.Root = compile.Root{Bind: "/srv/.."} }},
		{"long options", "/root", false, func(in *compile.ContainerInput) { in.Root.Overlay = strings.Repeat("x", 4096) }},
		{"place upwards", "/root", false, func(in *compile.ContainerInput) { in.Root.Dir = "../x" }},
		{"mask of everything", "/root", false, func(in *compile.ContainerInput) { in.Root.Mask = []compile.Mask{{Path: "/"}} }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			in := defaultInput()
			tt.set(&in)
			err := compile.Container(script.New(script.AMD64, script.Base), in)
			var e *compile.SpecError
			require.ErrorAs(t, err, &e)
			assert.Equal(t, tt.pointer, e.Pointer, "%v", err)
			assert.Equal(t, tt.unsupported, errors.Is(err, errors.ErrUnsupported), "%v", err)
		})
	}
	require.Error(t, compile.Container(script.New(script.AMD64, script.Base), compile.ContainerInput{}))
	require.Error(t, compile.Exec(script.New(script.AMD64, script.Base), compile.ExecInput{}))
}

func TestUnsupportedByTheKernel(t *testing.T) {
	t.Parallel()
	in := defaultInput()
	in.Kernel.TimeExec = false
	in.Spec.Linux.Namespaces = compile.DefaultNamespaces(true)
	var e *probe.UnsupportedError
	require.ErrorAs(t, compile.Container(script.New(script.AMD64, script.Base), in), &e)
	assert.Equal(t, "6.2", e.Kernel)
}

func TestNamespaceFlags(t *testing.T) {
	t.Parallel()
	spec := defaultSpec()
	clone, err := compile.CloneFlags(spec)
	require.NoError(t, err)
	exec, err := compile.ExecFlags(spec)
	require.NoError(t, err)
	set := namespace.SetOf(namespace.IPC, namespace.UTS, namespace.Network, namespace.Mount)
	assert.Equal(t, set.With(namespace.PID).Flags(), clone)
	assert.Equal(t, set.With(namespace.Cgroup).Flags(), exec)

	spec.Linux.Namespaces[1].Path = "/run/netns/a"
	joined, err := compile.Joined(spec)
	require.NoError(t, err)
	assert.Equal(t, map[namespace.Kind]string{namespace.Network: "/run/netns/a"}, joined)
	again, err := compile.ExecFlags(spec)
	require.NoError(t, err)
	assert.Equal(t, exec, again)
}

// Any spec is compiled or refused: it neither panics nor makes a program that
// cannot be linked.
func FuzzContainer(f *testing.F) {
	seed := func(set func(*specs.Spec)) {
		s := defaultSpec()
		set(s)
		b, err := json.Marshal(s)
		require.NoError(f, err)
		f.Add(b)
	}
	seed(func(*specs.Spec) {})
	seed(func(s *specs.Spec) { s.Mounts = compile.DefaultMounts(true) })
	seed(func(s *specs.Spec) {
		s.Mounts = append(s.Mounts, specs.Mount{Destination: "/a/b", Source: "/x", Type: "bind", Options: []string{"rbind", "rro", "rslave"}})
		s.Linux.Devices = []specs.LinuxDevice{{Path: "/dev/a/b", Type: "b", Major: 1}}
		s.Linux.MaskedPaths = []string{"/etc/x", "/proc/unknown"}
		s.Linux.ReadonlyPaths = []string{"/etc", "/proc/unknown"}
		s.Process.Cwd, s.Process.User = "/a/./b/..", specs.User{UID: 7, AdditionalGids: []uint32{1}}
	})
	f.Fuzz(func(t *testing.T, b []byte) {
		var s specs.Spec
		if json.Unmarshal(b, &s) != nil {
			return
		}
		in := defaultInput()
		in.Spec = &s
		sb := script.New(script.AMD64, script.Base)
		if err := compile.Container(sb, in); err != nil {
			return
		}
		p, err := sb.Link()
		require.NoError(t, err)
		require.NotEmpty(t, p.String())
	})
}

// The same for the strings that become paths, options and files.
func FuzzFields(f *testing.F) {
	for _, s := range []string{"/a", "/a/../proc", "rro", "size=1m", "net.ipv4.ip_forward", "/proc/self/fd/3", "..", "a\x00b", ""} {
		f.Add(s, s, s, s)
	}
	f.Fuzz(func(t *testing.T, dest, option, key, path string) {
		in := defaultInput()
		in.Spec.Mounts = append(in.Spec.Mounts,
			specs.Mount{Destination: dest, Source: path, Type: "bind", Options: []string{option}},
			specs.Mount{Destination: dest, Type: "tmpfs", Options: []string{option}})
		in.Spec.Linux.Sysctl = map[string]string{key: option}
		in.Spec.Linux.MaskedPaths = append(in.Spec.Linux.MaskedPaths, path, dest)
		in.Spec.Linux.ReadonlyPaths = append(in.Spec.Linux.ReadonlyPaths, path, dest)
		in.Spec.Linux.Devices = []specs.LinuxDevice{{Path: path, Type: "c"}}
		in.Spec.Process.Cwd, in.Spec.Process.Args, in.Spec.Hostname = path, []string{key, option}, key
		fields := []func(){
			func() { in.Spec.Mounts = compile.DefaultMounts(true) },
			func() { in.Spec.Linux.Sysctl = nil },
			func() { in.Spec.Linux.MaskedPaths = nil },
			func() { in.Spec.Linux.ReadonlyPaths = nil },
			func() { in.Spec.Linux.Devices = nil },
			func() { in.Spec.Process.Cwd = "/" },
			func() { in.Spec.Process.Args = []string{"/x"} },
			func() { in.Spec.Hostname = "" },
		}
		for _, reset := range fields {
			// What one field hides the next compile sees.
			sb := script.New(script.AMD64, script.Base)
			if err := compile.Container(sb, in); err == nil {
				p, err := sb.Link()
				require.NoError(t, err)
				require.NotEmpty(t, p.String())
			}
			reset()
		}
	})
}
