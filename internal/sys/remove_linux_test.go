package sys_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/coraclehq/coracle/internal/sys"
	"github.com/coraclehq/coracle/internal/testenv"
)

func TestRemoveAll(t *testing.T) {
	t.Parallel()
	outside := t.TempDir()
	canary := filepath.Join(outside, "canary")
	require.NoError(t, os.WriteFile(canary, nil, 0o600))
	d := tempDir(t)
	in, err := d.MkdirAll("tree/a/b", 0o755)
	require.NoError(t, err)
	write(t, in, "file", "")
	require.NoError(t, in.Symlink(outside, "link"))
	require.NoError(t, in.Symlink("loop", "loop"))
	require.NoError(t, in.Mknod("fifo", sys.S_IFIFO|0o600, 0))
	require.NoError(t, in.Close())
	write(t, d, "beside", "")

	require.NoError(t, d.RemoveAll("tree"))
	require.NoError(t, d.RemoveAll("tree"), "what is not there")
	require.NoError(t, d.Symlink(outside, "link"))
	require.NoError(t, d.RemoveAll("link"))
	names, err := d.Names()
	require.NoError(t, err)
	assert.Equal(t, []string{"beside"}, names)
	assert.FileExists(t, canary)
}

// A tree as deep as images can make one takes neither the stack nor the
// descriptors.
func TestRemoveAllOfADeepTree(t *testing.T) {
	t.Parallel()
	d := tempDir(t)
	const depth = 1000
	name := strings.Repeat("d", 100) // the path is far longer than PATH_MAX
	cur, err := d.Dup()
	require.NoError(t, err)
	for range depth {
		require.NoError(t, cur.Mkdir(name, 0o755))
		next, err := cur.Open(name, sys.O_PATH|sys.O_DIRECTORY, 0)
		require.NoError(t, err)
		require.NoError(t, cur.Mknod("f", sys.S_IFREG|0o600, 0))
		require.NoError(t, cur.Close())
		cur = next
	}
	require.NoError(t, cur.Close())
	require.NoError(t, d.RemoveAll(name))
	require.NoError(t, d.Unlink("f"))
	names, err := d.Names()
	require.NoError(t, err)
	assert.Empty(t, names)
}

func TestRemoveAllStopsAtMounts(t *testing.T) {
	t.Parallel()
	testenv.Root(t)
	mounted := testenv.Tmpfs(t, 1<<20, 0)
	require.NoError(t, os.WriteFile(filepath.Join(mounted, "canary"), nil, 0o600))
	d := openDir(t, filepath.Dir(mounted)) // the test's own directory
	beside := filepath.Join(mounted, "..", "zz")
	require.NoError(t, os.Mkdir(beside, 0o755))
	err := d.RemoveAll(filepath.Base(mounted))
	assert.ErrorIs(t, err, sys.EBUSY)
	assert.FileExists(t, filepath.Join(mounted, "canary"))

	up := openDir(t, filepath.Dir(filepath.Dir(mounted)))
	err = up.RemoveAll(filepath.Base(d.Name()))
	assert.ErrorIs(t, err, sys.EBUSY)
	assert.FileExists(t, filepath.Join(mounted, "canary"))
	assert.NoDirExists(t, beside, "the rest goes")
}

// An ordinary user's own directory may have lost its permissions.
func TestRemoveAllWithoutPermissions(t *testing.T) {
	t.Parallel()
	d := tempDir(t)
	in, err := d.MkdirAll("tree/a", 0o755)
	require.NoError(t, err)
	write(t, in, "f", "")
	require.NoError(t, in.Close())
	for _, p := range []string{"tree/a", "tree"} {
		require.NoError(t, os.Chmod(filepath.Join(d.Name(), p), 0))
	}
	require.NoError(t, sys.OnThread(func() error {
		if err := dropOverride(); err != nil {
			return err
		}
		_, control := os.ReadDir(filepath.Join(d.Name(), "tree"))
		assert.ErrorIs(t, control, os.ErrPermission, "control")
		return d.RemoveAll("tree")
	}))
}

// dropOverride takes from the thread the capabilities to pass by permissions.
func dropOverride() error {
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&hdr, &data[0]); err != nil {
		return err
	}
	data[0].Effective &^= 1<<unix.CAP_DAC_OVERRIDE | 1<<unix.CAP_DAC_READ_SEARCH
	return unix.Capset(&hdr, &data[0])
}
