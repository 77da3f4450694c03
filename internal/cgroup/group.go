package cgroup

import (
	"errors"

	"github.com/coraclehq/coracle/internal/sys"
)

// Group is the group of one container. Its descriptors belong to it and are
// closed by Close; those of Dirs are the Host's. Methods work after Close, too,
// as long as the Host is open.
type Group struct {
	// Join are files to which a process writes "0" to enter the group, one for
	// each v1 hierarchy.
	Join []*sys.FD
	// Into is the group on v2, for CLONE_INTO_CGROUP; nil if it has none there.
	// clone(2): the descriptor may be O_PATH.
	Into *sys.FD
	// Events tells of OOM kills, for OOMKills; nil without the memory controller.
	Events *sys.FD
	// Kill is cgroup.kill: writing "1" kills every process in the group and below.
	// Nil on v1 and before Linux 5.14.
	Kill *sys.FD
	// Freezer is freezer.state of v1: writing "THAWED" lets a killed process die, which
	// it does not while it is frozen. Nil without that controller; on v2 it dies frozen.
	Freezer *sys.FD
	// Dirs are the group's directories, for rmdir by whoever sees it end.
	Dirs []Dir

	id    string
	parts []part
}

// Dir is a directory by its parent, which the Host owns, and its name in there.
type Dir struct {
	Parent *sys.FD
	Name   string
}

// A part is the group in one hierarchy.
type part struct {
	tree tree
	dir  *sys.FD // the Host's
	path string  // of the group, from dir
	full string  // from the mount point
}

// Close closes the group's descriptors. The group stays.
func (g *Group) Close() error {
	errs := []error{closeFD(g.Into), closeFD(g.Events), closeFD(g.Kill), closeFD(g.Freezer)}
	for _, f := range g.Join {
		errs = append(errs, f.Close())
	}
	g.Join, g.Into, g.Events, g.Kill, g.Freezer = nil, nil, nil, nil, nil
	return errors.Join(errs...)
}

// join opens what a process needs to enter the part p.
func (g *Group) join(p part) error {
	if p.tree.V2 {
		into, err := p.dir.Open(p.path, sys.O_PATH|sys.O_DIRECTORY, 0)
		g.Into = into
		return err
	}
	// Writing to tasks moves the one thread that writes and takes no lock that
	// waits for RCU; cgroup.procs would, since it moves the whole process.
	f, err := p.dir.Open(p.path+"/tasks", sys.O_WRONLY, 0)
	if err != nil {
		return err
	}
	g.Join = append(g.Join, f)
	return nil
}

// abandon undoes a Create that failed.
func (g *Group) abandon() error {
	errs := []error{g.Close()}
	for i := len(g.Dirs) - 1; i >= 0; i-- {
		errs = append(errs, remove(g.Dirs[i].Parent, g.Dirs[i].Name))
	}
	return errors.Join(errs...)
}

// with returns the group in the v1 hierarchy of a controller.
func (g *Group) with(controller string) (part, bool) {
	for _, p := range g.parts {
		if !p.tree.V2 && p.tree.has(controller) {
			return p, true
		}
	}
	return part{}, false
}

// v2 returns the group in the unified hierarchy.
func (g *Group) v2() (part, bool) {
	for _, p := range g.parts {
		if p.tree.V2 {
			return p, true
		}
	}
	return part{}, false
}

func (p part) read(name string) (string, error) { return read(p.dir, p.path+"/"+name) }
func (p part) write(name, value string) error   { return write(p.dir, p.path+"/"+name, value) }
