package cgroup

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What other machines look like: /proc/self/cgroup and /proc/self/mountinfo, and
// for each hierarchy the place that is tried first.
func TestMatch(t *testing.T) {
	for _, tt := range []struct {
		name, self, mountinfo string
		mode                  Mode
		want                  []Hierarchy
		outside               []string
	}{
		{
			name: "legacy, controllers mounted together",
			self: "4:name=systemd:/user.slice\n3:memory:/user.slice\n2:cpu,cpuacct:/\n",
			mountinfo: `30 25 0:26 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd
31 25 0:27 / /sys/fs/cgroup/memory rw,nosuid - cgroup cgroup rw,memory
32 25 0:28 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct
33 25 0:29 / /sys/fs/cgroup/cpuset rw shared:9 - cgroup cgroup rw,cpuset
`,
			mode: Legacy,
			want: []Hierarchy{
				{Name: "systemd", Mountpoint: "/sys/fs/cgroup/systemd", Root: "/", Own: "/user.slice"},
				{Controllers: []string{"memory"}, Mountpoint: "/sys/fs/cgroup/memory", Root: "/", Own: "/user.slice"},
				{Controllers: []string{"cpu", "cpuacct"}, Mountpoint: "/sys/fs/cgroup/cpu,cpuacct", Root: "/", Own: "/"},
			},
			outside: []string{"systemd", "memory"},
		},
		{
			name: "hybrid",
			self: "2:pids:/\n1:name=systemd:/init.scope\n0::/init.scope\n",
			mountinfo: `31 25 0:27 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids
30 25 0:26 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd
41 25 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw,nsdelegate
`,
			mode: Hybrid,
			want: []Hierarchy{
				{Controllers: []string{"pids"}, Mountpoint: "/sys/fs/cgroup/pids", Root: "/", Own: "/"},
				{Name: "systemd", Mountpoint: "/sys/fs/cgroup/systemd", Root: "/", Own: "/init.scope"},
				{V2: true, Mountpoint: "/sys/fs/cgroup/unified", Root: "/", Own: "/init.scope"},
			},
			outside: []string{"systemd", "v2"},
		},
		{
			name:      "unified under systemd, with a colon in a name",
			self:      "0::/user.slice/user@0.service/a:b\n",
			mountinfo: "29 23 0:26 / /sys/fs/cgroup rw,nosuid,nodev,noexec shared:4 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot\n",
			mode:      Unified,
			want:      []Hierarchy{{V2: true, Mountpoint: "/sys/fs/cgroup", Root: "/", Own: "/user.slice/user@0.service/a:b"}},
			outside:   []string{"v2"},
		},
		{
			name: "systemd's own v1 hierarchy beside v2 limits nothing",
			self: "1:name=systemd:/\n0::/\n",
			mountinfo: `30 25 0:26 / /sys/fs/cgroup/systemd rw - cgroup none rw,name=systemd
41 25 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
`,
			mode: Unified,
			want: []Hierarchy{
				{Name: "systemd", Mountpoint: "/sys/fs/cgroup/systemd", Root: "/", Own: "/"},
				{V2: true, Mountpoint: "/sys/fs/cgroup/unified", Root: "/", Own: "/"},
			},
		},
		{
			name:      "in a container, private namespace",
			self:      "0::/\n",
			mountinfo: "700 690 0:26 / /sys/fs/cgroup ro,nosuid - cgroup2 cgroup rw\n",
			mode:      Unified,
			want:      []Hierarchy{{V2: true, Mountpoint: "/sys/fs/cgroup", Root: "/", Own: "/"}},
		},
		{
			name:      "in a container, the host's namespace",
			self:      "5:pids:/docker/4f2a\n",
			mountinfo: "700 690 0:27 /docker/4f2a /sys/fs/cgroup/pids ro,nosuid - cgroup cgroup rw,pids\n",
			mode:      Legacy,
			want:      []Hierarchy{{Controllers: []string{"pids"}, Mountpoint: "/sys/fs/cgroup/pids", Root: "/docker/4f2a", Own: "/docker/4f2a"}},
		},
		{
			name:      "a namespace whose mounts were inherited",
			self:      "5:pids:/\n",
			mountinfo: "700 690 0:27 /../.. /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n",
			mode:      Legacy,
			want:      []Hierarchy{{Controllers: []string{"pids"}, Mountpoint: "/sys/fs/cgroup/pids", Root: "/../..", Own: "/"}},
			outside:   []string{"pids"},
		},
		{
			name: "mounted several times",
			self: "5:pids:/a\n",
			mountinfo: `600 690 0:27 /a /var/lib/x/cgroup/pids rw - cgroup cgroup rw,pids
700 690 0:27 /a /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids
701 690 0:27 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids
702 690 0:27 / /mnt/pids rw - cgroup cgroup rw,pids
`,
			mode:    Legacy,
			want:    []Hierarchy{{Controllers: []string{"pids"}, Mountpoint: "/sys/fs/cgroup/pids", Root: "/", Own: "/a"}},
			outside: []string{"pids"},
		},
		{
			name:      "none mounted",
			self:      "5:pids:/\n0::/\n",
			mountinfo: "27 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n",
		},
		{name: "no cgroups in the kernel"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			members, err := parseMemberships(strings.NewReader(tt.self))
			require.NoError(t, err)
			all, err := mounts(strings.NewReader(tt.mountinfo))
			require.NoError(t, err)
			var got []Hierarchy
			var outside []string
			for _, places := range match(members, all) {
				got = append(got, places[0].Hierarchy)
				if places[0].Outside() {
					outside = append(outside, places[0].Label())
				}
			}
			assert.Equal(t, tt.want, got)
			assert.Equal(t, tt.mode, modeOf(got))
			assert.Equal(t, tt.outside, outside)
		})
	}
}

func TestMembershipsThatAreNone(t *testing.T) {
	for _, s := range []string{"x", "1:2", "\n", "0:::", "1:pids:relative", strings.Repeat("a", 1<<20)} {
		_, err := parseMemberships(strings.NewReader(s))
		assert.Error(t, err, "%.20q", s)
	}
}

func FuzzMemberships(f *testing.F) {
	f.Add("4:name=systemd:/a:b\n0::/\n2:cpu,cpuacct:/\n", "31 25 0:27 / /x rw - cgroup cgroup rw,cpu,cpuacct\n")
	f.Fuzz(func(t *testing.T, self, info string) {
		members, err := parseMemberships(strings.NewReader(self))
		if err != nil {
			return
		}
		all, err := mounts(strings.NewReader(info))
		if err != nil {
			return
		}
		for _, places := range match(members, all) {
			for _, p := range places {
				require.True(t, p.V2 || p.Name != "" || len(p.Controllers) > 0)
				_ = p.Label()
			}
		}
	})
}

func TestModeNames(t *testing.T) {
	for m, want := range map[Mode]string{Unavailable: "unavailable", Legacy: "legacy", Hybrid: "hybrid", Unified: "unified", 9: "unavailable"} {
		assert.Equal(t, want, m.String())
	}
}
