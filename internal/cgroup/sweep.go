package cgroup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"syscall"
)

// Sweep kills and removes the groups of those of a store's containers for which
// alive answers false; it is asked once for each. It touches nothing outside of the
// store's own directories, which it removes when they are empty and no Host works in
// them, and not the supervisors. One group that resists does not keep it from the
// others. Alive must be true already for a container whose group is just being made.
func (h *Host) Sweep(ctx context.Context, store string, alive func(id string) bool) error {
	if err := check(store, "x"); err != nil {
		return err
	}
	ids, err := h.Groups(store)
	if err != nil {
		return err
	}
	var errs []error
	for _, id := range ids {
		if alive(id) {
			continue
		}
		if err := h.sweep(ctx, store, id); err != nil {
			errs = append(errs, fmt.Errorf("sweep %s/%s/%s: %w", h.top, store, id, err))
		}
	}
	left, err := h.Groups(store)
	errs = append(errs, err)
	for i := range h.trees {
		if err := h.tidy(i, store, len(left) > 0); err != nil {
			errs = append(errs, fmt.Errorf("sweep %s/%s: %w", h.top, store, err))
		}
	}
	return errors.Join(errs...)
}

// tidy removes the directory of a store, since the Host that made it may have been
// killed. While the store has containers, and that is in any hierarchy, their
// supervisors may still have to join the group that is theirs: then Close looks again.
func (h *Host) tidy(i int, store string, used bool) error {
	t, path := h.trees[i], h.top+"/"+store
	there := func() bool {
		_, err := t.root.StatAt(path, false)
		return err == nil
	}
	h.mu.Lock()
	works := h.levels[levelKey{i, store}] != nil
	h.mu.Unlock()
	if works || !there() {
		return nil
	}
	var err error
	if !used {
		err = t.tidy(h.top, path)
	}
	if err == nil && there() {
		_, err = h.level(i, store, nil)
	}
	// Where nothing can be removed, nothing was made: by this user, or in this view.
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) {
		return nil
	}
	return err
}

// Groups lists the containers of a store that have a group in any hierarchy.
func (h *Host) Groups(store string) ([]string, error) {
	if err := check(store, "x"); err != nil {
		return nil, err
	}
	var ids []string
	seen := map[string]bool{Supervisors: true}
	for _, t := range h.trees {
		names, err := groups(t.root, h.top+"/"+store)
		if err != nil {
			return nil, fmt.Errorf("list cgroups: %w", err)
		}
		for _, id := range names {
			if !seen[id] {
				seen[id] = true
				ids = append(ids, id)
			}
		}
	}
	return ids, nil
}

func (h *Host) sweep(ctx context.Context, store, id string) error {
	g, err := h.lookup(store, id)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := g.killAll(ctx); err != nil {
		return err
	}
	return g.Remove(ctx)
}

// OOMKills reads what Group.Events holds, of either version: how many processes
// of the group the kernel has killed because memory ran out. V1 counts them from
// Linux 4.13 on.
func OOMKills(events []byte) uint64 {
	for line := range strings.Lines(string(events)) {
		if n, ok := strings.CutPrefix(strings.TrimSpace(line), "oom_kill "); ok {
			kills, _ := strconv.ParseUint(n, 10, 64)
			return kills
		}
	}
	return 0
}
