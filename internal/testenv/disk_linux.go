package testenv

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coraclehq/coracle/internal/sys"
)

// Tmpfs mounts a file system in memory of that many bytes (the kernel rounds up
// to pages) and inodes (0: no limit of their own), for tests of a full disk, and
// returns its directory. It needs root, and goes with the test.
func Tmpfs(tb testing.TB, bytes, inodes int64) string {
	tb.Helper()
	Root(tb)
	dir := tb.TempDir()
	data := "mode=0755,size=" + strconv.FormatInt(bytes, 10)
	if inodes > 0 {
		data += ",nr_inodes=" + strconv.FormatInt(inodes, 10)
	}
	if err := sys.Mount("tmpfs", dir, "tmpfs", sys.MS_NOSUID, data); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := sys.Unmount(dir, sys.MNT_DETACH); err != nil {
			tb.Error(err)
		}
	})
	return dir
}

// CgroupName returns the name of a top-level cgroup for this test alone,
// "coracle-test-" and something random. Where the test made such a group, in any
// hierarchy, its processes are killed and it is removed with all below it when the
// test ends. The cgroup file systems under /sys/fs/cgroup are looked at.
func CgroupName(tb testing.TB) string {
	tb.Helper()
	name := "coracle-test-" + strings.ToLower(rand.Text()[:12])
	tb.Cleanup(func() {
		if err := removeCgroups(name); err != nil {
			tb.Error(err)
		}
	})
	return name
}

func removeCgroups(name string) error {
	var errs []error
	for _, pattern := range []string{"/sys/fs/cgroup/", "/sys/fs/cgroup/*/"} {
		groups, err := filepath.Glob(pattern + name)
		errs = append(errs, err)
		for _, g := range groups {
			errs = append(errs, removeCgroup(g))
		}
	}
	return errors.Join(errs...)
}

// removeCgroup removes a group from the leaves up. A killed process leaves its
// group only when it is reaped by its parent, who may take its time: so it is tried
// again for a while.
func removeCgroup(dir string) error {
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		err := tryRemoveCgroup(dir)
		if err == nil || errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if time.Now().After(deadline) {
			return err
		}
	}
}

func tryRemoveCgroup(dir string) error {
	names, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, n := range names {
		if n.IsDir() {
			if err := tryRemoveCgroup(filepath.Join(dir, n.Name())); err != nil {
				return err
			}
		}
	}
	killCgroup(dir)
	return os.Remove(dir)
}

// killCgroup kills the processes in the group that dir is, thawed if they were
// frozen: on version 1 a frozen process does not die.
func killCgroup(dir string) {
	for file, text := range map[string]string{"freezer.state": "THAWED", "cgroup.freeze": "0"} {
		if f, err := os.OpenFile(filepath.Join(dir, file), os.O_WRONLY, 0); err == nil {
			f.WriteString(text)
			f.Close()
		}
	}
	text, _ := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
	for line := range strings.FieldsSeq(string(text)) {
		pid, err := strconv.Atoi(line)
		if err != nil || pid <= 1 || pid == os.Getpid() {
			continue
		}
		p, err := sys.PidfdOpen(pid, 0)
		if err != nil {
			continue
		}
		// Only what is still in the group: the pid may have been recycled before
		// the pidfd was opened.
		if in, _ := os.ReadFile(filepath.Join("/proc", line, "cgroup")); strings.Contains(string(in), filepath.Base(dir)) {
			p.PidfdSignal(sys.SIGKILL)
		}
		p.Close()
	}
}
