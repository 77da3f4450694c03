package sys_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coraclehq/coracle/internal/sys"
	"github.com/coraclehq/coracle/internal/testenv"
)

func procFD(d *sys.FD) string { return "/proc/self/fd/" + strconv.Itoa(d.Int()) }

// detached is a tmpfs that is attached nowhere.
func detached(t *testing.T) *sys.FD {
	t.Helper()
	fs, err := sys.FsOpen("tmpfs")
	require.NoError(t, err)
	defer fs.Close()
	require.NoError(t, fs.FsSet("size", "65536"))
	require.NoError(t, fs.FsCreate())
	m, err := fs.FsMount(sys.MOUNT_ATTR_NODEV)
	require.NoError(t, err)
	t.Cleanup(func() { m.Close() })
	return m
}

func TestDetachedMount(t *testing.T) {
	t.Parallel()
	testenv.Root(t)
	testenv.Census(t)
	m := detached(t)
	write(t, m, "f", "here")
	assert.Equal(t, "here", read(t, m, "f"))
	st, err := m.Statfs()
	require.NoError(t, err)
	assert.EqualValues(t, sys.TMPFS_MAGIC, st.Type)
	assert.NotZero(t, st.Flags&sys.ST_NODEV)
	require.NoError(t, m.MountSetattr("", sys.AT_EMPTY_PATH, sys.MountAttr{Set: sys.MOUNT_ATTR_RDONLY}))
	assert.ErrorIs(t, m.WriteFile("g", nil, 0o600, false), sys.EROFS)
}

func TestMountMessages(t *testing.T) {
	t.Parallel()
	testenv.Root(t)
	fs, err := sys.FsOpen("tmpfs")
	require.NoError(t, err)
	defer fs.Close()
	assert.ErrorIs(t, fs.FsSet("flavour", "sweet"), sys.EINVAL)
	messages := fs.FsMessages()
	require.NotEmpty(t, messages)
	assert.Contains(t, strings.Join(messages, "\n"), "flavour")
	assert.Empty(t, fs.FsMessages())
	_, err = sys.FsOpen("no such fs")
	assert.ErrorIs(t, err, sys.ENODEV)
}

// privately runs f on a thread with a mount namespace of its own.
func privately(t *testing.T, f func() error) {
	t.Helper()
	require.NoError(t, sys.OnThread(func() error {
		if err := sys.Unshare(sys.CLONE_NEWNS); err != nil {
			return err
		}
		if err := sys.Mount("", "/", "", sys.MS_REC|sys.MS_PRIVATE, ""); err != nil {
			return err
		}
		return f()
	}))
}

func TestMoveMount(t *testing.T) {
	t.Parallel()
	testenv.Root(t)
	testenv.Census(t)
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "at"), 0o755))
	require.NoError(t, os.Symlink("at", filepath.Join(dir, "link")))
	m := detached(t)
	privately(t, func() error {
		// Opened here: a mount goes where its namespace is.
		d := openDir(t, dir)
		write(t, m, "f", "moved")
		assert.Error(t, m.MoveMount(d, "link", 0), "a link is followed")
		if err := m.MoveMount(d, "at", 0); err != nil {
			return err
		}
		b, err := os.ReadFile(filepath.Join("/proc/thread-self/root", dir, "at/f"))
		if err != nil {
			return err
		}
		assert.Equal(t, "moved", string(b))
		tree, err := d.OpenTree("at", sys.OPEN_TREE_CLONE|sys.AT_RECURSIVE)
		if err != nil {
			return err
		}
		defer tree.Close()
		err = tree.MountSetattr("", sys.AT_EMPTY_PATH|sys.AT_RECURSIVE, sys.MountAttr{Set: sys.MOUNT_ATTR_RDONLY | sys.MOUNT_ATTR_NOSUID})
		if err != nil {
			return err
		}
		assert.ErrorIs(t, tree.Mkdir("d", 0o755), sys.EROFS)
		assert.NoError(t, m.Mkdir("d", 0o755), "the copy has attributes of its own")
		return sys.Unmount(filepath.Join(dir, "at"), sys.MNT_DETACH|sys.UMOUNT_NOFOLLOW)
	})
	b, err := os.ReadDir(filepath.Join(dir, "at"))
	require.NoError(t, err)
	assert.Empty(t, b, "the mount was seen outside")
}
