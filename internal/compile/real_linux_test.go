package compile_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coraclehq/coracle/internal/compile"
	"github.com/coraclehq/coracle/internal/probe"
	"github.com/coraclehq/coracle/internal/seccomp"
	"github.com/coraclehq/coracle/internal/sys"
	"github.com/coraclehq/coracle/internal/testenv"
)

// What a container sees of itself.
func TestContainer(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	for _, tt := range []struct {
		name, line, want string
		set              func(b *box)
	}{
		{name: "itself", line: `echo $$; hostname; pwd; umask; id`, want: "1\nbox\n/\n0022\nuid=0(root) gid=0(root)"},
		{name: "descriptors", line: `exec ls /proc/self/fd`, want: "0\n1\n2\n3"}, // 3 is ls's own
		{name: "null stdin", line: `readlink /proc/self/fd/0; wc -c`, want: "/dev/null\n0"},
		{name: "loopback", line: `ip -o addr show lo | grep -c 127.0.0.1; ip link show lo | grep -o LOWER_UP; ls /sys/class/net`, want: "1\nLOWER_UP\nlo"},
		{name: "mounts", line: `cut -d' ' -f2,3 /proc/mounts | grep -v -e '^/proc/' -e '^/sys/'`,
			want: "/ overlay\n/proc proc\n/dev tmpfs\n/dev/pts devpts\n/dev/shm tmpfs\n/dev/mqueue mqueue\n/sys sysfs"},
		{name: "limits", line: `ulimit -c; ulimit -n; ulimit -H -n`, want: "0\n1024\n2048"},
		{name: "oom score", line: `cat /proc/self/oom_score_adj`, want: "200"},
		{name: "sysctls", line: `cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/net/ipv4/ping_group_range`, want: "0\n0\t2147483647"},
		{name: "capabilities", line: `grep ^Cap /proc/self/status`,
			want: "CapInh:\t0000000000000000\nCapPrm:\t00000000000425fb\nCapEff:\t00000000000425fb\nCapBnd:\t00000000000425fb\nCapAmb:\t0000000000000000"},
		{name: "filter and privileges", line: `grep -E '^(Seccomp|NoNewPrivs)' /proc/self/status`, want: "NoNewPrivs:\t0\nSeccomp:\t2\nSeccomp_filters:\t1"},
		{name: "signals", line: `exec grep -E '^Sig(Ign|Blk)' /proc/self/status`, want: "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000"},
		{name: "devices", line: `cd /dev; stat -c '%A %t:%T %n' null zero full random urandom tty; for l in ptmx fd stdin stdout stderr; do readlink $l; done; ls`,
			want: "crw-rw-rw- 1:3 null\ncrw-rw-rw- 1:5 zero\ncrw-rw-rw- 1:7 full\ncrw-rw-rw- 1:8 random\ncrw-rw-rw- 1:9 urandom\ncrw-rw-rw- 5:0 tty\n" +
				"pts/ptmx\n/proc/self/fd\n/proc/self/fd/0\n/proc/self/fd/1\n/proc/self/fd/2\n" +
				"fd\nfull\nmqueue\nnull\nptmx\npts\nrandom\nshm\nstderr\nstdin\nstdout\ntty\nurandom\nzero"},
		{name: "more devices", line: `stat -c '%a %u:%g %t:%T' /dev/net/tun /dev/pipe; stat -c %a /dev/null`, want: "600 5:6 a:c8\n666 0:0 0:0\n600", set: func(b *box) {
			b.spec.Linux.Devices = []specs.LinuxDevice{
				{Path: "/dev/net/tun", Type: "c", Major: 10, Minor: 200, FileMode: ptr(os.FileMode(0o600)), UID: ptr(uint32(5)), GID: ptr(uint32(6))},
				{Path: "/dev/pipe", Type: "p"}, {Path: "/dev/null", Type: "c", Major: 1, Minor: 3, FileMode: ptr(os.FileMode(0o600))},
			}
		}},
		{name: "large device number", line: `stat -c '%t:%T' /dev/large`, want: "103:12c", set: func(b *box) {
			b.spec.Linux.Devices = []specs.LinuxDevice{{Path: "/dev/large", Type: "b", Major: 259, Minor: 300}}
		}},
		{name: "working directory is made", line: `pwd; stat -c '%a %u' /srv/a/b`, want: "/srv/a/b\n755 0", set: func(b *box) { b.spec.Process.Cwd = "/srv/a/b" }},
		{name: "root read-only", line: `touch /x 2>&1; touch /dev/shm/x && echo shm`, want: "touch: /x: Read-only file system\nshm", set: func(b *box) { b.spec.Root.Readonly = true }},
		{name: "nodev", line: `mknod /x c 1 3 2>&1; mknod /dev/x c 1 3 2>&1; grep ' / ' /proc/mounts | grep -o nodev`,
			want: "mknod: /x: Operation not permitted\nmknod: /dev/x: Operation not permitted\nnodev"},
		{name: "nosuid", line: `grep ' / ' /proc/mounts | grep -o nosuid`, want: "nosuid", set: func(b *box) { b.in.Root.Nosuid = true }},
		{name: "domain name", line: `cat /proc/sys/kernel/domainname`, want: "example", set: func(b *box) { b.spec.Domainname = "example" }},
		{name: "personality", line: `uname -m`, want: "i686", set: func(b *box) { b.spec.Linux.Personality = &specs.LinuxPersonality{Domain: specs.PerLinux32} }},
		{name: "time", line: `read up _ < /proc/uptime; [ ${up%.*} -gt 10000000 ] && echo late`, want: "late", set: func(b *box) {
			if !compile.Probe().TimeExec {
				b.t.Skip("needs Linux 6.2")
			}
			b.spec.Linux.Namespaces = compile.DefaultNamespaces(true)
			b.spec.Linux.TimeOffsets = map[string]specs.LinuxTimeOffset{"boottime": {Secs: 10_000_000}}
		}},
		{name: "cgroup namespace", line: `cut -d: -f3 /proc/self/cgroup | sort -u`, want: "/"},
		{name: "ten thousand variables", line: `env | grep -c ^V`, want: "10000", set: func(b *box) {
			for i := range 10000 {
				b.spec.Process.Env = append(b.spec.Process.Env, fmt.Sprintf("V%d=%s", i, strings.Repeat("x", 64)))
			}
		}},
		{name: "many layers", line: `hostname`, want: "box", set: func(b *box) {
			testenv.Need(b.t, probe.OverlayLowerdirAppend)
			b.in.Root.Overlay = ""
			b.in.Root.Layers = []compile.Option{{"lowerdir+", "layer"}, {"lowerdir+", b.image}, {"upperdir", "c/upper"}, {"workdir", "c/work"}}
		}},
		{name: "image without directories", line: `ls -d /proc /sys /dev`, want: "/dev\n/proc\n/sys", set: func(b *box) {
			for _, d := range []string{"proc", "sys", "dev"} {
				require.NoError(t, syscall.Mknod(filepath.Join(b.layer, d), syscall.S_IFCHR, 0))
			}
		}},
		{name: "linux 5.10", line: `exec ls /proc/self/fd; wc -c < /proc/kallsyms; ls /sys/firmware`, want: "0\n1\n2\n3", set: func(b *box) { b.in.Kernel = compile.Kernel{} }},
		{name: "keyring", line: `cat /proc/keys | wc -c`, want: "0"},
		{name: "host pid namespace", line: `[ $$ -gt 1 ] && exec ls /proc/self/fd`, want: "0\n1\n2\n3", set: func(b *box) { b.without(specs.PIDNamespace) }},
		{name: "host network", line: `[ "$(readlink /proc/self/ns/net)" = ` + mustReadlink(t, "/proc/self/ns/net") + ` ] && echo same`, want: "same", set: func(b *box) {
			b.without(specs.NetworkNamespace)
			b.spec.Linux.Sysctl = nil
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := m.sh(t, tt.line)
			if tt.set != nil {
				tt.set(b)
			}
			assert.Equal(t, tt.want, b.output())
		})
	}
}

func mustReadlink(t *testing.T, name string) string {
	s, err := os.Readlink(name)
	require.NoError(t, err)
	return s
}

// without takes a namespace out of the spec.
func (b *box) without(kind specs.LinuxNamespaceType) {
	var kept []specs.LinuxNamespace
	for _, n := range b.spec.Linux.Namespaces {
		if n.Type != kind {
			kept = append(kept, n)
		}
	}
	b.spec.Linux.Namespaces = kept
}

// A user who is not root has nothing in any of the five sets, none of the host
// program's groups, and works in a directory of its own.
func TestUser(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	user := func(b *box) {
		b.spec.Process.User = specs.User{UID: 1000, GID: 1000, AdditionalGids: []uint32{10, 44}}
		b.spec.Process.Capabilities = nil
	}
	for _, tt := range []struct {
		name, line, want string
		set              func(b *box)
	}{
		{"identity", `id -u; id -g; id -G`, "1000\n1000\n1000 10 44", func(*box) {}},
		{"capabilities", `grep ^Cap /proc/self/status | cut -f2 | sort -u; grep NoNewPrivs /proc/self/status`, "0000000000000000\nNoNewPrivs:\t1",
			func(b *box) { b.spec.Process.NoNewPrivileges = true }},
		{"without no_new_privs", `grep ^Cap /proc/self/status | cut -f2 | sort -u; grep -E '^(NoNewPrivs|Seccomp):' /proc/self/status`,
			"0000000000000000\nNoNewPrivs:\t0\nSeccomp:\t2", func(*box) {}},
		{"ambient", `grep ^Cap /proc/self/status`,
			"CapInh:\t0000000000000400\nCapPrm:\t0000000000000400\nCapEff:\t0000000000000400\nCapBnd:\t0000000000000400\nCapAmb:\t0000000000000400",
			func(b *box) {
				one := []string{"CAP_NET_BIND_SERVICE"}
				b.spec.Process.Capabilities = &specs.LinuxCapabilities{Bounding: one, Effective: one, Permitted: one, Inheritable: one, Ambient: one}
			}},
		{"stdout can be opened again", `echo x > /dev/stdout`, "x", func(b *box) { b.in.FDs.Give = [3]bool{true, true, true} }},
		{"low port", `nc -l -p 80 -w 1 < /dev/null 2>&1` + " || true", "nc: timed out", func(b *box) { b.spec.Process.NoNewPrivileges = true }},
		{"umask", `umask`, "0077", func(b *box) { b.spec.Process.User.Umask = ptr(uint32(0o077)) }},
		{"home", `pwd; touch x && echo y`, "/home/app\ny", func(b *box) { b.spec.Process.Cwd = "/home/app" }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := m.sh(t, tt.line)
			user(b)
			tt.set(b)
			assert.Equal(t, tt.want, b.output())
		})
	}
	t.Run("directory of another", func(t *testing.T) {
		t.Parallel()
		b := m.sh(t, "pwd")
		user(b)
		b.spec.Process.Cwd = "/root"
		assert.EqualError(t, b.failure(), "change to the working directory /root: permission denied")
	})
}

// Mounts that users ask for.
func TestMounts(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	for _, kernel := range []struct {
		name string
		facts
	}{{"today", nil}, {"linux 5.10", func(b *box) { b.in.Kernel = compile.Kernel{} }}} {
		for _, tt := range []struct {
			name, line, want string
			mount            func(dir string) specs.Mount
		}{
			{"directory", `cat /data/new/file; echo y > /data/new/y; grep ' /data/new ' /proc/mounts | tr ' ' ',' | tr ',' '\n' | grep -E '^no(suid|dev|exec)$'`, "text\nnosuid\nnodev",
				func(dir string) specs.Mount {
					return specs.Mount{Destination: "/data/new", Source: dir, Options: []string{"bind"}}
				}},
			{"read-only", `touch /data/y 2>&1; cat /data/file`, "touch: /data/y: Read-only file system\ntext", func(dir string) specs.Mount {
				return specs.Mount{Destination: "/data", Source: dir, Type: "bind", Options: []string{"rbind", "ro"}}
			}},
			{"file", `cat /etc/deep/er; grep -c deep /proc/mounts`, "text\n1", func(dir string) specs.Mount {
				return specs.Mount{Destination: "/etc/deep/er", Source: dir + "/file", Options: []string{"bind", "ro"}}
			}},
			{"with devices", `grep ' /data ' /proc/mounts | grep -c -v -e nosuid -e nodev`, "1", func(dir string) specs.Mount {
				return specs.Mount{Destination: "/data", Source: dir, Options: []string{"bind", "suid", "dev"}}
			}},
			{"tmpfs", `df -m /scratch | tail -1 | tr -s ' ' | cut -d' ' -f2; grep -c ' /scratch tmpfs.*noexec' /proc/mounts`, "8\n1", func(string) specs.Mount {
				return specs.Mount{Destination: "/scratch", Source: "tmpfs", Type: "tmpfs", Options: []string{"noexec", "size=8m"}}
			}},
			{"below dev", `cat /dev/thing`, "text", func(dir string) specs.Mount {
				return specs.Mount{Destination: "/dev/thing", Source: dir + "/file", Options: []string{"bind"}}
			}},
		} {
			t.Run(kernel.name+"/"+tt.name, func(t *testing.T) {
				t.Parallel()
				dir := t.TempDir()
				require.NoError(t, os.WriteFile(filepath.Join(dir, "file"), []byte("text\n"), 0o644))
				b := m.sh(t, tt.line)
				if kernel.facts != nil {
					kernel.facts(b)
				}
				b.spec.Mounts = append(b.spec.Mounts, tt.mount(dir))
				assert.Equal(t, tt.want, strings.TrimSpace(b.output()))
			})
		}
	}
}

type facts func(*box)

// A mount tree that is bound with its mounts is read-only or without programs all
// the way down.
func TestRecursiveMount(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	dir := t.TempDir()
	sub := filepath.Join(dir, "sub")
	require.NoError(t, os.Mkdir(sub, 0o755))
	require.NoError(t, sys.Mount("tmpfs", sub, "tmpfs", 0, "size=64k"))
	t.Cleanup(func() { sys.Unmount(sub, sys.MNT_DETACH) })
	b := m.sh(t, `touch /data/x /data/sub/x 2>&1; grep ' /data/sub ' /proc/mounts | tr ' ' ',' | tr ',' '\n' | grep -E '^no(suid|dev)$'`)
	b.spec.Mounts = append(b.spec.Mounts, specs.Mount{Destination: "/data", Source: dir, Options: []string{"rbind", "rro"}})
	assert.Equal(t, "touch: /data/x: Read-only file system\ntouch: /data/sub/x: Read-only file system\nnosuid\nnodev", b.output())

	b = m.sh(t, `ls -A /data/sub`)
	require.NoError(t, os.WriteFile(filepath.Join(sub, "inside"), nil, 0o644))
	b.spec.Mounts = append(b.spec.Mounts, specs.Mount{Destination: "/data", Source: dir, Options: []string{"bind"}})
	assert.Empty(t, b.output())
}

// A bundle's root file system is an ordinary directory.
func TestBundle(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	b := m.sh(t, `cat /etc/secret; ls /var/hidden; touch /home/x 2>&1; touch /x && hostname`)
	require.NoError(t, os.WriteFile(filepath.Join(m.image, "etc/secret"), []byte("secret"), 0o644))
	require.NoError(t, os.MkdirAll(filepath.Join(m.image, "var/hidden/x"), 0o755))
	b.in.Root = compile.Root{Bind: m.image}
	b.spec.Linux.MaskedPaths = append(b.spec.Linux.MaskedPaths, "/etc/secret", "/var/hidden", "/not/there")
	b.spec.Linux.ReadonlyPaths = append(b.spec.Linux.ReadonlyPaths, "/home", "/not/there")
	assert.Equal(t, "touch: /home/x: Read-only file system\nbox", b.output())
	assert.FileExists(t, filepath.Join(m.image, "x"))
}

// The paths that tell of the host are empty, and nothing of proc and sysfs can be
// written but what is the container's own.
func TestMasks(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	b := m.sh(t, `for p in $MASKED; do
			if [ -d $p ]; then [ -z "$(ls -A $p)" ] || echo $p has entries; touch $p/x 2>/dev/null && echo $p is writable
			elif [ -e $p ]; then [ -z "$(cat $p)" ] || echo $p has text; fi; done
		for p in $READONLY; do [ -e $p ] && touch $p 2>/dev/null && echo $p is writable; done
		find /proc/sys /proc/irq /proc/bus /proc/fs /sys -type f 2>/dev/null | while read f; do (: >> $f) 2>/dev/null && echo $f opens; done
		cat /sys/kernel/btf/vmlinux 2>/dev/null | wc -c`)
	masked := strings.Join(b.spec.Linux.MaskedPaths, " ")
	readonly := strings.Join(b.spec.Linux.ReadonlyPaths, " ")
	b.spec.Process.Env = append(b.spec.Process.Env, "MASKED="+masked, "READONLY="+readonly)
	assert.Equal(t, "0", b.output())

	// The control: without masks and read-only paths, the same looks find plenty.
	b = m.sh(t, `cat /proc/kallsyms | head -c 1 | wc -c; (: >> /proc/sys/kernel/core_pattern) && echo opens`)
	b.spec.Linux.MaskedPaths, b.spec.Linux.ReadonlyPaths = nil, nil
	assert.Equal(t, "1\nopens", b.output())
}

// A mask layer hides places of the layers below, and stays out of the host's
// sight.
func TestMaskLayer(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	b := m.sh(t, `ls -A /root /home /etc; stat -c %a /root /tmp; cat /var/lib/x/y; echo new > /root/new; cat /root/new`)
	b.put("root/secret", "secret", 0o600)
	b.put("home/app/secret", "secret", 0o600)
	b.put("etc/shadow", "secret", 0o600)
	b.put("var/lib/x/y", "kept\n", 0o644)
	b.in.Root.Overlay = "lowerdir=c/rootfs:layer:" + m.image + ",upperdir=c/upper,workdir=c/work"
	b.in.Root.Mask = []compile.Mask{{Path: "/root", Mode: 0o700}, {Path: "/home", Mode: 0o755}, {Path: "/tmp", Mode: 0o1777}, {Path: "/etc/shadow"}, {Path: "/var/lib/none/such"}}
	assert.Equal(t, "/etc:\ngroup\npasswd\n\n/home:\n\n/root:\n700\n1777\nkept\nnew", b.output())
	names, err := os.ReadDir(filepath.Join(b.store, "c/rootfs"))
	require.NoError(t, err)
	assert.Empty(t, names)
}

// The filter is loaded last: what it denies does not hinder the start, and what
// it must not deny is refused before.
func TestFilter(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	deny := func(names ...string) *specs.LinuxSeccomp {
		return &specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Syscalls: []specs.LinuxSyscall{{Names: names, Action: specs.ActErrno}}}
	}
	for _, tt := range []struct {
		name string
		deny []string
		nnp  bool
		uid  uint32
	}{
		{"all that the script needs before", []string{"mount", "umount2", "openat2", "chdir", "setresuid", "seccomp", "prctl", "sendmsg", "unshare"}, false, 0},
		{"the same for a user", []string{"mount", "umount2", "openat2", "setresuid", "seccomp", "prctl", "sendmsg"}, false, 1000},
		{"capset with no_new_privs", []string{"capset", "mount"}, true, 1000},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := m.sh(t, `grep -E '^(Seccomp|CapEff|CapPrm):' /proc/self/status`)
			b.spec.Linux.Seccomp = deny(tt.deny...)
			var err error
			b.in.Seccomp, err = seccomp.Compile(b.spec.Linux.Seccomp, sys.HostArch())
			require.NoError(t, err)
			b.spec.Process.NoNewPrivileges = tt.nnp
			b.spec.Process.User.UID = tt.uid
			b.spec.Process.Capabilities = nil
			assert.Equal(t, "CapPrm:\t0000000000000000\nCapEff:\t0000000000000000\nSeccomp:\t2", b.output())
		})
	}
	for _, name := range []string{"execve", "write", "exit_group", "capset"} {
		t.Run("refused without "+name, func(t *testing.T) {
			t.Parallel()
			b := m.sh(t, "true")
			b.spec.Linux.Seccomp = deny(name)
			var err error
			b.in.Seccomp, err = seccomp.Compile(b.spec.Linux.Seccomp, sys.HostArch())
			require.NoError(t, err)
			assert.EqualError(t, b.failure(), "spec /linux/seccomp: the filter denies "+name+", without which no program can be started")
		})
	}
}
