package testenv

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// The kinds of thing that a census counts.
const (
	Mount      = "mount"       // in the mount namespace of the test
	Link       = "link"        // network interface in the test's network namespace
	NetNSFile  = "netns file"  // in /run/netns
	NFTTable   = "nft table"   // in the test's network namespace
	Cgroup     = "cgroup"      // a directory, in any hierarchy
	Process    = "process"     // anywhere on the machine
	Namespace  = "namespace"   // that a process is in
	LoopDevice = "loop device" // with a backing file
	File       = "file"        // below a directory given to Counter.Dir
	Descriptor = "descriptor"  // of the test's own process, as are those below
	Child      = "child"       // of the test's process, zombies too
	Goroutine  = "goroutine"   //
	State      = "state"       // cwd, umask, limits, environment, threads' credentials and namespaces
)

// A Leak is something that is there and was not there when the census was taken.
type Leak struct {
	Kind string
	Name string
}

func (l Leak) String() string { return l.Kind + " " + l.Name }

// item is a thing that a scan found: text is all that a mark is looked for in.
type item struct {
	Leak
	text string
}

// scan finds all things of one kind, or of several.
type scan func() ([]item, error)

// Deletion lags behind: the last process of a namespace may be gone before its
// mounts are, an unmounted loop device clears itself, process 1 reaps when it
// likes. So long a census waits before it calls a thing left over.
const patience = 5 * time.Second

// A Counter compares the machine with what it was.
type Counter struct {
	tb    testing.TB
	all   bool // every new thing counts, marked or not
	scans []scan
	wait  time.Duration

	mu     sync.Mutex // guards what follows
	marks  []string
	before map[Leak]bool
}

// Census remembers the mounts, links, netns files, nft tables, cgroups, processes,
// namespaces and loop devices of the machine, and when the test ends reports those
// of this test that are there and were not: those with the test's marks in a path,
// name, command line, cgroup, open file or alias. The marks are the folder that
// tb.TempDir makes its directories in, and what [Counter.Mark] adds: store and
// container IDs. So tests in parallel, in this process and others, do not see each
// other's things.
//
// Call it first: what is cleaned up is then cleaned up before it counts. It is for
// Linux; elsewhere it counts nothing.
func Census(tb testing.TB) *Counter {
	tb.Helper()
	return begin(tb, false, machine(tb), filepath.Dir(tb.TempDir()))
}

// ProcessCensus remembers this process: its descriptors, children, goroutines,
// working directory, umask, limits, environment, and each thread's namespaces,
// credentials and signal mask. When the test ends it reports every change. The test
// must not run in parallel with others.
func ProcessCensus(tb testing.TB) *Counter {
	tb.Helper()
	return begin(tb, true, ownProcess())
}

func begin(tb testing.TB, all bool, scans []scan, marks ...string) *Counter {
	tb.Helper()
	c := &Counter{tb: tb, all: all, scans: scans, marks: marks, wait: patience, before: make(map[Leak]bool)}
	c.remember(c.find())
	tb.Cleanup(c.Check)
	return c
}

// Mark adds marks, which say that what bears one of them is this test's.
func (c *Counter) Mark(marks ...string) *Counter {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range marks {
		// Anything shorter stands in somebody else's name by chance.
		if len(m) < 8 {
			c.tb.Fatalf("census: %q is too short for a mark", m)
		}
		c.marks = append(c.marks, m)
	}
	return c
}

// Dir counts the files and directories below dir too, from now on.
func (c *Counter) Dir(dir string) *Counter {
	s := func() ([]item, error) { return files(dir) }
	c.mu.Lock()
	c.scans = append(c.scans, s)
	c.mu.Unlock()
	items, err := s()
	if err != nil {
		c.tb.Fatalf("census: %v", err)
	}
	c.remember(items)
	return c
}

// Check reports what is left over now as errors of the test. It runs by itself
// when the test ends, and may be called in between. What it reported it does not
// report again.
func (c *Counter) Check() {
	c.tb.Helper()
	leaks := c.Leaks()
	for _, l := range leaks {
		c.tb.Errorf("census: left over: %v", l)
	}
	c.Forgive(leaks...)
}

// Forgive takes leaks for granted from now on.
func (c *Counter) Forgive(leaks ...Leak) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, l := range leaks {
		c.before[l] = true
	}
}

// Leaks returns what is left over, sorted, after it has waited a few seconds for
// it to go. What is there for a moment only, such as a thread that is being made,
// is not left over: a thing counts when it is found twice in a row.
func (c *Counter) Leaks() []Leak {
	c.tb.Helper()
	deadline := time.Now().Add(c.wait)
	last := c.diff(c.find())
	for pause := time.Millisecond; len(last) > 0; pause = min(2*pause, 200*time.Millisecond) {
		time.Sleep(pause)
		now := c.diff(c.find())
		if time.Now().After(deadline) {
			return slices.DeleteFunc(now, func(l Leak) bool { return !slices.Contains(last, l) })
		}
		last = now
	}
	return nil
}

func (c *Counter) find() []item {
	c.tb.Helper()
	c.mu.Lock()
	scans := slices.Clone(c.scans)
	c.mu.Unlock()
	var items []item
	for _, s := range scans {
		found, err := s()
		if err != nil {
			c.tb.Fatalf("census: %v", err)
		}
		items = append(items, found...)
	}
	return items
}

func (c *Counter) remember(items []item) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, i := range items {
		c.before[i.Leak] = true
	}
}

func (c *Counter) diff(items []item) (leaks []Leak) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, i := range items {
		if !c.before[i.Leak] && (c.all || i.Kind == File || c.marked(i)) {
			leaks = append(leaks, i.Leak)
		}
	}
	slices.SortFunc(leaks, func(a, b Leak) int { return strings.Compare(a.String(), b.String()) })
	return slices.Compact(leaks)
}

// The caller holds c.mu.
func (c *Counter) marked(i item) bool {
	return slices.ContainsFunc(c.marks, func(m string) bool {
		return strings.Contains(i.Name, m) || strings.Contains(i.text, m)
	})
}

func newItem(kind, text, format string, args ...any) item {
	return item{Leak{kind, fmt.Sprintf(format, args...)}, text}
}
