package cgroup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"syscall"

	"github.com/coraclehq/coracle/internal/sys"
)

// KillAll kills every process in the group and in those below it, frozen or not,
// and returns when none is left. Where cgroup.kill is missing (v1, and v2 before
// Linux 5.14) it first takes the right to fork from the group, for good, so that it
// wins against a fork bomb.
func (g *Group) KillAll(ctx context.Context) error {
	if err := g.killAll(ctx); err != nil {
		return fmt.Errorf("kill %s: %w", g.id, err)
	}
	return nil
}

func (g *Group) killAll(ctx context.Context) error {
	// Only on v2 alone: a process that joined v1 groups would survive this.
	if p, ok := g.v2(); ok && len(g.parts) == 1 {
		err := p.write("cgroup.kill", "1")
		if !errors.Is(err, fs.ErrNotExist) {
			if err != nil && !gone(err) {
				return err
			}
			return g.empty(ctx)
		}
	}
	if err := g.stopForking(); err != nil && !gone(err) {
		return err
	}
	for w := (pause{}); ; w.wait() {
		left, err := g.signalAll(sys.SIGKILL)
		if err != nil || left == 0 {
			return err
		}
		// A frozen process of v1 dies when it thaws; on v2 at once.
		if err := g.thaw(); err != nil && !gone(err) {
			return err
		}
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("%d processes are left: %w", left, err)
		}
	}
}

// stopForking forbids new processes: clone(2) fails with EAGAIN in a group with
// pids.max of less than it has.
func (g *Group) stopForking() error {
	if p, ok := g.with("pids"); ok {
		return p.write("pids.max", "0")
	}
	if p, ok := g.v2(); ok && p.tree.has("pids") {
		return p.write("pids.max", "0")
	}
	return nil
}

// empty waits until no process is left.
func (g *Group) empty(ctx context.Context) error {
	for w := (pause{}); ; w.wait() {
		pids, err := g.Procs()
		if err != nil || len(pids) == 0 {
			return err
		}
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("%d processes are left: %w", len(pids), err)
		}
	}
}

// Procs lists the processes in the group and in those below it, in all
// hierarchies, as numbers of this process's pid namespace. One that is not visible
// here is 0. A group that is gone has none.
func (g *Group) Procs() ([]int, error) {
	var all []int
	seen := map[int]bool{}
	for _, p := range g.parts {
		err := p.procs(p.path, func(pid int) {
			if !seen[pid] {
				seen[pid] = true
				all = append(all, pid)
			}
		})
		if err != nil {
			return nil, fmt.Errorf("processes of cgroup %s: %w", g.id, err)
		}
	}
	return all, nil
}

func (p part) procs(path string, found func(pid int)) error {
	b, err := p.dir.ReadFile(path+"/cgroup.procs", 64<<20)
	if gone(err) {
		return nil
	}
	if err != nil {
		return err
	}
	for line := range strings.FieldsSeq(string(b)) {
		pid, err := strconv.Atoi(line)
		if err != nil {
			return err
		}
		found(pid)
	}
	below, err := groups(p.dir, path)
	if err != nil {
		return err
	}
	for _, name := range below {
		if err := p.procs(path+"/"+name, found); err != nil {
			return err
		}
	}
	return nil
}

// signalAll signals every process of the group and returns how many there were.
func (g *Group) signalAll(sig int) (int, error) {
	pids, err := g.Procs()
	if err != nil {
		return 0, err
	}
	for _, pid := range pids {
		if err := g.signal(pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
			return 0, err
		}
	}
	return len(pids), nil
}

// signal signals a process by pidfd, after making sure that what the number
// stands for now is in the group: the process that was listed may have ended.
func (g *Group) signal(pid, sig int) error {
	if pid == 0 {
		return fmt.Errorf("a process outside of this pid namespace: %w", fs.ErrPermission)
	}
	fd, err := sys.PidfdOpen(pid, 0)
	if err != nil {
		return err
	}
	defer fd.Close()
	proc, err := sys.Open("/proc", sys.O_PATH|sys.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	defer proc.Close()
	b, err := proc.ReadFile(strconv.Itoa(pid)+"/cgroup", 1<<20)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if in, err := g.contains(string(b)); err != nil || !in {
		return err
	}
	return fd.PidfdSignal(sig)
}

// contains says whether a /proc/<pid>/cgroup is that of a process of the group.
func (g *Group) contains(memberships string) (bool, error) {
	all, err := parseMemberships(strings.NewReader(memberships))
	if err != nil {
		return false, err
	}
	for _, p := range g.parts {
		group := strings.TrimSuffix(p.tree.Root, "/") + "/" + p.full
		for _, m := range all {
			if p.tree.is(m) && (m.path == group || strings.HasPrefix(m.path, group+"/")) {
				return true, nil
			}
		}
	}
	return false, nil
}

// Remove removes the group, and groups that were made below it, when the last
// process has ended, which it does not bring about. A group that is gone is no
// error.
func (g *Group) Remove(ctx context.Context) error {
	for i := len(g.parts) - 1; i >= 0; i-- {
		if err := g.parts[i].remove(ctx); err != nil {
			return fmt.Errorf("remove cgroup %s: %w", g.id, err)
		}
	}
	return nil
}

// remove tries until ctx ends: a process stays in its group for a moment after
// it has been waited for.
func (p part) remove(ctx context.Context) error {
	for w := (pause{}); ; w.wait() {
		err := p.removeTree(p.path)
		if !errors.Is(err, syscall.EBUSY) {
			return err
		}
		if ctx.Err() != nil {
			return errors.Join(ctx.Err(), err)
		}
	}
}

func (p part) removeTree(path string) error {
	err := remove(p.dir, path)
	if !errors.Is(err, syscall.EBUSY) {
		return err
	}
	below, err := groups(p.dir, path)
	if err != nil {
		return err
	}
	for _, name := range below {
		if err := p.removeTree(path + "/" + name); err != nil {
			return err
		}
	}
	return remove(p.dir, path)
}
