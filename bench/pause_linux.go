package main

import (
	"context"
	"math"
	"os"
	"runtime"
	"runtime/metrics"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// pause watches a busy goroutine for a while.
func (h *hosting) pause(ctx context.Context, o order, a *answer) error {
	var stop atomic.Bool
	var others, busy sync.WaitGroup
	before := stops()
	busy.Go(func() { a.Pause.Longest, a.Pause.Wall = spin(&stop) })
	if o.GC {
		others.Go(func() {
			for !stop.Load() {
				runtime.GC()
			}
		})
	}
	end := time.Now().Add(o.For)
	var err error
	if o.Busy == "start" {
		for err == nil && time.Now().Before(end) {
			err = h.start(ctx, o, &answer{})
			a.Pause.Starts += o.N
		}
	} else {
		time.Sleep(o.For)
	}
	stop.Store(true)
	busy.Wait()
	others.Wait()
	a.Pause.Stops, a.Pause.Stop = since(before, stops())
	return err
}

// spin computes until it is told to stop, and returns the longest times between two
// looks at the clock: without and with what the kernel says that its thread had to
// wait for a processor.
func spin(stop *atomic.Bool) (own, wall time.Duration) {
	const noticed = 20 * time.Microsecond
	thread, waited := syscall.Gettid(), delay()
	for last := time.Now(); !stop.Load(); {
		now := time.Now()
		gap := now.Sub(last)
		if gap < noticed {
			last = now
			continue
		}
		wall = max(wall, gap)
		if t, w := syscall.Gettid(), delay(); t == thread {
			own = max(own, gap-(w-waited))
			waited = w
		} else { // moved to another thread: nothing can be taken off
			own = max(own, gap)
			thread, waited = t, w
		}
		last = time.Now()
	}
	return own, wall
}

// delay is how long this thread has waited for a processor: schedstat, second field.
// See Documentation/scheduler/sched-stats.rst.
func delay() time.Duration {
	text, err := os.ReadFile("/proc/thread-self/schedstat")
	fields := strings.Fields(string(text))
	if err != nil || len(fields) < 2 {
		return 0
	}
	ns, _ := strconv.ParseInt(fields[1], 10, 64)
	return time.Duration(ns)
}

// stops reads the runtime's histograms of stops of the world.
func stops() []*metrics.Float64Histogram {
	samples := []metrics.Sample{{Name: "/sched/pauses/total/gc:seconds"}, {Name: "/sched/pauses/total/other:seconds"}}
	metrics.Read(samples)
	var all []*metrics.Float64Histogram
	for _, s := range samples {
		if s.Value.Kind() == metrics.KindFloat64Histogram {
			all = append(all, s.Value.Float64Histogram())
		}
	}
	return all
}

// since is how many stops there were between two readings, and the upper bound of
// the longest.
func since(before, after []*metrics.Float64Histogram) (n uint64, longest time.Duration) {
	for i, h := range after {
		for j, c := range h.Counts {
			c -= before[i].Counts[j]
			n += c
			bound := h.Buckets[j+1]
			if math.IsInf(bound, 1) {
				bound = h.Buckets[j]
			}
			if c > 0 {
				longest = max(longest, time.Duration(bound*float64(time.Second)))
			}
		}
	}
	return n, longest
}
