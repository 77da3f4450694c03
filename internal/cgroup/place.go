package cgroup

import (
	"errors"
	"fmt"
	"slices"

	"github.com/coraclehq/coracle/internal/probe"
)

// A placement is one hierarchy in which a group is made, and what is written
// there.
type placement struct {
	hierarchy   int // index
	controllers []string
	files       []file
}

// Controllers that a group gets whether it is limited or not: they cost little,
// and without them it could not be counted, told of its OOM kills, or frozen.
var usual = [...]string{"pids", "memory", "freezer"}

// place decides in which hierarchies a group with these demands is made. What
// limits nothing is made only where it must be, since each v1 hierarchy costs
// three system calls to enter. A demand that no hierarchy serves is an
// *UnsupportedError.
func place(hs []Hierarchy, mode Mode, demands []demand) ([]placement, error) {
	if mode == Unavailable {
		return nil, &probe.UnsupportedError{
			Feature: "cgroups",
			Hint:    "mount them: mount -t cgroup2 none /sys/fs/cgroup",
			Err:     errors.ErrUnsupported,
		}
	}
	var all []placement
	for i, h := range hs {
		p := placement{hierarchy: i}
		needed := mode == Unified && h.V2
		for _, c := range usual {
			if h.has(c) && (!h.V2 || mode == Unified) {
				p.controllers = append(p.controllers, c)
				needed = true
			}
		}
		for _, d := range demands {
			controller, files := d.in(h)
			if controller == "" {
				continue
			}
			needed = true
			p.files = append(p.files, files...)
			if !slices.Contains(p.controllers, controller) {
				p.controllers = append(p.controllers, controller)
			}
		}
		if needed {
			all = append(all, p)
		}
	}
	if err := served(hs, mode, demands); err != nil {
		return nil, err
	}
	return all, nil
}

// in returns the controller and files by which d is met in h, "" if it is not.
func (d demand) in(h Hierarchy) (string, []file) {
	switch {
	case h.V2 && d.v2 != "" && len(d.files2) > 0 && h.has(d.v2):
		return d.v2, d.files2
	case !h.V2 && d.v1 != "" && len(d.files1) > 0 && h.has(d.v1):
		return d.v1, d.files1
	}
	return "", nil
}

// served checks that every demand is met somewhere.
func served(hs []Hierarchy, mode Mode, demands []demand) error {
	for _, d := range demands {
		if slices.ContainsFunc(hs, func(h Hierarchy) bool { c, _ := d.in(h); return c != "" }) {
			continue
		}
		controller := d.v2
		if mode != Unified && d.v1 != "" {
			controller = d.v1
		}
		hint := "mount it, or start the kernel without cgroup_disable=" + controller
		if d.v1 == "" {
			hint = "only cgroup v2 has this file: use the limit that has a name of its own"
		}
		return &probe.UnsupportedError{
			Feature: fmt.Sprintf("a limit on the %s (cgroup controller %s)", d.what, controller),
			Hint:    hint,
			Err:     errors.ErrUnsupported,
		}
	}
	return nil
}

func unsupported(field string) error {
	return &probe.UnsupportedError{
		Feature: "/linux/resources/" + field,
		Hint:    "leave the field out",
		Err:     errors.ErrUnsupported,
	}
}
