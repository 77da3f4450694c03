package compile_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// canary is a directory of the host that no container may reach. The check runs
// when the test ends.
func canary(t *testing.T) string {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "ptmx"), []byte("canary"), 0o600))
	t.Cleanup(func() { assert.Equal(t, []string{"ptmx"}, names(t, dir), "the canary was reached") })
	return dir
}

func names(t *testing.T, dir string) []string {
	list, err := os.ReadDir(dir)
	require.NoError(t, err)
	var found []string
	for _, e := range list {
		found = append(found, e.Name())
	}
	return found
}

// An image in which proc, sys or dev is a symbolic link is refused by name
// (CVE-2019-19921, CVE-2026-41579). The control follows the link, as a runtime
// that works with paths would, and reaches the canary.
func TestLinksInPlaceOfMountPoints(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	for _, name := range []string{"proc", "sys", "dev"} {
		for _, target := range []string{"canary", "..", "tmp", "/proc/self/cwd"} {
			t.Run(name+" to "+filepath.Base(target), func(t *testing.T) {
				t.Parallel()
				b := m.sh(t, "true")
				if target == "canary" {
					target = canary(t)
				}
				b.link(target, name)
				assert.EqualError(t, b.failure(), fmt.Sprintf("open /%s in the image, which may not be a symbolic link: too many levels of symbolic links", name))
			})
		}
	}
	t.Run("control", func(t *testing.T) {
		t.Parallel()
		b := m.sh(t, "true")
		dir := t.TempDir()
		b.link(dir, "dev")
		require.NoError(t, os.Mkdir(filepath.Join(b.layer, "dev", "pts"), 0o755))
		assert.Equal(t, []string{"pts"}, names(t, dir))
	})
}

// A file in place of a mount point is refused, too.
func TestFileInPlaceOfMountPoint(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	b := m.sh(t, "true")
	b.put("proc", "", 0o644)
	assert.EqualError(t, b.failure(), "open /proc in the image, which may not be a symbolic link: not a directory")
}

// The image's links lead the user's mounts to places of the container only, never
// of the host, and not into proc and sysfs (CVE-2021-30465, CVE-2023-27561).
func TestLinksOnTheWayToAMount(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	for _, tt := range []struct{ name, link, dest, want, fails string }{
		{name: "absolute", link: "CANARY", dest: "/data", fails: "open the mount point /data: no such file or directory"},
		{name: "absolute, deeper", link: "CANARY", dest: "/data/sub", fails: "open /data: no such file or directory"},
		{name: "upwards", link: "../../../../../home", dest: "/data", want: "file"},
		{name: "in the container", link: "/home", dest: "/data", want: "file"},
		{name: "proc", link: "/proc", dest: "/data", fails: "mount on /data, which the image leads into proc or sysfs: invalid argument"},
		{name: "proc, deeper", link: "/proc", dest: "/data/sys/kernel", fails: "mount on /data/sys/kernel, which the image leads into proc or sysfs: invalid argument"},
		{name: "sysfs", link: "/sys/kernel", dest: "/data", fails: "mount on /data, which the image leads into proc or sysfs: invalid argument"},
		{name: "magic link", link: "/proc/self/fd/9", dest: "/data/new", fails: "too many levels"},
		{name: "magic link to the root", link: "/proc/self/root", dest: "/data/new", fails: "too many levels"},
		{name: "magic link to the current directory", link: "/proc/1/cwd", dest: "/data/a/b", fails: "too many levels"},
		{name: "loop", link: "/data", dest: "/data", fails: "open the mount point /data: too many levels of symbolic links"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := m.sh(t, "ls "+tt.dest)
			source := t.TempDir()
			require.NoError(t, os.WriteFile(filepath.Join(source, "file"), nil, 0o644))
			b.spec.Mounts = append(b.spec.Mounts, specs.Mount{Destination: tt.dest, Source: source, Options: []string{"bind"}})
			link := tt.link
			if link == "CANARY" {
				link = canary(t)
			}
			b.link(link, "data")
			if tt.want != "" {
				assert.Equal(t, tt.want, b.output())
				return
			}
			err := b.failure()
			assert.ErrorContains(t, err, tt.fails)
		})
	}
}

// A working directory that is a descriptor of the process, given directly or
// through a link of the image, is an error or lies inside (CVE-2024-21626).
func TestWorkingDirectoryIsADescriptor(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	for n := 3; n < 24; n++ {
		for _, cwd := range []string{fmt.Sprintf("/proc/self/fd/%d", n), "/w"} {
			t.Run(fmt.Sprintf("%d as %s", n, filepath.Base(cwd)), func(t *testing.T) {
				t.Parallel()
				b := m.sh(t, "pwd")
				b.link(fmt.Sprintf("/proc/self/fd/%d", n), "w")
				b.spec.Process.Cwd = cwd
				assert.Regexp(t, `^(open|make) the working directory `+cwd+`: (too many levels of symbolic links|no such file or directory)$`, b.failure().Error())
			})
		}
	}
}

// The image's own device files are of no use, and its dev is hidden
// (CVE-2025-31133).
func TestImageBringsDev(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	b := m.sh(t, `stat -c '%F %t:%T' /dev/null; wc -c < /proc/kallsyms; ls /dev | grep -c evil`)
	b.link("/proc/sys/kernel/core_pattern", "dev/null")
	b.put("dev/evil", "", 0o644)
	b.spec.Process.Args[2] += "; true"
	assert.Equal(t, "character special file 1:3\n0\n0", b.output())
}

// The helper cannot be reached through the program that the image names
// (CVE-2019-5736): what is executed is never outside of the image.
func TestProgramIsTheHelper(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	b := m.box(t, "/entry")
	b.link("/proc/self/exe", "entry")
	r, err := b.start()
	if err == nil {
		// The helper executed itself: sealed memory, with nothing to write to.
		exit, out := r.wait()
		assert.NotZero(t, exit.Code)
		assert.Empty(t, out)
		return
	}
	r.close()
}
