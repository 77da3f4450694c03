package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// groupsOf finds the cgroups of a process, in every hierarchy where they are below
// a directory called below.
func groupsOf(pid int, below string) ([]group, error) {
	mounts, err := hierarchies()
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		return nil, err
	}
	var all []group
	for line := range strings.Lines(string(text)) {
		part := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(part) != 3 || !strings.Contains(part[2], "/"+below+"/") {
			continue
		}
		top, ok := mounts[part[1]]
		if !ok {
			return nil, fmt.Errorf("cgroup hierarchy %q is not mounted", part[1])
		}
		g := group{dir: top + part[2], v2: part[1] == ""}
		_, err := os.Stat(g.dir + "/pids.max")
		g.pids = err == nil
		all = append(all, g)
	}
	if len(all) == 0 {
		return nil, errors.New("the container has no cgroup")
	}
	return all, nil
}

// hierarchies are the mount points by controllers; "" is cgroup v2.
func hierarchies() (map[string]string, error) {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	found := map[string]string{}
	for line := range strings.Lines(string(text)) {
		before, after, _ := strings.Cut(strings.TrimSpace(line), " - ")
		left, right := strings.Fields(before), strings.Fields(after)
		if len(left) < 5 || len(right) < 3 || left[3] != "/" {
			continue
		}
		switch right[0] {
		case "cgroup2":
			found[""] = left[4]
		case "cgroup":
			// The options of the hierarchy and of the mount are one list.
			var controllers []string
			for o := range strings.SplitSeq(right[2], ",") {
				if o != "rw" && o != "ro" && o != "xattr" && !strings.HasPrefix(o, "release_agent=") && o != "clone_children" && o != "noprefix" {
					controllers = append(controllers, o)
				}
			}
			found[strings.Join(controllers, ",")] = left[4]
		}
	}
	return found, nil
}

// beside makes a directory for the C limit's groups in the hierarchies of a
// container's: as deep below the top, with the same controllers.
func beside(container []group, name string) ([]group, error) {
	var all []group
	for _, g := range container {
		store := filepath.Dir(g.dir)
		top := filepath.Dir(store)
		parent := filepath.Join(filepath.Dir(top), name, "limit")
		if err := os.MkdirAll(parent, 0o755); err != nil {
			return nil, err
		}
		if g.v2 {
			for from, to := range map[string]string{top: filepath.Dir(parent), store: parent} {
				if err := enable(from, to); err != nil {
					return nil, err
				}
			}
		}
		all = append(all, group{parent, g.v2, g.pids})
	}
	return all, nil
}

// enable gives the children of one v2 group the controllers that another's have.
func enable(from, to string) error {
	const file = "/cgroup.subtree_control"
	text, err := os.ReadFile(from + file)
	if err != nil {
		return err
	}
	for c := range strings.FieldsSeq(string(text)) {
		if err := os.WriteFile(to+file, []byte("+"+c), 0); err != nil {
			return err
		}
	}
	return nil
}

// sweepGroups removes the empty groups of this run in every hierarchy.
func sweepGroups(name string) {
	mounts, err := hierarchies()
	if err != nil {
		return
	}
	for _, top := range mounts {
		removeGroups(filepath.Join(top, name))
	}
}

func removeGroups(dir string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		if e.IsDir() {
			removeGroups(filepath.Join(dir, e.Name()))
		}
	}
	os.Remove(dir)
}
