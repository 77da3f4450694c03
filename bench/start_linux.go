package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// start measures starts.
func (b *bench) start() error {
	small, err := b.host(20, 0)
	if err != nil {
		return err
	}
	m, same, err := b.startLimit(small)
	if err != nil {
		return err
	}
	all, err := b.starters(small, m)
	if err != nil {
		return err
	}
	for _, n := range b.at {
		if b.stopped() {
			return errors.New("interrupted")
		}
		count := rounds(b.rounds, n)
		interleave(b.among(all), n, count, b.settle)
		table(b.out, "start /bin/true, everything isolated, no network", b.among(all), n, count, same)
		fmt.Fprintln(b.out)
		verdicts(b.out, same, startTargets(all, n))
	}
	if err := b.memory(small); err != nil {
		return err
	}
	return b.pauses(m)
}

// startTargets are what starts are held to.
func startTargets(all []*contender, n int) []target {
	limit, ours := find(all, limitName), find(all, attachedName)
	switch n {
	case 1:
		return []target{
			{"start / C limit", ours, limit, 1.3}, {"start / crun run", ours, find(all, "crun"), 0.7}, {"start / runc run", ours, find(all, "runc"), 0.25},
			{"start from a pool / C limit without one", find(all, poolName), limit, 1.1},
			{"start / Docker", ours, find(all, "docker"), 1.0 / 40},
		}
	case 50:
		return []target{{"50 at once / C limit", ours, limit, 1.2}, {"50 at once / Docker", ours, find(all, "docker"), 0.1}}
	}
	return []target{{fmt.Sprintf("%d at once / C limit", n), ours, limit, 1.3}}
}

func find(all []*contender, name string) *contender {
	i := slices.IndexFunc(all, func(c *contender) bool { return c.name == name })
	if i < 0 {
		return nil
	}
	return all[i]
}

const (
	attachedName = "coracle"
	poolName     = "coracle, ready pool"
)

// starters are all that start containers.
func (b *bench) starters(small *hosted, m *limit) ([]*contender, error) {
	large, err := b.host(b.heap, 0)
	if err != nil {
		return nil, err
	}
	pool, err := b.host(20, b.pool)
	if err != nil {
		return nil, err
	}
	fresh := "fresh overlay"
	by := func(h *hosted, o order) func(int) (answer, error) {
		return func(n int) (answer, error) {
			o.Do, o.Image, o.N = "start", image, n
			return h.do(o)
		}
	}
	all := []*contender{
		{name: limitName, state: fresh + "; no supervisor", run: m.run},
		{name: attachedName, state: fresh + "; attached, supervisor writes the log; 20 MB host", run: by(small, order{})},
		{name: fmt.Sprintf("coracle, %d MB host", b.heap), state: fresh + "; attached, log", run: by(large, order{})},
		{name: "coracle, output to the host", state: fresh + "; attached, host reads the output and writes the log", run: by(small, order{Output: true})},
		{name: "coracle, detached", state: fresh + "; detached, supervisor writes the log", run: by(small, order{Detach: true})},
		{name: poolName, state: fresh + "; attached, log; network namespace made before", run: b.pooled(pool, by(pool, order{}))},
	}
	for _, name := range []string{"crun", "runc"} {
		p, c := b.peer(name, fresh+", mount included; cgroup, seccomp; stdio inherited")
		c.run = p.run
		all = append(all, c)
	}
	all = append(all, &contender{name: "bwrap", state: fresh + ", mount included; no cgroup, no seccomp, no masks", run: b.bwrap, missing: installed("bwrap")})
	return append(all, b.daemons("start")...), nil
}

func installed(name string) string {
	if _, err := exec.LookPath(name); err != nil {
		return "not installed"
	}
	return ""
}

// pooled waits, before each measurement, until the pool is full again: what refills
// it is to fall on nobody.
func (b *bench) pooled(h *hosted, run func(int) (answer, error)) func(int) (answer, error) {
	return func(n int) (answer, error) {
		a, err := run(n)
		for deadline := time.Now().Add(5 * time.Second); err == nil && namespaces(h.cmd.Process.Pid) < b.pool; {
			if time.Now().After(deadline) {
				err = errors.New("the pool is not filled again")
			}
			time.Sleep(time.Millisecond)
		}
		return a, err
	}
}

// namespaces is how many network namespaces a process has open.
func namespaces(pid int) (n int) {
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		to, _ := os.Readlink(filepath.Join(dir, e.Name()))
		if strings.HasPrefix(to, "net:[") {
			n++
		}
	}
	return n
}

// among are the contenders that were asked for.
func (b *bench) among(all []*contender) (kept []*contender) {
	for _, c := range all {
		if b.wanted(c.name) {
			kept = append(kept, c)
		}
	}
	return kept
}

// startLimit makes the C limit for starts, from the helper of a container that
// stays for as long as this takes. same is why it may not be compared with, or
// empty.
func (b *bench) startLimit(h *hosted) (m *limit, same string, err error) {
	a, err := h.do(order{Do: "hold", Image: holdImage, N: 1})
	if err != nil {
		return nil, "", err
	}
	groups, err := groupsOf(a.PIDs[0], "coracle")
	if err != nil {
		return nil, "", err
	}
	b.storeID = filepath.Base(filepath.Dir(groups[0].dir))
	l, err := b.capture(a.PIDs[0], a.ID, false)
	if err != nil {
		return nil, "", err
	}
	own, err := beside(groups, b.name)
	if err != nil {
		return nil, "", err
	}
	if m, err = b.newLimit(l, 0, own, pidsMax(groups)); err != nil {
		return nil, "", err
	}
	b.later(m.close)
	m.files = map[string][]byte{}
	for _, name := range []string{"hosts", "hostname", "resolv.conf"} {
		m.files[name] = []byte("# " + name + "\n")
	}
	if _, err := h.do(order{Do: "release"}); err != nil {
		return nil, "", err
	}
	// The root file system that the list names, as the library has unpacked it.
	lower := filepath.Join(b.limitStore(), "layers", l.layer, "fs")
	if err := makeRoot(lower); err != nil {
		return nil, "", err
	}
	same, err = b.compare(m, l.closed, func(h *hosted) error {
		_, err := h.do(order{Do: "start", Image: image, N: 1})
		return err
	}, false)
	return m, same, err
}

// pidsMax is the container's limit of processes.
func pidsMax(groups []group) string {
	for _, g := range groups {
		if text, err := os.ReadFile(g.dir + "/pids.max"); err == nil {
			return strings.TrimSpace(string(text))
		}
	}
	return "-"
}

// compare traces the library and the C limit and says how they differ.
func (b *bench) compare(m *limit, closed int, do func(*hosted) error, exec bool) (string, error) {
	if reason := installed("strace"); reason != "" {
		return "strace: " + reason, nil
	}
	strace := func(file string) []string {
		return []string{"strace", "-f", "-qq", "-s", "256", "-o", b.dir + "/" + file}
	}
	h, err := newHost(hostOptions{b.store(), 0, 0}, strace("trace.library")...)
	if err != nil {
		return "", err
	}
	if err := errors.Join(do(h), h.close()); err != nil {
		return "", fmt.Errorf("under strace: %w", err)
	}
	under := *m
	under.procs = nil
	if err := under.grow(1, strace("trace.limit")...); err != nil {
		return "", fmt.Errorf("under strace: %w", err)
	}
	_, err = under.run(1)
	under.end()
	if err != nil {
		return "", fmt.Errorf("under strace: %w", err)
	}
	library, err := b.trace("trace.library", func(c map[string][]traced) ([]traced, error) { return ofLibrary(c, exec) })
	if err != nil {
		return "", err
	}
	limit, err := b.trace("trace.limit", ofLimit)
	if err != nil {
		return "", err
	}
	if err := compareTraces(library, limit, closed); err != nil {
		return err.Error(), nil
	}
	fmt.Fprintf(b.out, "the C limit's child makes the %d system calls of the library's, in the same order (strace); not in it: %d closes of the supervisor's descriptors\n", len(limit), closed)
	return "", nil
}

func (b *bench) trace(file string, of func(map[string][]traced) ([]traced, error)) ([]traced, error) {
	text, err := os.ReadFile(b.dir + "/" + file)
	if err != nil {
		return nil, err
	}
	calls, err := of(parseTrace(string(text)))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return calls, nil
}
