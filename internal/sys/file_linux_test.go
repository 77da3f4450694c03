package sys_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coraclehq/coracle/internal/sys"
	"github.com/coraclehq/coracle/internal/testenv"
)

func TestWriteFile(t *testing.T) {
	t.Parallel()
	d := tempDir(t)
	victim := filepath.Join(t.TempDir(), "victim")
	require.NoError(t, os.WriteFile(victim, []byte("untouched"), 0o600))
	require.NoError(t, d.Symlink(victim, "f"))
	for _, tt := range []struct {
		text string
		perm uint32
		sync bool
	}{{"one", 0o600, false}, {"", 0o644, true}, {"three", 0o666, true}} {
		require.NoError(t, d.WriteFile("f", []byte(tt.text), tt.perm, tt.sync))
		assert.Equal(t, tt.text, read(t, d, "f"))
		st, err := d.StatAt("f", false)
		require.NoError(t, err)
		assert.Equal(t, tt.perm, st.Perm(), "whatever the umask")
		assert.True(t, st.IsRegular())
	}
	b, err := os.ReadFile(victim)
	require.NoError(t, err)
	assert.Equal(t, "untouched", string(b))
	names, err := d.Names()
	require.NoError(t, err)
	assert.Equal(t, []string{"f"}, names)

	p, err := sys.Open(d.Name(), sys.O_PATH|sys.O_DIRECTORY, 0)
	require.NoError(t, err)
	defer p.Close()
	require.NoError(t, p.WriteFile("g", nil, 0o600, true), "in a directory opened with O_PATH")
	require.NoError(t, d.Mkdir("dir", 0o755))
	assert.Error(t, d.WriteFile("dir", nil, 0o600, false))
	names, err = d.Names()
	require.NoError(t, err)
	assert.Equal(t, []string{"dir", "f", "g"}, names)
}

func TestWriteFileIsWholeForReaders(t *testing.T) {
	t.Parallel()
	d := tempDir(t)
	a, b := bytes.Repeat([]byte("a"), 100_000), bytes.Repeat([]byte("b"), 70_000)
	require.NoError(t, d.WriteFile("f", a, 0o600, false))
	done := make(chan error)
	go func() {
		for range 60 {
			if err := errors.Join(d.WriteFile("f", b, 0o600, false), d.WriteFile("f", a, 0o600, false)); err != nil {
				done <- err
				return
			}
		}
		close(done)
	}()
	for {
		got, err := d.ReadFile("f", 1<<20)
		require.NoError(t, err)
		require.True(t, bytes.Equal(got, a) || bytes.Equal(got, b), "%d bytes", len(got))
		select {
		case err := <-done:
			require.NoError(t, err)
			return
		default:
		}
	}
}

func TestWriteFileOnAFullDisk(t *testing.T) {
	t.Parallel()
	d := openDir(t, testenv.Tmpfs(t, 64<<10, 0))
	write(t, d, "f", "old")
	err := d.WriteFile("f", make([]byte, 1<<20), 0o600, true)
	assert.ErrorIs(t, err, sys.ENOSPC)
	assert.Equal(t, "old", read(t, d, "f"))
	names, err := d.Names()
	require.NoError(t, err)
	assert.Equal(t, []string{"f"}, names)
}

func TestReadFile(t *testing.T) {
	t.Parallel()
	d := tempDir(t)
	write(t, d, "f", "12345")
	for _, limit := range []int64{5, 6, 1 << 40} {
		b, err := d.ReadFile("f", limit)
		require.NoError(t, err)
		assert.Equal(t, "12345", string(b))
	}
	_, err := d.ReadFile("f", 4)
	assert.ErrorIs(t, err, sys.ErrTooLarge)

	require.NoError(t, d.Symlink("f", "link"))
	_, err = d.ReadFile("link", 100)
	assert.ErrorIs(t, err, sys.ELOOP)
	_, err = d.ReadFile(".", 100)
	assert.ErrorIs(t, err, sys.ErrNotRegular)

	require.NoError(t, d.Mknod("fifo", sys.S_IFIFO|0o600, 0))
	begin := time.Now()
	_, err = d.ReadFile("fifo", 100)
	assert.ErrorIs(t, err, sys.ErrNotRegular)
	sparse, err := d.Open("sparse", sys.O_WRONLY|sys.O_CREAT, 0o600)
	require.NoError(t, err)
	defer sparse.Close()
	require.NoError(t, sparse.Truncate(1<<40))
	_, err = d.ReadFile("sparse", 1<<20)
	assert.ErrorIs(t, err, sys.ErrTooLarge)
	assert.Less(t, time.Since(begin), 2*time.Second)

	// Files of procfs have no size.
	b, err := openDir(t, "/proc/self").ReadFile("mountinfo", 1<<20)
	require.NoError(t, err)
	assert.NotEmpty(t, b)
	_, err = openDir(t, "/proc/self").ReadFile("mountinfo", 10)
	assert.ErrorIs(t, err, sys.ErrTooLarge)
}

func TestReadAndWriteAtOffsets(t *testing.T) {
	t.Parallel()
	d := tempDir(t)
	f, err := d.Open("f", sys.O_RDWR|sys.O_CREAT|sys.O_EXCL, 0o600)
	require.NoError(t, err)
	defer f.Close()
	n, err := f.WriteAt([]byte("data"), 1<<20)
	require.NoError(t, err)
	assert.Equal(t, 4, n)
	off, err := f.Seek(0, sys.SEEK_DATA)
	require.NoError(t, err)
	assert.LessOrEqual(t, off, int64(1<<20))
	_, err = f.Seek(2<<20, sys.SEEK_DATA)
	assert.ErrorIs(t, err, sys.ENXIO)
	require.NoError(t, f.Allocate(sys.FALLOC_FL_KEEP_SIZE, 0, 4096))

	_, err = f.Seek(1<<20, io.SeekStart)
	require.NoError(t, err)
	b, err := io.ReadAll(f)
	require.NoError(t, err)
	assert.Equal(t, "data", string(b))
	buf := make([]byte, 10)
	n, err = f.ReadAt(buf, 1<<20)
	assert.Equal(t, 4, n)
	assert.ErrorIs(t, err, io.EOF)
	n, err = f.Read(nil)
	assert.Zero(t, n)
	assert.NoError(t, err)

	out, err := d.Open("copy", sys.O_RDWR|sys.O_CREAT, 0o600)
	require.NoError(t, err)
	defer out.Close()
	n, err = out.CopyRange(2, f, 1<<20, 100)
	require.NoError(t, err)
	assert.Equal(t, 4, n)
	assert.Equal(t, "\x00\x00data", read(t, d, "copy"))
	if err := out.Clone(f); err != nil {
		assert.True(t, errors.Is(err, sys.EOPNOTSUPP) || errors.Is(err, sys.EXDEV) || errors.Is(err, sys.EINVAL), "%v", err)
	}
	require.NoError(t, f.Sync())
	require.NoError(t, d.Sync())
}

func TestMetadata(t *testing.T) {
	t.Parallel()
	d := tempDir(t)
	write(t, d, "f", "")
	require.NoError(t, d.Symlink("f", "link"))
	path, err := d.Open("f", sys.O_PATH, 0)
	require.NoError(t, err)
	defer path.Close()
	link, err := d.Open("link", sys.O_PATH, 0)
	require.NoError(t, err)
	defer link.Close()
	mode := func() uint32 {
		st, err := d.StatAt("f", false)
		require.NoError(t, err)
		return st.Perm()
	}
	check := func(t *testing.T) {
		require.NoError(t, path.Chmod(0o4711))
		assert.EqualValues(t, 0o4711, mode())
		require.NoError(t, d.ChmodAt("f", 0o600))
		assert.EqualValues(t, 0o600, mode())
		assert.ErrorIs(t, link.Chmod(0o777), sys.EOPNOTSUPP)
		assert.ErrorIs(t, d.ChmodAt("link", 0o777), sys.EOPNOTSUPP)
		assert.EqualValues(t, 0o600, mode(), "through the link")
		assert.ErrorIs(t, d.ChmodAt("none", 0o777), sys.ENOENT)
	}
	check(t)
	testenv.WithoutCalls(t, syscall.ENOSYS, []string{"fchmodat2"}, func() { check(t) })
	testenv.WithoutCalls(t, syscall.EPERM, []string{"fchmodat2"}, func() { check(t) })

	// Seconds before 1970 and nanoseconds; the other time stays.
	early := time.Date(1931, 2, 3, 4, 5, 6, 789, time.UTC)
	late := time.Date(2301, 2, 3, 4, 5, 6, 7, time.UTC)
	require.NoError(t, path.Utimes(early, late))
	require.NoError(t, path.Utimes(time.Time{}, time.Time{}))
	st, err := path.Stat()
	require.NoError(t, err)
	assert.True(t, st.Atim.Equal(early), st.Atim)
	assert.True(t, st.Mtim.Equal(late), st.Mtim)
	require.NoError(t, d.UtimesAt("link", early, early))
	st, err = d.StatAt("link", true)
	require.NoError(t, err)
	assert.True(t, st.Mtim.Equal(late), "through the link")
	st, err = link.Stat()
	require.NoError(t, err)
	assert.True(t, st.IsSymlink())
	assert.True(t, st.Mtim.Equal(early))
}

func TestOwners(t *testing.T) {
	t.Parallel()
	testenv.Root(t)
	d := tempDir(t)
	write(t, d, "f", "")
	require.NoError(t, d.Symlink("f", "link"))
	path, err := d.Open("f", sys.O_PATH, 0)
	require.NoError(t, err)
	defer path.Close()
	require.NoError(t, path.Chown(1000, -1))
	require.NoError(t, d.ChownAt("f", -1, 1<<31))
	require.NoError(t, d.ChownAt("link", 7, 8))
	st, err := path.Stat()
	require.NoError(t, err)
	assert.EqualValues(t, 1000, st.UID)
	assert.EqualValues(t, 1<<31, st.GID)
	st, err = d.StatAt("link", false)
	require.NoError(t, err)
	assert.EqualValues(t, 7, st.UID)
}

func TestXattrs(t *testing.T) {
	t.Parallel()
	d := tempDir(t)
	write(t, d, "f", "")
	f, err := d.Open("f", sys.O_RDWR, 0)
	require.NoError(t, err)
	defer f.Close()
	names, err := f.Xattrs()
	require.NoError(t, err)
	require.Empty(t, names)
	if err := f.SetXattr("user.a", nil, 0); errors.Is(err, sys.EOPNOTSUPP) {
		t.Skip("no extended attributes on this file system")
	}
	path, err := d.Open("f", sys.O_PATH, 0)
	require.NoError(t, err)
	defer path.Close()
	big := bytes.Repeat([]byte{0, 1, 0xff}, 1000)
	require.NoError(t, path.SetXattr("user.big", big, sys.XATTR_CREATE))
	assert.ErrorIs(t, path.SetXattr("user.big", big, sys.XATTR_CREATE), sys.EEXIST)
	require.NoError(t, d.SetXattrAt("f", "user.c", []byte("c"), 0))
	for _, o := range []*sys.FD{f, path} {
		names, err = o.Xattrs()
		require.NoError(t, err)
		assert.ElementsMatch(t, []string{"user.a", "user.big", "user.c"}, names)
		v, err := o.Xattr("user.big")
		require.NoError(t, err)
		assert.Equal(t, big, v)
		v, err = o.Xattr("user.a")
		require.NoError(t, err)
		assert.Empty(t, v)
		_, err = o.Xattr("user.none")
		assert.ErrorIs(t, err, sys.ENODATA)
	}
	v, err := d.XattrAt("f", "user.c")
	require.NoError(t, err)
	assert.Equal(t, "c", string(v))
	require.NoError(t, path.RemoveXattr("user.c"))
	require.NoError(t, f.RemoveXattr("user.a"))
	names, err = d.XattrsAt("f")
	require.NoError(t, err)
	assert.Equal(t, []string{"user.big"}, names)
}

func TestXattrsOfLinks(t *testing.T) {
	t.Parallel()
	testenv.Root(t)
	d := tempDir(t)
	write(t, d, "f", "")
	require.NoError(t, d.Symlink("f", "link"))
	require.NoError(t, d.SetXattrAt("link", "trusted.at", []byte("1"), 0))
	link, err := d.Open("link", sys.O_PATH, 0)
	require.NoError(t, err)
	defer link.Close()
	require.NoError(t, link.SetXattr("trusted.fd", []byte("2"), 0))
	names, err := d.XattrsAt("link")
	require.NoError(t, err)
	assert.ElementsMatch(t, []string{"trusted.at", "trusted.fd"}, names)
	names, err = d.XattrsAt("f")
	require.NoError(t, err)
	assert.Empty(t, names, "through the link")
}

func TestLocks(t *testing.T) {
	t.Parallel()
	d := tempDir(t)
	open := func() *sys.FD {
		f, err := d.Open("lock", sys.O_RDWR|sys.O_CREAT, 0o600)
		require.NoError(t, err)
		t.Cleanup(func() { f.Close() })
		return f
	}
	a, b, c := open(), open(), open()
	try := func(f *sys.FD, exclusive bool) bool {
		ok, err := f.TryLock(exclusive)
		require.NoError(t, err)
		return ok
	}
	assert.True(t, try(a, false))
	assert.True(t, try(b, false))
	assert.False(t, try(c, true))
	require.NoError(t, a.Unlock())
	require.NoError(t, b.Close())
	assert.True(t, try(c, true))
	assert.False(t, try(a, false))
	dup, err := c.Dup()
	require.NoError(t, err)
	require.NoError(t, c.Close())
	assert.False(t, try(a, true), "the duplicate holds it")
	require.NoError(t, dup.Unlock())
	assert.True(t, try(a, true))
	require.NoError(t, dup.Close())
	_, err = dup.TryLock(true)
	assert.ErrorIs(t, err, sys.EBADF)
}

func TestFileSystem(t *testing.T) {
	t.Parallel()
	d := openDir(t, "/proc")
	st, err := d.Statfs()
	require.NoError(t, err)
	assert.EqualValues(t, sys.PROC_SUPER_MAGIC, st.Type)
	id, err := d.MountID()
	require.NoError(t, err)
	assert.NotZero(t, id)
	root, err := openDir(t, "/").MountID()
	require.NoError(t, err)
	assert.NotEqual(t, root, id)
}
