package namespace

import (
	"io/fs"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestKinds(t *testing.T) {
	// Flags of include/uapi/linux/sched.h, files of namespaces(7), types of
	// config-linux.md.
	for _, tt := range []struct {
		kind Kind
		flag uint64
		proc string
		spec specs.LinuxNamespaceType
	}{
		{User, 0x10000000, "user", "user"},
		{IPC, 0x08000000, "ipc", "ipc"},
		{UTS, 0x04000000, "uts", "uts"},
		{Network, 0x40000000, "net", "network"},
		{PID, 0x20000000, "pid", "pid"},
		{Time, 0x00000080, "time", "time"},
		{Cgroup, 0x02000000, "cgroup", "cgroup"},
		{Mount, 0x00020000, "mnt", "mount"},
	} {
		t.Run(tt.kind.String(), func(t *testing.T) {
			assert.Equal(t, tt.flag, tt.kind.Flag())
			assert.Equal(t, tt.proc, tt.kind.Proc())
			assert.Equal(t, tt.spec, tt.kind.Spec())
			assert.Equal(t, string(tt.spec), tt.kind.String())
			k, err := FromSpec(tt.spec)
			require.NoError(t, err)
			assert.Equal(t, tt.kind, k)
			k, err = FromProc(tt.proc)
			require.NoError(t, err)
			assert.Equal(t, tt.kind, k)
			assert.Equal(t, SetOf(tt.kind), FromFlags(tt.flag|0x11))
		})
	}
	assert.Len(t, Kinds(), 8)
	assert.Zero(t, Kind(0).Flag())
	assert.Equal(t, "namespace kind 0", Kind(0).String())
	assert.Equal(t, "namespace kind 99", Kind(99).String())
}

func TestForeignNames(t *testing.T) {
	for _, name := range []string{"", "mnt", "Network", "pid ", "net", "pid\x00"} {
		_, err := FromSpec(specs.LinuxNamespaceType(name))
		assert.ErrorIs(t, err, fs.ErrInvalid, "%q", name)
	}
	for _, name := range []string{"", "mount", "network", "net_for_children", "_for_children", "../net"} {
		_, err := FromProc(name)
		assert.ErrorIs(t, err, fs.ErrInvalid, "%q", name)
	}
	k, err := FromProc("pid_for_children")
	require.NoError(t, err)
	assert.Equal(t, PID, k)
}

func TestSet(t *testing.T) {
	s := SetOf(PID, Network, Mount)
	assert.True(t, s.Has(PID))
	assert.False(t, s.Has(User))
	assert.Equal(t, []Kind{Network, PID, Mount}, s.Kinds())
	assert.Equal(t, "network,pid,mount", s.String())
	assert.Equal(t, uint64(0x20000000|0x40000000|0x20000), s.Flags())
	assert.Equal(t, s, FromFlags(s.Flags()))
	assert.Equal(t, SetOf(PID, Mount), s.Without(Network))
	assert.Equal(t, s, s.Without(Network).With(Network))
	assert.Zero(t, Set(0).Flags())
	assert.Empty(t, Set(0).Kinds())
	assert.Equal(t, Kinds(), SetOf(Kinds()...).Kinds())
}

func TestResolve(t *testing.T) {
	made, joined, err := Resolve([]specs.LinuxNamespace{
		{Type: "pid"}, {Type: "network", Path: "/proc/1/ns/net"}, {Type: "mount"},
	})
	require.NoError(t, err)
	assert.Equal(t, SetOf(PID, Mount), made)
	assert.Equal(t, map[Kind]string{Network: "/proc/1/ns/net"}, joined)

	for _, tt := range []struct {
		name string
		in   []specs.LinuxNamespace
		want string
	}{
		{"unknown", []specs.LinuxNamespace{{Type: "pid"}, {Type: "mnt"}}, "/linux/namespaces/1/type"},
		{"twice", []specs.LinuxNamespace{{Type: "pid"}, {Type: "pid", Path: "/x"}}, "a second pid namespace"},
		{"relative", []specs.LinuxNamespace{{Type: "pid", Path: "proc/1/ns/pid"}}, "/linux/namespaces/0/path"},
		{"NUL", []specs.LinuxNamespace{{Type: "pid", Path: "/proc\x00"}}, "/linux/namespaces/0/path"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := Resolve(tt.in)
			require.ErrorIs(t, err, fs.ErrInvalid)
			assert.Contains(t, err.Error(), tt.want)
		})
	}
}

func TestTargets(t *testing.T) {
	for _, tt := range []struct {
		network, address string
		want             []string
	}{
		{"tcp", "127.0.0.1:80", []string{"127.0.0.1:80"}},
		{"tcp", "[::1]:80", []string{"[::1]:80"}},
		{"udp6", "[fe80::1%eth0]:53", []string{"[fe80::1%eth0]:53"}},
		{"tcp", ":80", []string{"127.0.0.1:80", "[::1]:80"}},
		{"tcp", "localhost:80", []string{"127.0.0.1:80", "[::1]:80"}},
		{"tcp4", "localhost:80", []string{"127.0.0.1:80"}},
		{"udp6", "localhost:80", []string{"[::1]:80"}},
		{"unix", "@x", []string{"@x"}},
		{"unix", "/run/x", nil},
		{"unix", "@", nil},
		{"tcp", "example.org:80", nil},
		{"tcp", "127.1:80", nil},
		{"tcp", "127.0.0.1", nil},
		{"ip", "127.0.0.1", nil},
		{"", "", nil},
	} {
		got, err := targets(tt.network, tt.address)
		assert.Equal(t, tt.want, got, "%s %s", tt.network, tt.address)
		if tt.want == nil {
			assert.ErrorIs(t, err, fs.ErrInvalid, "%s %s", tt.network, tt.address)
		} else {
			assert.NoError(t, err, "%s %s", tt.network, tt.address)
		}
	}
}
