package testenv

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// processes finds all processes, and the namespaces that they are in. What a
// process has to do with is read from its command line, cgroups, directories, open
// files, and the mounts that it sees where they are not ours.
func processes() ([]item, error) {
	var items []item
	namespaces := make(map[string]string) // name to the text of the processes in it
	own, err := os.Readlink("/proc/self/ns/mnt")
	if err != nil {
		return nil, err
	}
	for _, n := range namesIn("/proc") {
		pid, err := strconv.Atoi(n)
		if err != nil {
			continue
		}
		p, ok := readProc(pid)
		// A zombie holds nothing, and is its parent's affair: see children.
		if !ok || p.state == "Z" || p.state == "X" {
			continue
		}
		dir := filepath.Join("/proc", n)
		text := p.text(dir, own)
		items = append(items, newItem(Process, text, "%s", p))
		for _, kind := range namesIn(filepath.Join(dir, "ns")) {
			if ns, err := os.Readlink(filepath.Join(dir, "ns", kind)); err == nil {
				namespaces[ns] += text
			}
		}
	}
	for ns, text := range namespaces {
		items = append(items, newItem(Namespace, text, "%s", ns))
	}
	return items, nil
}

// proc is what /proc/PID/stat says of a process.
type proc struct {
	pid, ppid int
	comm      string
	state     string
	start     string // in clock ticks since boot: with the pid, an identity
}

func (p proc) String() string { return strconv.Itoa(p.pid) + " (" + p.comm + ") started at " + p.start }

func readProc(pid int) (proc, bool) {
	b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return proc{}, false
	}
	return parseStat(pid, string(b))
}

// parseStat reads proc_pid_stat(5). The name is in parentheses and may hold any
// byte, parentheses and spaces too.
func parseStat(pid int, stat string) (proc, bool) {
	open, end := strings.IndexByte(stat, '('), strings.LastIndexByte(stat, ')')
	if open < 0 || end < open {
		return proc{}, false
	}
	f := strings.Fields(stat[end+1:])
	const state, ppid, start = 0, 1, 19 // fields 3, 4 and 22 of the page
	if len(f) <= start {
		return proc{}, false
	}
	parent, err := strconv.Atoi(f[ppid])
	return proc{pid: pid, ppid: parent, comm: stat[open+1 : end], state: f[state], start: f[start]}, err == nil
}

// text is what the process has to do with. ownMnt is our mount namespace.
func (p proc) text(dir, ownMnt string) string {
	var b strings.Builder
	for _, name := range []string{"cmdline", "cgroup"} {
		t, _ := os.ReadFile(filepath.Join(dir, name))
		b.Write(t)
		b.WriteByte('\n')
	}
	link := func(name string) {
		t, _ := os.Readlink(filepath.Join(dir, name))
		b.WriteString(t)
		b.WriteByte('\n')
	}
	link("cwd")
	link("root")
	link("exe")
	// Test programs hold all sorts of files, of this test too: ours is looked at
	// by ProcessCensus, and a process of the go command is no container.
	if p.pid != os.Getpid() {
		for _, fd := range namesIn(filepath.Join(dir, "fd")) {
			link("fd/" + fd)
		}
	}
	if ns, err := os.Readlink(filepath.Join(dir, "ns/mnt")); err == nil && ns != ownMnt {
		t, _ := os.ReadFile(filepath.Join(dir, "mountinfo"))
		b.Write(t)
	}
	return b.String()
}
