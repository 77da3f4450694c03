package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// memory prints what the supervisors of running containers take, each for itself.
func (b *bench) memory(h *hosted) error {
	const containers, most = 10, 100
	fmt.Fprintf(b.out, "\nmemory of a supervisor, of %d running containers, KB (smaps_rollup); held to %d resident\n", containers, most)
	t := tabwriter.NewWriter(b.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\tresident, median\tmost\tproportional")
	for _, kind := range []struct {
		name string
		o    order
	}{{"attached, log", order{}}, {"attached, output to the host", order{Output: true}}, {"detached, log", order{Detach: true}}} {
		o := kind.o
		o.Do, o.Image, o.N = "hold", holdImage, containers
		a, err := h.do(o)
		if err != nil {
			return err
		}
		var resident, proportional []int
		for _, pid := range a.PIDs {
			helper, err := parent(pid)
			if err != nil {
				return err
			}
			resident = append(resident, rollup(helper, "Rss"))
			proportional = append(proportional, rollup(helper, "Pss"))
		}
		if _, err := h.do(order{Do: "release"}); err != nil {
			return err
		}
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\n", kind.name, quantile(resident, 0.5), slices.Max(resident), quantile(proportional, 0.5))
	}
	return t.Flush()
}

// rollup is a line of a process's memory map summed up, in KB; -1: it cannot be read.
func rollup(pid int, field string) int {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return -1
	}
	n := -1
	for line := range strings.Lines(string(text)) {
		if after, ok := strings.CutPrefix(line, field+":"); ok {
			fmt.Sscan(after, &n)
		}
	}
	return n
}

// pauses prints what a busy goroutine saw of starts in a host with a large heap.
// Starts keep every processor busy in the kernel too (namespaces and filters are
// freed in softirqs, on whichever thread runs there), so those of the C limit, with
// which the host has nothing to do, are what its own are compared with.
func (b *bench) pauses(m *limit) error {
	fmt.Fprintf(b.out, "\npauses in a host of %d MB, %v each; held to: no stop of the world longer than 1 ms because of starts\n", b.heap, b.pause)
	h, err := b.host(b.heap, 0)
	if err != nil {
		return err
	}
	t := tabwriter.NewWriter(b.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\tstarts\tgoroutine stood still\tthe same with waits for a processor\tstops of the world\tthe longest")
	for _, kind := range []struct {
		name string
		o    order
		c    int // how many the C limit starts at once meanwhile
	}{
		{"nothing else", order{}, 0},
		{"the C limit starts beside, 1 at once", order{}, 1},
		{"starts, 1 at once", order{Busy: "start", N: 1}, 0},
		{"the C limit starts beside, 8 at once", order{}, 8},
		{"starts, 8 at once", order{Busy: "start", N: 8}, 0},
		{"garbage collected all the time", order{GC: true}, 0},
		{"the same, the C limit starts beside, 8 at once", order{GC: true}, 8},
		{"the same with starts, 1 at once", order{Busy: "start", N: 1, GC: true}, 0},
		{"the same with starts, 8 at once", order{Busy: "start", N: 8, GC: true}, 0},
	} {
		o := kind.o
		o.Do, o.Image, o.For = "pause", image, b.pause
		a, err := beneath(m, kind.c, func() (answer, error) { return h.do(o) })
		if err != nil {
			return err
		}
		p := a.Pause
		fmt.Fprintf(t, "%s\t%d\t%v\t%v\t%d\t%v\n", kind.name, p.Starts, short(p.Longest), short(p.Wall), p.Stops, short(p.Stop))
	}
	return t.Flush()
}

// beneath does something while the C limit makes n starts at a time.
func beneath(m *limit, n int, do func() (answer, error)) (a answer, err error) {
	if n == 0 {
		return do()
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		a, err = do()
	}()
	starts := 0
	for {
		select {
		case <-done:
			a.Pause.Starts = starts
			return a, err
		default:
		}
		if _, failed := m.run(n); failed != nil {
			<-done
			return a, errors.Join(err, failed)
		}
		starts += n
	}
}

func short(d time.Duration) time.Duration { return d.Round(time.Microsecond) }
