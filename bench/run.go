package main

import (
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// contender is one of those that are measured side by side.
type contender struct {
	name    string
	state   string // what its root file system and output are
	run     func(n int) (answer, error)
	missing string // why it is not measured; "": it is

	started, ended []time.Duration // to the last of those at once, by round
}

// answer is what came of it. Times are nanoseconds from the moment at which all
// began.
type answer struct {
	Err     string
	Started []int64 // until the program was executed
	Ended   []int64 // until its end was known
	PIDs    []int   // hold: the containers' processes
	ID      string  // hold: the last container's
	Pause   pauses
}

// pauses are what a goroutine that only computes saw, and what the runtime itself
// counted.
type pauses struct {
	Starts  int           // that went on meanwhile
	Longest time.Duration // for which the goroutine stood still though the kernel did not keep its thread waiting
	Wall    time.Duration // for which it stood still, whatever the reason
	Stops   uint64        // of the world
	Stop    time.Duration // the longest of them, from the runtime's histogram: a bound from above
}

// limitName is the contender that all others are compared with.
const limitName = "C limit"

// take measures one round of a contender. One that fails once is out, for a ratio of
// rounds needs every one.
func (c *contender) take(n int, keep bool) {
	if c.missing != "" {
		return
	}
	a, err := c.run(n)
	if err != nil {
		c.missing = firstLine(err.Error())
		return
	}
	if !keep {
		return
	}
	c.ended = append(c.ended, time.Duration(slices.Max(a.Ended)))
	if len(a.Started) > 0 {
		c.started = append(c.started, time.Duration(slices.Max(a.Started)))
	}
}

// rounds is how many rounds are taken with n at once: fewer, because each has more
// in it.
func rounds(at1, n int) int { return max(int(float64(at1)/math.Sqrt(float64(n))), 5) }

// interleave measures all contenders in rounds, in an order that changes from round
// to round, with a pause before each: what one leaves behind (network namespaces and
// cgroups that the kernel takes down later) is then mostly gone, and the rest falls
// on everybody alike.
func interleave(all []*contender, n, count int, settle time.Duration) {
	const warm = 2
	order := rand.New(rand.NewPCG(1, uint64(n)))
	for _, c := range all {
		c.started, c.ended = nil, nil
	}
	for round := range warm + count {
		for _, i := range order.Perm(len(all)) {
			time.Sleep(settle)
			all[i].take(n, round >= warm)
		}
	}
}

// table prints what came of n at once. The first contender is what the others are
// compared with, unless why says that it may not be.
func table(w io.Writer, what string, all []*contender, n, count int, why string) {
	fmt.Fprintf(w, "\n%s, %d at once, %d rounds; ms, median (minimum); ratio to the C limit: median of the rounds' (quartiles), of the minima\n", what, n, count)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\tto the exec\tratio\tminima\tto the end known\tratio\tminima\tstate")
	base := all[0]
	for _, c := range all {
		if c.missing != "" || len(c.ended) == 0 {
			continue
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", c.name, column(c.started, base.started, why), column(c.ended, base.ended, why), c.state)
	}
	t.Flush()
	for _, c := range all {
		if c.missing != "" {
			fmt.Fprintf(w, "%s: not measured: %s\n", c.name, c.missing)
		}
	}
}

// column is median, minimum and ratios, in three cells.
func column(all, base []time.Duration, why string) string {
	if len(all) == 0 {
		return "-\t-\t-"
	}
	cell := fmt.Sprintf("%s (%s)", ms(quantile(all, 0.5)), ms(slices.Min(all)))
	if why != "" || len(base) == 0 {
		return cell + "\t-\t-"
	}
	r := pairs(all, base)
	return fmt.Sprintf("%s\t%s\t%.2f", cell, r, r.minima)
}

// target is what the library is held to.
type target struct {
	what   string
	ours   *contender
	theirs *contender
	most   float64
}

// verdicts prints how the measured ratios stand to the targets.
func verdicts(w io.Writer, why string, all []target) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "held to\tat most\tmedian\tminima\t")
	for _, g := range all {
		if g.theirs == nil || g.ours.missing != "" || len(g.ours.ended) == 0 || g.theirs.missing != "" || len(g.theirs.ended) == 0 {
			fmt.Fprintf(t, "%s\t%.2f\tnot measured\t\t\n", g.what, g.most)
			continue
		}
		if why != "" && g.theirs.name == limitName {
			fmt.Fprintf(t, "%s\t%.2f\tno ratio\t\t\n", g.what, g.most)
			continue
		}
		r := pairs(g.ours.ended, g.theirs.ended)
		fmt.Fprintf(t, "%s\t%.2f\t%.2f\t%.2f\t%s\n", g.what, g.most, r.median, r.minima, verdict(r, g.most))
	}
	t.Flush()
}

func verdict(r ratio, most float64) string {
	switch {
	case r.median <= most:
		return "met"
	case r.minima <= most:
		return "met by the minima only"
	}
	return "missed"
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(strings.TrimSpace(s), "\n")
	return s
}
