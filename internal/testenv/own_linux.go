package testenv

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"github.com/coraclehq/coracle/internal/sys"
)

// ownProcess returns the scans of a [ProcessCensus].
func ownProcess() []scan {
	// The first use of the runtime's poller opens descriptors that stay.
	if r, w, err := os.Pipe(); err == nil {
		r.Close()
		w.Close()
	}
	return []scan{descriptors, children, goroutines, state, threads}
}

func descriptors() ([]item, error) {
	dir, err := os.Open("/proc/self/fd")
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	var items []item
	for _, n := range names {
		if n == strconv.Itoa(int(dir.Fd())) {
			continue
		}
		if to, err := os.Readlink("/proc/self/fd/" + n); err == nil {
			items = append(items, newItem(Descriptor, "", "%s -> %s", n, to))
		}
	}
	return items, err
}

// children finds the processes started by this one, and theirs.
func children() ([]item, error) {
	all := make(map[int]proc)
	for _, n := range namesIn("/proc") {
		if pid, err := strconv.Atoi(n); err == nil {
			if p, ok := readProc(pid); ok {
				all[pid] = p
			}
		}
	}
	var items []item
	for _, p := range all {
		// A pid may be recycled while this reads, so that parents form a ring.
		up, steps := p, 0
		for up.ppid != 0 && up.ppid != os.Getpid() && steps < len(all) {
			up, steps = all[up.ppid], steps+1
		}
		if up.ppid == os.Getpid() {
			// A state that changes while it is looked at would be another finding each
			// time, and none twice in a row.
			state := "alive"
			if p.state == "Z" {
				state = "zombie"
			}
			items = append(items, newItem(Child, "", "%s, %s", p, state))
		}
	}
	return items, nil
}

func goroutines() ([]item, error) {
	buf := make([]byte, 1<<20)
	for {
		n := runtime.Stack(buf, true)
		if n < len(buf) {
			return parseStacks(string(buf[:n])), nil
		}
		buf = make([]byte, 2*len(buf))
	}
}

// parseStacks names each goroutine but the first, which is the one that asked, by
// its number and the function that started it.
func parseStacks(all string) (items []item) {
	for i, stack := range strings.Split(all, "\n\n") {
		head, _, _ := strings.Cut(stack, " [")
		if i == 0 || !strings.HasPrefix(head, "goroutine ") {
			continue
		}
		by := "the runtime"
		if _, after, ok := strings.Cut(stack, "created by "); ok {
			by, _, _ = strings.Cut(after, "\n")
			by, _, _ = strings.Cut(by, " in goroutine")
		}
		items = append(items, newItem(Goroutine, "", "%s of %s", strings.TrimPrefix(head, "goroutine "), by))
	}
	return items
}

// state finds what is one for the whole process.
func state() ([]item, error) {
	cwd, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return nil, err
	}
	limits, err := os.ReadFile("/proc/self/limits")
	if err != nil {
		return nil, err
	}
	root, err := os.Readlink("/proc/self/root")
	if err != nil {
		return nil, err
	}
	items := []item{
		newItem(State, "", "working directory %s", cwd),
		newItem(State, "", "root %s", root),
		newItem(State, "", "environment %q", os.Environ()),
	}
	for line := range strings.Lines(string(limits)) {
		items = append(items, newItem(State, "", "limit %s", strings.TrimSpace(line)))
	}
	for _, key := range []string{"Umask", "SigIgn", "SigCgt", "THP_enabled"} {
		items = append(items, newItem(State, "", "%s %s", key, field(status, key)))
	}
	dumpable, err := sys.Dumpable()
	items = append(items, newItem(State, "", "dumpable %d", dumpable))
	return items, err
}

// threads finds the namespaces, credentials and signal masks that threads are in,
// each once however many share it. The calling thread may be in what it likes, if
// it is locked: it is the test's.
func threads() ([]item, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	self := strconv.Itoa(sys.Gettid())
	seen := make(map[string]bool)
	for _, tid := range namesIn("/proc/self/task") {
		if tid == self {
			continue
		}
		dir := filepath.Join("/proc/self/task", tid)
		status, err := os.ReadFile(filepath.Join(dir, "status"))
		if err != nil {
			continue // ended meanwhile
		}
		for _, key := range []string{
			"Uid", "Gid", "Groups", "SigBlk", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp",
		} {
			seen[fmt.Sprintf("thread %s %s", key, field(status, key))] = true
		}
		for _, kind := range namesIn(filepath.Join(dir, "ns")) {
			if ns, err := os.Readlink(filepath.Join(dir, "ns", kind)); err == nil {
				seen["thread in "+ns] = true
			}
		}
	}
	var items []item
	for s := range seen {
		items = append(items, newItem(State, "", "%s", s))
	}
	return items, nil
}
