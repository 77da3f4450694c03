package cgroup

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/coraclehq/coracle/internal/sys"
)

// Host is where the groups of this machine are made. Its methods may be called
// concurrently, by any number of processes at a time, and any number of Hosts may
// work in the same hierarchies.
type Host struct {
	mode  Mode
	top   string // the directory that all groups lie under: "coracle"
	trees []tree
	infos []Hierarchy // of the trees, in their order

	mu     sync.Mutex // guards what follows
	levels map[levelKey]*level
	stale  []*level // removed by somebody else, perhaps still in use by a Group
}

// A tree is a hierarchy that can be worked in.
type tree struct {
	Hierarchy
	root *sys.FD // what Mountpoint shows, O_PATH
}

// Top is the directory in each hierarchy that holds all groups of Coracle.
const Top = "coracle"

// Find looks where cgroups are mounted and keeps a descriptor of each hierarchy,
// so that later steps are relative to it and cost little. A machine without
// cgroups is no error here: Mode is Unavailable then. The caller closes the Host.
func Find() (*Host, error) { return find(Top) }

func find(top string) (_ *Host, err error) {
	members, all, err := look()
	if err != nil {
		return nil, fmt.Errorf("find cgroups: %w", err)
	}
	h := &Host{top: top, levels: map[levelKey]*level{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, h.Close())
		}
	}()
	for _, places := range match(members, all) {
		t, ok, err := open(places)
		if err != nil {
			return nil, fmt.Errorf("find cgroups: %w", err)
		}
		if ok {
			h.trees = append(h.trees, t)
			h.infos = append(h.infos, t.Hierarchy)
		}
	}
	h.mode = modeOf(h.infos)
	return h, nil
}

// Mode says which versions of cgroups the machine has.
func (h *Host) Mode() Mode { return h.mode }

// Hierarchies lists what was found, in no order that means anything. The caller
// does not change it.
func (h *Host) Hierarchies() []Hierarchy { return h.infos }

// look reads where groups are mounted and which ones this process is in.
func look() ([]membership, []mount, error) {
	proc, err := sys.Open("/proc/thread-self", sys.O_PATH|sys.O_DIRECTORY, 0)
	if err != nil {
		return nil, nil, err
	}
	defer proc.Close()
	own, err := proc.ReadFile("cgroup", 1<<20)
	if err != nil {
		return nil, nil, err
	}
	members, err := parseMemberships(bytes.NewReader(own))
	if err != nil {
		return nil, nil, err
	}
	// Hosts with thousands of containers have megabytes of mounts.
	info, err := proc.ReadFile("mountinfo", 256<<20)
	if err != nil {
		return nil, nil, err
	}
	all, err := mounts(bytes.NewReader(info))
	return members, all, err
}

// open opens a hierarchy at the first of the places where it can be seen. A
// place that is gone or covered by another mount is passed over.
func open(places []candidate) (tree, bool, error) {
	for _, c := range places {
		root, err := sys.Open(c.Mountpoint, sys.O_PATH|sys.O_DIRECTORY, 0)
		if err != nil {
			continue
		}
		t := tree{Hierarchy: c.Hierarchy, root: root}
		if st, err := root.Stat(); err != nil || st.Dev != c.dev {
			root.Close()
			continue
		}
		if c.V2 {
			b, err := root.ReadFile("cgroup.controllers", 1<<16)
			if err != nil {
				return tree{}, false, errors.Join(err, root.Close())
			}
			t.Controllers = strings.Fields(string(b))
		}
		return t, true, nil
	}
	return tree{}, false, nil
}

// Close gives up the descriptors, and removes the directories of the stores that
// this Host worked for if they have no containers and no other Host works there. No
// other call is under way, and no Group is used afterwards.
func (h *Host) Close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	var errs []error
	used := map[string]bool{} // a supervisor of theirs may just be joining its group
	for key := range h.levels {
		if _, known := used[key.store]; !known {
			ids, err := h.Groups(key.store)
			used[key.store] = len(ids) > 0 || err != nil
		}
	}
	for key, l := range h.levels {
		if used[key.store] {
			errs = append(errs, l.close())
		} else {
			errs = append(errs, l.leave(h.trees[key.tree].root, h.top))
		}
	}
	for _, l := range h.stale {
		errs = append(errs, l.close())
	}
	for _, t := range h.trees {
		errs = append(errs, t.root.Close())
	}
	h.levels, h.stale, h.trees, h.infos, h.mode = nil, nil, nil, nil, Unavailable
	return errors.Join(errs...)
}
