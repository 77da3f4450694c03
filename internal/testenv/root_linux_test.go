package testenv

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestBusybox(t *testing.T) {
	t.Parallel()
	Root(t)
	dir := Busybox(t)
	// Not with a Credential: the child of os/exec shares our memory until it execs,
	// and its setuid(2) would make this process non-dumpable.
	cmd := exec.Command("/bin/su", "app", "-c", "id -un; cd; pwd; cat /etc/group | wc -l; stat -c %a /tmp")
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: dir}
	cmd.Dir = "/"
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	assert.Equal(t, "app\n/home/app\n4\n1777\n", string(out))
}

func TestStaticOnly(t *testing.T) {
	t.Parallel()
	assert.Error(t, isStatic("/bin/sh"))
	assert.Error(t, isStatic("/etc/passwd"))
}

func TestNetNS(t *testing.T) {
	t.Parallel()
	NetNS(t)
	all, err := net.Interfaces()
	require.NoError(t, err)
	require.Len(t, all, 1)
	assert.NotZero(t, all[0].Flags&net.FlagUp)
	out, err := exec.Command("readlink", "/proc/self/ns/net").Output()
	require.NoError(t, err)
	host, err := os.Readlink("/proc/self/ns/net")
	require.NoError(t, err)
	assert.NotEqual(t, host+"\n", string(out), "a child is in the host's network namespace")
}

func TestTmpfsIsSmall(t *testing.T) {
	t.Parallel()
	dir := Tmpfs(t, 64<<10, 5)
	err := os.WriteFile(filepath.Join(dir, "big"), make([]byte, 128<<10), 0o600)
	assert.ErrorIs(t, err, syscall.ENOSPC)
	for range 5 {
		if f, cerr := os.CreateTemp(dir, ""); cerr != nil {
			err = cerr
		} else {
			f.Close()
		}
	}
	assert.ErrorIs(t, err, syscall.ENOSPC)
}

func TestCgroupIsRemoved(t *testing.T) {
	t.Parallel()
	Root(t)
	var dir string
	t.Run("use", func(t *testing.T) {
		c := Census(t)
		dir = makeCgroup(t, c)
		inner := filepath.Join(dir, "a", "b")
		require.NoError(t, os.MkdirAll(inner, 0o755))
		cmd := exec.Command("sh", "-c", `echo 0 >"$0/cgroup.procs" && exec sleep 1000`, inner)
		require.NoError(t, cmd.Start())
		go cmd.Wait()
	})
	_, err := os.Stat(dir)
	assert.True(t, errors.Is(err, os.ErrNotExist), "%v", err)
}

func TestDirOfNothing(t *testing.T) {
	t.Parallel()
	items, err := files(filepath.Join(t.TempDir(), "none"))
	assert.NoError(t, err)
	assert.Empty(t, items)
}

func TestWithoutCalls(t *testing.T) {
	t.Parallel()
	Root(t)
	var inside, child error
	dir := t.TempDir()
	WithoutCalls(t, syscall.ENOSYS, []string{"mkdirat", "uname"}, func() {
		inside = os.Mkdir(filepath.Join(dir, "d"), 0o700)
		child = exec.Command("uname").Run()
	})
	assert.ErrorIs(t, inside, syscall.ENOSYS)
	assert.Error(t, child)
	assert.NoError(t, os.Mkdir(filepath.Join(dir, "d"), 0o700), "the filter is of one thread")
}
