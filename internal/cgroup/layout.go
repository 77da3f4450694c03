package cgroup

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Mode says which versions of cgroups a host offers.
type Mode int

// A host has no cgroups mounted, v1 alone, v1 controllers beside a v2 hierarchy,
// or v2 alone.
const (
	Unavailable Mode = iota
	Legacy
	Hybrid
	Unified
)

// String is the mode in one lower-case word.
func (m Mode) String() string {
	switch m {
	case Legacy:
		return "legacy"
	case Hybrid:
		return "hybrid"
	case Unified:
		return "unified"
	}
	return "unavailable"
}

// Hierarchy is one tree of groups as this process sees it.
type Hierarchy struct {
	V2          bool
	Controllers []string // on v2, those that groups can use
	Name        string   // of a v1 hierarchy made with name=, as systemd's
	Mountpoint  string
	Root        string // the group that appears at Mountpoint
	Own         string // the group of this process, in the same terms as Root
}

// Outside says that this process's group is not the one at the mount point: it
// was put somewhere below, as a service manager does, or lies outside of what is
// mounted.
func (h Hierarchy) Outside() bool { return h.Own != h.Root }

// Label names the hierarchy in messages: by its controllers or its name, "v2" for
// the unified one.
func (h Hierarchy) Label() string {
	switch {
	case h.V2:
		return "v2"
	case h.Name != "":
		return h.Name
	}
	return strings.Join(h.Controllers, ",")
}

// has says whether the hierarchy serves a controller.
func (h Hierarchy) has(controller string) bool {
	return slices.Contains(h.Controllers, controller)
}

// A membership is one line of /proc/self/cgroup.
type membership struct {
	v2          bool
	controllers []string
	name, path  string
}

// parseMemberships reads /proc/self/cgroup; see cgroups(7).
func parseMemberships(r io.Reader) ([]membership, error) {
	var all []membership
	for s := bufio.NewScanner(r); ; {
		if !s.Scan() {
			return all, s.Err()
		}
		// hierarchy-ID:controller-list:cgroup-path, where the path may have
		// colons of its own.
		f := strings.SplitN(s.Text(), ":", 3)
		if len(f) != 3 || !strings.HasPrefix(f[2], "/") {
			return nil, fmt.Errorf("line %.200q of the list of cgroups has not three fields", s.Text())
		}
		m := membership{path: f[2], v2: f[0] == "0" && f[1] == ""}
		for _, c := range strings.Split(f[1], ",") {
			if name, ok := strings.CutPrefix(c, "name="); ok {
				m.name = name
			} else if c != "" {
				m.controllers = append(m.controllers, c)
			}
		}
		all = append(all, m)
	}
}

// is says whether a membership is one in hierarchy h.
func (h Hierarchy) is(m membership) bool {
	if h.V2 || m.v2 {
		return h.V2 == m.v2
	}
	return h.Name == m.name && slices.Equal(h.Controllers, m.controllers)
}

// A mount is what counts of one line of /proc/self/mountinfo.
type mount struct {
	fsType  string // cgroup or cgroup2
	root    string
	point   string
	options string // of the super block
	dev     uint64
}

// A candidate is a place where a hierarchy seems to be mounted. Whether it can be
// seen there shows when it is opened: another mount may lie above it.
type candidate struct {
	Hierarchy
	dev uint64
}

// match finds for each hierarchy that this process is a member of the places
// where it is mounted, the best first. A hierarchy without one is left out.
func match(members []membership, mounts []mount) [][]candidate {
	var all [][]candidate
	for _, m := range members {
		var places []candidate
		for _, mt := range mounts {
			if m.mountedAt(mt) {
				places = append(places, candidate{dev: mt.dev, Hierarchy: Hierarchy{
					V2: m.v2, Controllers: m.controllers, Name: m.name,
					Mountpoint: mt.point, Root: mt.root, Own: m.path,
				}})
			}
		}
		if len(places) == 0 {
			continue
		}
		slices.SortStableFunc(places, func(a, b candidate) int {
			return cmp.Or(cmp.Compare(a.oddity(), b.oddity()), cmp.Compare(len(a.Root), len(b.Root)))
		})
		all = append(all, places)
	}
	return all
}

func (m membership) mountedAt(mt mount) bool {
	if m.v2 {
		return mt.fsType == "cgroup2"
	}
	if mt.fsType != "cgroup" {
		return false
	}
	options := strings.Split(mt.options, ",")
	if m.name != "" {
		return slices.Contains(options, "name="+m.name)
	}
	// Controllers mounted together are one hierarchy, and both sides list all.
	return len(m.controllers) > 0 && !slices.ContainsFunc(m.controllers, func(c string) bool {
		return !slices.Contains(options, c)
	})
}

// oddity ranks places: the usual folder before any other, because the others are
// often views made for a container.
func (c candidate) oddity() int {
	if strings.HasPrefix(c.Mountpoint, "/sys/fs/cgroup") {
		return 0
	}
	return 1
}

// modeOf sums up what was found. A v1 hierarchy that has only a name, systemd's,
// limits nothing and does not make a host hybrid.
func modeOf(hs []Hierarchy) Mode {
	var v1, v2 bool
	for _, h := range hs {
		v1 = v1 || !h.V2 && len(h.Controllers) > 0
		v2 = v2 || h.V2
	}
	switch {
	case v1 && v2:
		return Hybrid
	case v1:
		return Legacy
	case v2:
		return Unified
	}
	return Unavailable
}
