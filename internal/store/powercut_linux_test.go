package store

import (
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coraclehq/coracle/internal/sys"
	"github.com/coraclehq/coracle/internal/testenv"
	"github.com/stretchr/testify/require"
)

// What was acknowledged is there after a power cut: FS_IOC_SHUTDOWN makes ext4 drop
// everything that it has not been told to sync. Removals are not synced, so what was
// removed may be there again, whole.
func TestPowerCut(t *testing.T) {
	t.Parallel()
	testenv.Root(t)
	for _, tool := range []string{"mkfs.ext4", "mount", "umount"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip(err)
		}
	}
	// In a mount namespace of its own: one that some other program makes meanwhile
	// would have a copy of this test's mount, and umount would not end it.
	const inside = "CORACLE_STORE_TEST_POWERCUT"
	if os.Getenv(inside) == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^TestPowerCut$", "-test.v")
		cmd.Env = append(os.Environ(), inside+"=1")
		cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
		out, err := cmd.CombinedOutput()
		t.Logf("%s", out)
		require.NoError(t, err)
		return
	}
	run := func(name string, args ...string) {
		t.Helper()
		out, err := exec.Command(name, args...).CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	disk, mnt := filepath.Join(t.TempDir(), "disk"), t.TempDir()
	run("truncate", "-s", "64M", disk)
	run("mkfs.ext4", "-q", disk)
	mount := func() { t.Helper(); run("mount", "-o", "loop", disk, mnt) }
	mount()
	dir := filepath.Join(mnt, "store")
	want := map[string]bool{}
	cuts := testenv.Scale(t, 200)
	for n := range cuts {
		c := child(t, "work durably", dir, itoa(n))
		said := []string{c.line()}
		require.NotEmpty(t, said[0])
		// Chance decides in which step the cut comes.
		time.Sleep(rand.N(60 * time.Millisecond))
		root, err := sys.Open(mnt, sys.O_RDONLY|sys.O_DIRECTORY, 0)
		require.NoError(t, err)
		require.NoError(t, root.ShutdownFS(false))
		require.NoError(t, root.Close())
		c.cmd.Process.Kill()
		said = append(said, c.lines()...)
		require.Error(t, c.cmd.Wait())
		run("umount", mnt)
		mount()

		for _, line := range said {
			if f := strings.Fields(line); len(f) == 3 && f[1] == "remove" {
				line = "? remove " + f[2]
			}
			remember(want, []string{line})
		}
		requireAcknowledged(t, dir, want)
	}
	run("umount", mnt)
	there := 0
	for _, w := range want {
		if w {
			there++
		}
	}
	t.Logf("%d power cuts, %d things kept", cuts, there)
}
