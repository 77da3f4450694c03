package compile_test

import (
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coraclehq/coracle/internal/compile"
	"github.com/coraclehq/coracle/internal/namespace"
	"github.com/coraclehq/coracle/internal/script"
	"github.com/coraclehq/coracle/internal/sys"
	"github.com/coraclehq/coracle/internal/testenv"
)

// A container joins its cgroups, sees them as the root of each hierarchy, and can
// change nothing of them (CVE-2022-0492).
func TestCgroupsV1(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	group := testenv.CgroupName(t)
	b := m.sh(t, `cat /sys/fs/cgroup/pids/tasks | grep -c '^1$'; cat /sys/fs/cgroup/pids/pids.max; grep -e :pids: -e :freezer: /proc/self/cgroup | cut -d: -f2,3
		echo x > /sys/fs/cgroup/pids/release_agent; mkdir /sys/fs/cgroup/freezer/x; touch /sys/fs/cgroup/x; readlink /sys/fs/cgroup/cold; :`)
	b.spec.Process.Args[2] = "exec 2>&1; " + b.spec.Process.Args[2]
	b.spec.Mounts = compile.DefaultMounts(true)
	b.in.Cgroups = []compile.Cgroup{{Name: "pids", Options: "pids"}, {Name: "freezer", Options: "freezer", Links: []string{"cold"}}}
	for _, h := range []string{"pids", "freezer"} {
		dir := filepath.Join("/sys/fs/cgroup", h, group)
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Skip("needs cgroup v1: ", err)
		}
		if h == "pids" {
			require.NoError(t, os.WriteFile(dir+"/pids.max", []byte("77"), 0o644))
		}
		b.in.FDs.Join = append(b.in.FDs.Join, b.hold(sys.Open(dir+"/tasks", sys.O_WRONLY, 0)))
	}
	out := b.output()
	assert.Contains(t, out, "1\n77\n")
	assert.Contains(t, out, "pids:/\n")
	assert.Contains(t, out, "freezer:/\n")
	assert.Contains(t, out, "release_agent: ")
	assert.Contains(t, out, "can't create directory '/sys/fs/cgroup/freezer/x': Read-only file system")
	assert.Contains(t, out, "touch: /sys/fs/cgroup/x: Read-only file system")
	assert.Contains(t, out, "freezer")
}

// An unified hierarchy shows the same way.
func TestCgroupsV2(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	b := m.sh(t, `mkdir /sys/fs/cgroup/x 2>&1; grep -c ' /sys/fs/cgroup cgroup2 ro' /proc/mounts`)
	b.spec.Mounts = compile.DefaultMounts(true)
	assert.Equal(t, "mkdir: can't create directory '/sys/fs/cgroup/x': Read-only file system\n1", b.output())
}

// netns makes a network namespace with a device of its own in it.
func netns(t *testing.T) *sys.FD {
	made := make(chan *sys.FD)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		var ns *sys.FD
		if sys.Unshare(sys.CLONE_NEWNET) == nil {
			ns, _ = sys.Open("/proc/thread-self/ns/net", sys.O_RDONLY, 0)
		}
		made <- ns
	}()
	ns := <-made
	require.NotNil(t, ns)
	t.Cleanup(func() { ns.Close() })
	return ns
}

// A network namespace that is joined is left as it is; a ready-made one is the
// container's own.
func TestNetworkNamespace(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	const line = `readlink /proc/self/ns/net; cat /proc/sys/net/ipv4/ip_unprivileged_port_start; ip link show lo | grep -c LOWER_UP`
	t.Run("joined", func(t *testing.T) {
		t.Parallel()
		b := m.sh(t, line)
		ns := netns(t)
		b.spec.Linux.Namespaces[1].Path = "/run/netns/none" // opened already
		b.spec.Linux.Sysctl = nil
		copied, err := ns.Dup()
		b.in.FDs.Namespaces = map[namespace.Kind]script.FD{namespace.Network: b.hold(copied, err)}
		link, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(ns.Int()))
		require.NoError(t, err)
		b.spec.Process.Args[2] += "; true" // grep found nothing
		assert.Equal(t, link+"\n1024\n0", b.output())
	})
	t.Run("ready-made", func(t *testing.T) {
		t.Parallel()
		b := m.sh(t, line)
		ns := netns(t)
		copied, err := ns.Dup()
		b.in.FDs.Namespaces = map[namespace.Kind]script.FD{namespace.Network: b.hold(copied, err)}
		b.not = sys.CLONE_NEWNET
		link, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(ns.Int()))
		require.NoError(t, err)
		assert.Equal(t, link+"\n0\n1", b.output())
	})
}

// A container in the pid namespace of another sees its processes, and they hold
// no descriptor of the host's in it.
func TestPIDNamespace(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	_, r := m.joined(t)
	b := m.sh(t, `[ $$ -gt 1 ] && cat /proc/1/comm; exec ls /proc/self/fd`)
	b.spec.Linux.Namespaces[0].Path = "/proc/none/ns/pid"
	target, err := r.pidfd.Dup()
	b.hold(target, err)
	b.joinPID = b.keep[0]
	assert.Equal(t, "sleep\n0\n1\n2\n3", b.output())
}

// A slave sees what is mounted on the host later; nothing that is mounted inside
// comes out.
func TestSlave(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	dir := t.TempDir()
	// The host's tree may be private: propagation needs a shared mount to begin with.
	require.NoError(t, sys.Mount(dir, dir, "", sys.MS_BIND, ""))
	t.Cleanup(func() { sys.Unmount(dir, sys.MNT_DETACH) })
	require.NoError(t, sys.Mount("", dir, "", sys.MS_SHARED, ""))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "sub"), 0o755))
	for _, tt := range []struct{ option, want string }{{"rslave", "1"}, {"rprivate", "0"}} {
		b := m.sh(t, `grep -c ' /data/sub ' /proc/mounts; grep -c 'shared:' /proc/self/mountinfo`)
		b.spec.Mounts = append(b.spec.Mounts, specs.Mount{Destination: "/data", Source: dir, Options: []string{"rbind", tt.option}})
		read, write, err := sys.Pipe(sys.O_CLOEXEC)
		require.NoError(t, err)
		b.in.FDs.Gate = b.hold(read, nil)
		r, err := b.start()
		require.NoError(t, err)
		require.NoError(t, sys.Mount("tmpfs", filepath.Join(dir, "sub"), "tmpfs", 0, "size=64k"))
		_, err = write.Write([]byte{1})
		require.NoError(t, err)
		write.Close()
		_, out := r.wait()
		require.NoError(t, sys.Unmount(filepath.Join(dir, "sub"), 0))
		assert.Equal(t, tt.want+"\n0\n", out, tt.option)
	}
}

// The machine's own root file system is a layer like any other, with the mask
// layer above it.
func TestHostImage(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	marker := filepath.Join(t.TempDir(), "marker")
	require.NoError(t, os.WriteFile(marker, nil, 0o644))
	b := m.sh(t, `hostname; ls -A /root /run; cat /etc/shadow; [ -e `+marker+` ] && echo found; echo new > /etc/new && cat /etc/new; :`)
	b.spec.Process.Args[2] = "exec 2>&1; " + b.spec.Process.Args[2]
	b.in.Root.Overlay = "lowerdir=c/rootfs:/,upperdir=c/upper,workdir=c/work"
	b.in.Root.Mask = []compile.Mask{{Path: "/root", Mode: 0o700}, {Path: "/run", Mode: 0o755}, {Path: os.TempDir(), Mode: 0o1777}, {Path: "/etc/shadow"}}
	assert.Regexp(t, `^box\n/root:\n\n/run:\ncat: /etc/shadow: No such file or directory\nnew$`, b.output())
	assert.NoFileExists(t, "/etc/new")
}
