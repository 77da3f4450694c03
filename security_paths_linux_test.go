package coracle

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coraclehq/coracle/internal/testenv"
)

// A working directory that is a descriptor of the process, by itself or by a link
// of the image, never lies outside of the container, and the program has no
// descriptor but its stdio (CVE-2024-21626). The control is a chroot by a program
// that keeps a directory open.
func TestWorkingDirectoryIsInside(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	canary := canaryDir(t)
	img := hostileImage(t, e, ImageConfig{}, func(root string) {
		for n := 3; n <= 64; n++ {
			require.NoError(t, os.Symlink(fmt.Sprintf("/proc/self/fd/%d", n), filepath.Join(root, fmt.Sprintf("w%d", n))))
		}
	})
	running := of(t, e, img, Config{}, "sleep", "1000")
	require.NoError(t, running.Start(t.Context(), IO{}))
	// A directory of the host, for the child to inherit if it can.
	for range 8 {
		fd, err := syscall.Open(canary, syscall.O_RDONLY|syscall.O_DIRECTORY, 0) // without O_CLOEXEC
		require.NoError(t, err)
		defer syscall.Close(fd)
	}
	refused, tried := 0, 0
	for n := 3; n <= 64; n++ {
		for _, dir := range []string{fmt.Sprintf("/proc/self/fd/%d", n), fmt.Sprintf("/w%d", n), fmt.Sprintf("/proc/thread-self/fd/%d", n)} {
			tried += 2
			var out bytes.Buffer
			err := of(t, e, img, Config{Cmd: Cmd{Dir: dir}}, "ls").Run(t.Context(), IO{Stdout: &out, Stderr: &out})
			if err != nil {
				refused++
			}
			p, err := running.Exec(t.Context(), Cmd{Args: []string{"ls"}, Dir: dir}, IO{Stdout: &out, Stderr: &out})
			if err == nil {
				err = p.Wait(t.Context())
			}
			if err != nil {
				refused++
			}
			require.NotContains(t, out.String(), "ptmx", "%s leads to the canary", dir)
		}
	}
	t.Logf("%d working directories in run and exec, %d of them refused", tried, refused)
	// ls has a descriptor more, that of the directory which it reads.
	const list = "ls /proc/self/fd | tr '\\n' ' '"
	assert.Equal(t, "0 1 2 3 ", output(t, of(t, e, img, Config{}, "sh", "-c", list)))
	assert.Equal(t, "0 1 2 3 ", outputOfExec(t, running, Cmd{Args: []string{"sh", "-c", list}}))
	require.NoError(t, running.Remove(t.Context(), true))

	cmd := exec.Command(attackFile(t), "chroot", hostileTree(t, nil), "cwd:/proc/self/fd/3")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	held, err := os.Open(canary)
	require.NoError(t, err)
	defer held.Close()
	cmd.ExtraFiles = []*os.File{held}
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "ptmx", "the control")
}

// An image or a caller cannot put something else in the place of /proc, /sys and
// /dev, in which the container is set up (CVE-2019-16884, CVE-2019-19921,
// CVE-2023-27561, CVE-2026-41579). The control makes the directories of a /dev by
// their names.
func TestSystemDirectoriesAreNotReplaced(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	for _, name := range []string{"proc", "sys", "dev"} {
		for _, to := range []string{"CANARY", "..", "/", "/tmp/x", "/proc/self/root", "tmp"} {
			canary := canaryDir(t)
			to = strings.ReplaceAll(to, "CANARY", canary)
			img := hostileImage(t, e, ImageConfig{}, func(root string) {
				require.NoError(t, os.Remove(filepath.Join(root, name)))
				require.NoError(t, os.Symlink(to, filepath.Join(root, name)))
				require.NoError(t, os.Mkdir(filepath.Join(root, "tmp/x"), 0o755))
			})
			err := of(t, e, img, Config{}, "true").Run(t.Context(), IO{})
			require.ErrorContains(t, err, "/"+name+" in the image, which may not be a symbolic link", "%s -> %s", name, to)
			require.ErrorIs(t, err, syscall.ELOOP)
		}
	}
	img := hostileImage(t, e, ImageConfig{}, nil)
	for _, target := range []string{"/proc", "/proc/self", "/proc/sys", "/sys", "/sys/fs", "/dev", "/x/../proc", "//proc//self/attr", "/"} {
		for _, source := range []string{"", t.TempDir()} {
			c, err := e.Create(t.Context(), img, Config{Cmd: Cmd{Args: []string{"true"}}, Mounts: []Mount{{Source: source, Target: target}}})
			if err == nil {
				err = c.Start(t.Context(), IO{})
			}
			var wrapped *Error
			require.ErrorAs(t, err, &wrapped, "a mount on %s", target)
			assert.ErrorIs(t, err, ErrInvalid, target)
		}
	}
}

// Links in the image's /dev lead nowhere, as the container's is another one
// (CVE-2026-41579, CVE-2026-47766). The control sets up /dev by names in the image.
func TestImageDevicesLeadNowhere(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	canary := canaryDir(t)
	links := func(to string) func(root string) {
		return func(root string) {
			for _, name := range []string{"pts", "shm", "mqueue", "fd", "console"} {
				require.NoError(t, os.Symlink(to, filepath.Join(root, "dev", name)))
			}
			for _, name := range []string{"ptmx", "null"} {
				require.NoError(t, os.Symlink(filepath.Join(to, name), filepath.Join(root, "dev", name)))
			}
		}
	}
	img := hostileImage(t, e, ImageConfig{}, links(canary))
	for _, terminal := range []bool{false, true} {
		out := output(t, of(t, e, img, Config{Cmd: Cmd{Terminal: terminal}}, "sh", "-c", "ls -d /dev/*; stat -c %F /dev/null /dev/pts /dev/shm"))
		assert.Contains(t, out, "character special file")
		assert.NotContains(t, out, "regular")
	}

	// The control: what a runtime does to /dev, with names.
	victim := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(victim, "ptmx"), nil, 0o644))
	root := hostileTree(t, func(root string) {
		require.NoError(t, os.Remove(filepath.Join(root, "dev")))
		require.NoError(t, os.Symlink(victim, filepath.Join(root, "dev")))
	})
	require.NoError(t, os.Remove(filepath.Join(root, "dev/ptmx")))
	require.NoError(t, os.Symlink("/proc/self/fd", filepath.Join(root, "dev/fd")))
	list, err := os.ReadDir(victim)
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.Equal(t, "fd", list[0].Name(), "the control: ptmx removed and fd made in the canary")
}

// A container that shares a volume exchanges a mount point there for a link out,
// while others start with mounts on it (CVE-2021-30465, CVE-2017-1002101,
// CVE-2024-45310). The control looks first and writes then, by name.
func TestMountPointIsExchanged(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	img := hostileImage(t, e, ImageConfig{}, nil)
	shared, _ := exchanged(t, canaryDir(t))
	source := t.TempDir()
	a := attackFrom(t, of(t, e, img, Config{Mounts: []Mount{{Source: shared, Target: "/vol"}}}, "attack", "swap", "/vol/dst", "/vol/link"))

	n := testenv.Scale(t, 1000)
	var mu sync.Mutex
	outcomes := map[string]int{}
	var all sync.WaitGroup
	work := make(chan int)
	for range 4 {
		all.Go(func() {
			for range work {
				c := of(t, e, img, Config{Mounts: []Mount{
					{Source: shared, Target: "/vol"}, {Source: source, Target: "/vol/dst"}, {Source: source, Target: "/vol/dst/new"}, {Target: "/vol/link"},
				}}, "true")
				err := c.Run(t.Context(), IO{})
				for next := err; next != nil; next = errors.Unwrap(next) {
					err = next
				}
				mu.Lock()
				outcomes[fmt.Sprint(err)]++
				mu.Unlock()
				if err := c.Remove(t.Context(), true); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for i := range n {
		work <- i
	}
	close(work)
	all.Wait()

	var swaps int
	a.stop(&swaps)
	t.Logf("%d starts against %d exchanges: %v", n, swaps, outcomes)

	t.Run("control", func(t *testing.T) {
		shared, victim := exchanged(t, t.TempDir())
		a := attackFrom(t, of(t, e, img, Config{Mounts: []Mount{{Source: shared, Target: "/vol"}}}, "attack", "swap", "/vol/dst", "/vol/link"))
		dst := filepath.Join(shared, "dst")
		for deadline := time.Now().Add(20 * time.Second); ; {
			if st, err := os.Lstat(dst); err == nil && st.IsDir() {
				os.WriteFile(filepath.Join(dst, "reached"), nil, 0o644)
			}
			if _, err := os.Stat(filepath.Join(victim, "reached")); err == nil {
				break
			}
			require.True(t, time.Now().Before(deadline), "the racer never wins")
		}
		a.stop(&swaps)
	})
}

// exchanged is a volume with a mount point and a link to a canary, to be exchanged
// by the attacker.
func exchanged(t testing.TB, canary string) (volume, _ string) {
	volume = t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(volume, "dst"), 0o755))
	require.NoError(t, os.Symlink(canary, filepath.Join(volume, "link")))
	return volume, canary
}
