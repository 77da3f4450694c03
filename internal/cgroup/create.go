package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strings"
	"syscall"

	"github.com/coraclehq/coracle/internal/probe"
	"github.com/coraclehq/coracle/internal/sys"
)

// Create makes the group of a container under the limits, in the hierarchies
// that it needs: on v1 and hybrid hosts pids, memory, freezer and those of the
// limits; on v2 hosts the one there is. An empty group of that name, left over
// from a run before, is made anew; one with processes in it is an error that wraps
// fs.ErrExist. A limit that cannot be set is an error, an *UnsupportedError if
// kernel or host lack what it takes; nothing is left behind then.
//
// Store and id are one to 128 letters, digits, hyphens or underscores. The caller
// makes sure that only one process starts a container at a time.
func (h *Host) Create(store, id string, l Limits) (_ *Group, err error) {
	g := &Group{id: id}
	defer func() {
		if err != nil {
			err = fmt.Errorf("make cgroup %s/%s/%s: %w", h.top, store, id, errors.Join(err, g.abandon()))
		}
	}()
	if err := check(store, id); err != nil {
		return nil, err
	}
	demands, err := l.demands()
	if err != nil {
		return nil, err
	}
	places, err := place(h.infos, h.mode, demands)
	if err != nil {
		return nil, err
	}
	for _, p := range places {
		if err := h.create(g, store, p); err != nil {
			return nil, err
		}
	}
	return g, nil
}

// create makes the group in one hierarchy.
func (h *Host) create(g *Group, store string, p placement) error {
	l, err := h.make(g.id, store, p)
	if err != nil {
		return hint(err)
	}
	t := h.trees[p.hierarchy]
	g.Dirs = append(g.Dirs, Dir{Parent: l.dir, Name: g.id})
	g.parts = append(g.parts, part{tree: t, dir: l.dir, path: g.id, full: h.top + "/" + store + "/" + g.id})
	if err := t.seed(l.dir, g.id); err != nil {
		return err
	}
	for _, f := range p.files {
		if err := set(l.dir, g.id, f); err != nil {
			return err
		}
	}
	if err := g.join(g.parts[len(g.parts)-1]); err != nil {
		return err
	}
	return g.watch(t, l.dir)
}

// make makes the directory.
func (h *Host) make(id, store string, p placement) (*level, error) {
	for try := 0; ; try++ {
		l, err := h.level(p.hierarchy, store, p.controllers)
		if err != nil {
			return nil, err
		}
		err = l.dir.Mkdir(id, 0o755)
		switch {
		case err == nil:
			return l, nil
		case gone(err) && try < 3:
			h.forget(l)
		case errors.Is(err, fs.ErrExist) && try < 3:
			// Removing rather than reusing it resets its counters and limits.
			if busy := remove(l.dir, id); busy != nil {
				return nil, errors.Join(err, busy)
			}
		default:
			return nil, err
		}
	}
}

// set writes a limit.
func set(dir *sys.FD, id string, f file) error {
	err := write(dir, id+"/"+f.name, f.value)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &probe.UnsupportedError{
			Feature: "cgroup file " + f.name, Kernel: since[f.name],
			Hint: remedy(f.name), Err: err,
		}
	case errors.Is(err, syscall.EINVAL), errors.Is(err, syscall.ERANGE):
		return fmt.Errorf("%w: %w", err, fs.ErrInvalid)
	}
	return err
}

// since names the first kernel that has a file, where 5.10 lacks it.
var since = map[string]string{
	"cpu.cfs_burst_us": "5.14",
	"cpu.max.burst":    "5.14",
	"cpu.idle":         "5.15",
}

func remedy(name string) string {
	switch {
	case strings.HasPrefix(name, "memory.memsw."), strings.HasPrefix(name, "memory.swap."):
		return "start the kernel with swapaccount=1"
	case strings.HasPrefix(name, "hugetlb."):
		return "the machine has no huge pages of this size"
	}
	return ""
}

// watch opens what tells of OOM kills, what kills the group and what thaws it.
func (g *Group) watch(t tree, dir *sys.FD) (err error) {
	switch {
	case t.V2 && t.has("memory"):
		g.Events, err = dir.Open(g.id+"/memory.events", sys.O_RDONLY, 0)
	case !t.V2 && t.has("memory"):
		g.Events, err = dir.Open(g.id+"/memory.oom_control", sys.O_RDONLY, 0)
	}
	if err == nil && !t.V2 && t.has("freezer") {
		g.Freezer, err = dir.Open(g.id+"/freezer.state", sys.O_WRONLY, 0)
	}
	if err != nil || !t.V2 {
		return err
	}
	g.Kill, err = dir.Open(g.id+"/cgroup.kill", sys.O_WRONLY, 0)
	if errors.Is(err, fs.ErrNotExist) { // Linux 5.14
		err = nil
	}
	return err
}

// Leave returns the group that a process joins to be out of the groups of the
// program that it was started by, so that stopping that program's service, or its
// limits, do not take it along: <store>/supervisors, in those hierarchies only in
// which this process is in a group below the mount point. Join and Into are empty
// where there is nothing to leave; Dirs, Events and Kill always are.
func (h *Host) Leave(store string) (_ *Group, err error) {
	g := &Group{id: Supervisors}
	defer func() {
		if err != nil {
			err = fmt.Errorf("make cgroup %s/%s/%s: %w", h.top, store, Supervisors, errors.Join(err, g.Close()))
		}
	}()
	if err := check(store, "x"); err != nil {
		return nil, err
	}
	for i := range h.trees {
		if !h.infos[i].Outside() {
			continue
		}
		if err := h.leave(g, i, store); err != nil {
			return nil, hint(err)
		}
	}
	return g, nil
}

func (h *Host) leave(g *Group, i int, store string) error {
	for try := 0; ; try++ {
		l, err := h.level(i, store, nil)
		if err != nil {
			return err
		}
		t := h.trees[i]
		err = l.dir.Mkdir(Supervisors, 0o755)
		if err == nil {
			err = t.seed(l.dir, Supervisors)
		}
		if err == nil || errors.Is(err, fs.ErrExist) {
			err = g.join(part{tree: t, dir: l.dir, path: Supervisors})
		}
		if !gone(err) || try == 3 {
			return err
		}
		h.forget(l)
	}
}

// Open returns a container's group for a process that is to join it: Join and
// Into alone are set. A group that is nowhere wraps fs.ErrNotExist.
func (h *Host) Open(store, id string) (_ *Group, err error) {
	g, err := h.lookup(store, id)
	defer func() {
		if err != nil {
			err = fmt.Errorf("open cgroup %s/%s/%s: %w", h.top, store, id, err)
		}
	}()
	if err != nil {
		return nil, err
	}
	for _, p := range g.parts {
		if err := g.join(p); err != nil {
			return nil, errors.Join(hint(err), g.Close())
		}
	}
	return g, nil
}

// lookup finds in which hierarchies the group is.
func (h *Host) lookup(store, id string) (*Group, error) {
	if err := check(store, id); err != nil {
		return nil, err
	}
	g := &Group{id: id}
	path := h.top + "/" + store + "/" + id
	for _, t := range h.trees {
		_, err := t.root.StatAt(path, false)
		if gone(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		g.parts = append(g.parts, part{tree: t, dir: t.root, path: path, full: path})
	}
	if g.parts == nil {
		return nil, fs.ErrNotExist
	}
	return g, nil
}

// A group's name has no dot: those are the files that the kernel puts beside it.
var name = regexp.MustCompile(`^[0-9A-Za-z_-]{1,128}$`)

func check(store, id string) error {
	for _, n := range [...]string{store, id} {
		if !name.MatchString(n) || n == Supervisors {
			return fmt.Errorf("name of a cgroup %.200q: %w", n, fs.ErrInvalid)
		}
	}
	return nil
}
