package cgroup

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/coraclehq/coracle/internal/probe"
	"github.com/coraclehq/coracle/internal/sys"
)

// Freeze stops every process in the group and in those below it, and returns when
// the last one has stopped. Freezing a frozen group does nothing. When ctx ends
// before, or anything fails, the group is thawed again. It needs the v1 freezer
// controller or, on v2, Linux 5.2.
func (g *Group) Freeze(ctx context.Context) error {
	if err := g.freeze(ctx); err != nil {
		return fmt.Errorf("freeze %s: %w", g.id, errors.Join(err, g.thaw()))
	}
	return nil
}

// Thaw lets the processes of a frozen group run on. Thawing a running group does
// nothing.
func (g *Group) Thaw() error {
	if err := g.thaw(); err != nil {
		return fmt.Errorf("thaw %s: %w", g.id, err)
	}
	return nil
}

// Frozen says whether the group is frozen altogether. One without a freezer
// never is.
func (g *Group) Frozen() (bool, error) {
	if p, ok := g.with("freezer"); ok {
		return p.frozen1()
	}
	if p, ok := g.v2(); ok {
		return p.frozen2()
	}
	return false, nil
}

func (g *Group) freeze(ctx context.Context) error {
	if p, ok := g.with("freezer"); ok {
		return p.freeze1(ctx)
	}
	if p, ok := g.v2(); ok {
		return p.freeze2(ctx)
	}
	return &probe.UnsupportedError{
		Feature: "freezing a container", Kernel: "5.2", Hint: "mount cgroup v2 or the freezer controller of v1",
		Err: errors.ErrUnsupported,
	}
}

func (g *Group) thaw() error {
	if p, ok := g.with("freezer"); ok {
		return p.write("freezer.state", "THAWED")
	}
	if p, ok := g.v2(); ok {
		return p.write("cgroup.freeze", "0")
	}
	return nil
}

// freeze1 asks again and again, since in the state FREEZING a write looks once
// more at processes that were not ready (freezer-subsystem.rst); v1 gives no
// notice when it is done.
func (p part) freeze1(ctx context.Context) error {
	for w := (pause{}); ; w.wait() {
		if err := p.write("freezer.state", "FROZEN"); err != nil {
			return err
		}
		if done, err := p.frozen1(); done || err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

func (p part) frozen1() (bool, error) {
	state, err := p.read("freezer.state")
	return strings.TrimSpace(state) == "FROZEN", err
}

// freeze2 waits for cgroup.events to say so, which it announces by POLLPRI.
func (p part) freeze2(ctx context.Context) error {
	events, err := p.dir.Open(p.path+"/cgroup.events", sys.O_RDONLY, 0)
	if err != nil {
		return err
	}
	defer events.Close()
	if err := p.write("cgroup.freeze", "1"); err != nil {
		return err
	}
	return await(ctx, events, "frozen 1")
}

func (p part) frozen2() (bool, error) {
	events, err := p.read("cgroup.events")
	return hasLine(events, "frozen 1"), err
}

// await waits until a line stands in a file of cgroup v2 that announces changes.
// The wait is cut into pieces only to look at ctx.
func await(ctx context.Context, f *sys.FD, line string) error {
	for {
		b, err := f.ReadWhole(1 << 16)
		if err != nil {
			return err
		}
		if hasLine(string(b), line) {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if _, err := sys.Poll([]sys.PollFD{{FD: f, Events: sys.POLLPRI}}, 10*time.Millisecond); err != nil {
			return err
		}
	}
}

func hasLine(text, line string) bool {
	for l := range strings.Lines(text) {
		if strings.TrimSpace(l) == line {
			return true
		}
	}
	return false
}
