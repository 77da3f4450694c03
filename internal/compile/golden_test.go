package compile_test

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coraclehq/coracle/internal/compile"
	"github.com/coraclehq/coracle/internal/namespace"
	"github.com/coraclehq/coracle/internal/script"
	"github.com/coraclehq/coracle/internal/sys"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name+".golden")
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(got), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, string(want), got)
}

// container compiles and prints.
func container(t *testing.T, arch script.Arch, in compile.ContainerInput) string {
	t.Helper()
	b := script.New(arch, script.Base)
	require.NoError(t, compile.Container(b, in))
	p, err := b.Link()
	require.NoError(t, err)
	return p.String()
}

func ptr[T any](v T) *T { return &v }

func TestContainerOps(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		arch script.Arch
		set  func(in *compile.ContainerInput)
	}{
		{"default", script.AMD64, func(*compile.ContainerInput) {}},
		{"default-arm64", script.ARM64, func(*compile.ContainerInput) {}},
		{"user", script.AMD64, func(in *compile.ContainerInput) {
			p := in.Spec.Process
			p.User = specs.User{UID: 1000, GID: 1000, AdditionalGids: []uint32{1000, 44}}
			p.Capabilities = &specs.LinuxCapabilities{}
			p.NoNewPrivileges = true
			p.Cwd = "/srv/work"
			p.Args = []string{"server", "-v"}
			in.Program = []string{"/usr/bin/server", "/bin/server"}
			in.Root.Nosuid = true
			in.FDs.Give = [3]bool{true, true, true}
			in.FDs.Gate = fd(20, "gate")
			in.Ignored = []int{1, 17}
		}},
		{"user-with-capabilities", script.AMD64, func(in *compile.ContainerInput) {
			p := in.Spec.Process
			p.User = specs.User{UID: 1000, GID: 1000, Umask: ptr(uint32(0o077))}
			one := []string{"CAP_NET_BIND_SERVICE"}
			p.Capabilities = &specs.LinuxCapabilities{Bounding: one, Effective: one, Permitted: one, Inheritable: one, Ambient: one}
		}},
		{"terminal", script.AMD64, func(in *compile.ContainerInput) {
			in.Spec.Process.Terminal = true
			in.Spec.Process.ConsoleSize = &specs.Box{Width: 80, Height: 24}
			in.FDs.Stdio = [3]script.FD{}
			in.FDs.Terminal = fd(21, "terminal")
		}},
		{"mounts", script.AMD64, func(in *compile.ContainerInput) {
			in.Spec.Mounts = append(in.Spec.Mounts,
				specs.Mount{Destination: "/etc/hosts", Source: "/var/lib/coracle/containers/c1/hosts", Options: []string{"bind"}},
				specs.Mount{Destination: "/data", Source: "/srv/data", Options: []string{"rbind", "rro", "noexec"}},
				specs.Mount{Destination: "/src", Source: "/src", Type: "bind", Options: []string{"ro", "suid", "dev"}},
				specs.Mount{Destination: "/tmp", Source: "tmpfs", Type: "tmpfs", Options: []string{"nosuid", "nodev", "size=64m"}},
			)
			in.Sources = map[string]compile.Source{"/var/lib/coracle/containers/c1/hosts": {File: true}}
			in.Spec.Root.Readonly = true
		}},
		{"slave", script.AMD64, func(in *compile.ContainerInput) {
			in.Spec.Mounts = append(in.Spec.Mounts,
				specs.Mount{Destination: "/media", Source: "/media", Options: []string{"rbind", "rslave"}},
				specs.Mount{Destination: "/data", Source: "/srv/data", Options: []string{"rbind"}},
			)
		}},
		{"linux-5.10", script.AMD64, func(in *compile.ContainerInput) {
			in.Kernel = compile.Kernel{}
			in.Spec.Mounts = append(in.Spec.Mounts, specs.Mount{Destination: "/data", Source: "/srv/data", Options: []string{"rbind", "ro"}})
			in.Sources = map[string]compile.Source{"/srv/data": {Flags: sys.MS_NOEXEC}}
		}},
		{"host-image", script.AMD64, func(in *compile.ContainerInput) {
			in.Root.Overlay = "lowerdir=containers/c1/rootfs:/,upperdir=containers/c1/upper,workdir=containers/c1/work"
			in.Root.Mask = []compile.Mask{{Path: "/root", Mode: 0o700}, {Path: "/var/lib", Mode: 0o755}, {Path: "/etc/shadow"}}
		}},
		{"many-layers", script.AMD64, func(in *compile.ContainerInput) {
			in.Root.Overlay = ""
			in.Root.Layers = []compile.Option{{"lowerdir+", "layers/b/fs"}, {"lowerdir+", "layers/a/fs"}, {"upperdir", "containers/c1/upper"}, {"workdir", "containers/c1/work"}, {"userxattr", ""}}
		}},
		{"bundle", script.AMD64, func(in *compile.ContainerInput) {
			in.Root = compile.Root{Bind: "/srv/bundle/rootfs"}
			in.Spec.Linux.MaskedPaths = append(in.Spec.Linux.MaskedPaths, "/etc/secret")
			in.Spec.Linux.ReadonlyPaths = append(in.Spec.Linux.ReadonlyPaths, "/etc")
		}},
		{"joined", script.AMD64, func(in *compile.ContainerInput) {
			in.Spec.Linux.Namespaces = []specs.LinuxNamespace{
				{Type: specs.PIDNamespace, Path: "/proc/7/ns/pid"}, {Type: specs.NetworkNamespace, Path: "/run/netns/a"},
				{Type: specs.MountNamespace}, {Type: specs.UTSNamespace}, {Type: specs.TimeNamespace}, {Type: specs.IPCNamespace},
			}
			in.FDs.Namespaces = map[namespace.Kind]script.FD{namespace.Network: fd(22, "netns")}
			in.Spec.Linux.TimeOffsets = map[string]specs.LinuxTimeOffset{"boottime": {Secs: 60}}
			in.Spec.Linux.Sysctl = map[string]string{"kernel.shmmax": "65536"}
		}},
		{"cgroup-v1", script.AMD64, func(in *compile.ContainerInput) {
			in.Spec.Mounts = compile.DefaultMounts(true)
			in.Cgroups = []compile.Cgroup{{Name: "pids", Options: "pids"}, {Name: "cpu,cpuacct", Options: "cpu,cpuacct", Links: []string{"cpu", "cpuacct"}}}
		}},
		{"devices", script.AMD64, func(in *compile.ContainerInput) {
			in.Spec.Mounts = compile.DefaultMounts(true)
			in.Spec.Linux.Devices = []specs.LinuxDevice{
				{Path: "/dev/net/tun", Type: "c", Major: 10, Minor: 200, FileMode: ptr(os.FileMode(0o600)), UID: ptr(uint32(5)), GID: ptr(uint32(6))},
				{Path: "/dev/tty", Type: "c", Major: 5, Minor: 0, FileMode: ptr(os.FileMode(0o620))},
				{Path: "/dev/disk", Type: "b", Major: 259, Minor: 300},
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			in := defaultInput()
			tt.set(&in)
			golden(t, tt.name, container(t, tt.arch, in))
		})
	}
}

func TestExecOps(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		set  func(in *compile.ExecInput)
	}{
		{"exec", func(*compile.ExecInput) {}},
		{"exec-terminal", func(in *compile.ExecInput) {
			in.Process.Terminal = true
			in.Process.User.UID = 1000
			in.FDs.Terminal = fd(21, "terminal")
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			spec := defaultSpec()
			flags, err := compile.ExecFlags(spec)
			require.NoError(t, err)
			in := compile.ExecInput{Common: defaultInput().Common, Namespaces: flags}
			in.Process = spec.Process
			in.FDs.Join, in.FDs.Target = nil, fd(30, "target")
			tt.set(&in)
			b := script.New(script.AMD64, script.Base)
			require.NoError(t, compile.Enter(b, in))
			require.NoError(t, compile.Exec(b, in))
			p, err := b.Link()
			require.NoError(t, err)
			golden(t, tt.name, p.String())
		})
	}
}
