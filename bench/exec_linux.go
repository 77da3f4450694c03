package main

import (
	"errors"
	"fmt"
	"path/filepath"
)

// exec measures executing a process in a container that runs.
func (b *bench) exec() error {
	small, err := b.host(20, 0)
	if err != nil {
		return err
	}
	m, same, err := b.execLimit(small)
	if err != nil {
		return err
	}
	large, err := b.host(b.heap, 0)
	if err != nil {
		return err
	}
	if _, err := large.do(running); err != nil {
		return err
	}
	by := func(h *hosted, o order) func(int) (answer, error) {
		return func(n int) (answer, error) {
			o.Do, o.N = "exec", n
			return h.do(o)
		}
	}
	all := []*contender{
		{name: limitName, state: "no supervisor", run: m.run},
		{name: attachedName, state: "/dev/null; 20 MB host", run: by(small, order{})},
		{name: fmt.Sprintf("coracle, %d MB host", b.heap), state: "/dev/null", run: by(large, order{})},
		{name: "coracle, output to the host", state: "pipes; 20 MB host", run: by(small, order{Output: true})},
	}
	for _, name := range []string{"crun", "runc"} {
		p, c := b.peer(name, "stdio inherited")
		c.run = p.exec
		all = append(all, c)
	}
	all = append(all, &contender{name: "bwrap", missing: "it cannot execute in a container that runs"})
	all = append(all, b.daemons("exec")...)
	for _, n := range b.at {
		if b.stopped() {
			return errors.New("interrupted")
		}
		count := rounds(b.rounds, n)
		interleave(b.among(all), n, count, b.settle)
		table(b.out, "exec /bin/true in a running container, cgroup joined", b.among(all), n, count, same)
		if n == 1 {
			ours := find(all, attachedName)
			fmt.Fprintln(b.out)
			verdicts(b.out, same, []target{
				{"exec / C loop", ours, find(all, limitName), 2}, {"exec / crun exec", ours, find(all, "crun"), 0.3},
				{"exec / runc exec", ours, find(all, "runc"), 0.1}, {"exec / Docker", ours, find(all, "docker"), 1.0 / 30},
			})
		}
	}
	return nil
}

// running is the container that execs join.
var running = order{Do: "hold", Image: image, N: 1, Args: []string{"/bin/sleep", "1000000"}}

// execLimit makes the C limit for execs, and the container that it and the host
// join. The list comes from a process that stays, in a container of the image in
// which true does; the list names no container.
func (b *bench) execLimit(h *hosted) (m *limit, same string, err error) {
	held, err := h.do(order{Do: "hold", Image: holdImage, N: 1})
	if err != nil {
		return nil, "", err
	}
	stays, err := h.do(order{Do: "held"})
	if err != nil {
		return nil, "", err
	}
	l, err := b.capture(stays.PIDs[0], held.ID, true)
	if err != nil {
		return nil, "", err
	}
	if _, err := h.do(order{Do: "release"}); err != nil {
		return nil, "", err
	}
	joined, err := h.do(running)
	if err != nil {
		return nil, "", err
	}
	groups, err := groupsOf(joined.PIDs[0], "coracle")
	if err != nil {
		return nil, "", err
	}
	b.storeID = filepath.Base(filepath.Dir(groups[0].dir))
	if m, err = b.newLimit(l, joined.PIDs[0], groups, "-"); err != nil {
		return nil, "", err
	}
	b.later(m.close)
	same, err = b.compare(m, l.closed, func(h *hosted) error {
		if _, err := h.do(running); err != nil {
			return err
		}
		_, err := h.do(order{Do: "exec", N: 1})
		return err
	}, true)
	return m, same, err
}
