package testenv

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/coraclehq/coracle/internal/sys"
)

// machine returns the scans of a [Census]. Networks are looked at in the network
// namespace that the test is in now, wherever it goes later.
func machine(tb testing.TB) []scan {
	tb.Helper()
	netns, err := sys.Open("/proc/thread-self/ns/net", sys.O_RDONLY, 0)
	if err != nil {
		tb.Fatalf("census: %v", err)
	}
	tb.Cleanup(func() { netns.Close() }) // before this, in the order of cleanups, comes the last count
	return []scan{
		mounts,
		func() ([]item, error) { return inNetNS(netns, links) },
		func() ([]item, error) { return inNetNS(netns, nftTables) },
		netnsFiles,
		cgroups,
		processes,
		loopDevices,
	}
}

// inNetNS runs a scan on a thread of its own in the namespace.
func inNetNS(netns *sys.FD, s scan) (items []item, err error) {
	err = sys.OnThread(func() error {
		// An ordinary user sees the namespace that it is in.
		if err := sys.Setns(netns, sys.CLONE_NEWNET); err != nil && !errors.Is(err, sys.EPERM) {
			return err
		}
		items, err = s()
		return err
	})
	return items, err
}

func mounts() ([]item, error) {
	b, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	var items []item
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) < 5 {
			return nil, fmt.Errorf("mountinfo: %q", line)
		}
		items = append(items, newItem(Mount, line, "%s (%s) on %s", f[0], f[3], f[4]))
	}
	return items, nil
}

func links() ([]item, error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	var items []item
	for _, l := range all {
		// Where sysfs was mounted from another network namespace, the alias is
		// not to be had, and the name must do.
		alias, _ := os.ReadFile(filepath.Join("/sys/class/net", l.Name, "ifalias"))
		items = append(items, newItem(Link, string(alias), "%d %s", l.Index, l.Name))
	}
	return items, nil
}

func netnsFiles() ([]item, error) {
	names, err := os.ReadDir("/run/netns")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var items []item
	for _, n := range names {
		items = append(items, newItem(NetNSFile, "", "%s", n.Name()))
	}
	return items, err
}

// cgroups finds all groups in all hierarchies mounted here.
func cgroups() ([]item, error) {
	b, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	var items []item
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		_, after, _ := strings.Cut(line, " - ")
		if len(f) < 5 || !strings.HasPrefix(after, "cgroup") {
			continue
		}
		err := filepath.WalkDir(f[4], func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.IsDir() {
				return skipGone(err)
			}
			items = append(items, newItem(Cgroup, "", "%s", path))
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return items, nil
}

// skipGone makes a walk go on where something went away before it was read, or
// belongs to others.
func skipGone(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENODEV) || errors.Is(err, fs.ErrPermission) {
		return nil
	}
	return err
}

func loopDevices() ([]item, error) {
	backing, err := filepath.Glob("/sys/block/loop*/loop/backing_file")
	if err != nil {
		return nil, err
	}
	var items []item
	for _, b := range backing {
		name, err := os.ReadFile(b)
		if err != nil {
			continue // detached meanwhile
		}
		dev := filepath.Base(filepath.Dir(filepath.Dir(b)))
		items = append(items, newItem(LoopDevice, "", "%s %s", dev, bytes.TrimSpace(name)))
	}
	return items, nil
}

// files finds all there is below dir; nothing if it does not exist.
func files(dir string) ([]item, error) {
	var items []item
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && path != dir {
			items = append(items, newItem(File, "", "%s %s", path, d.Type()))
		}
		return skipGone(err)
	})
	return items, err
}

// namesIn returns the names in a directory, unsorted; none when it cannot be read.
func namesIn(dir string) []string {
	f, err := os.Open(dir)
	if err != nil {
		return nil
	}
	defer f.Close()
	names, _ := f.Readdirnames(-1)
	return names
}

// field returns the value of a line "key: value" in a file of procfs.
func field(text []byte, key string) string {
	for s := bufio.NewScanner(bytes.NewReader(text)); s.Scan(); {
		if k, v, ok := strings.Cut(s.Text(), ":"); ok && k == key {
			return strings.TrimSpace(v)
		}
	}
	return ""
}
