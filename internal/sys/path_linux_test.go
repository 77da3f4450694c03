package sys_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coraclehq/coracle/internal/sys"
	"github.com/coraclehq/coracle/internal/testenv"
)

// tempDir is an empty directory, open.
func tempDir(t testing.TB) *sys.FD {
	t.Helper()
	return openDir(t, t.TempDir())
}

func openDir(t testing.TB, path string) *sys.FD {
	t.Helper()
	d, err := sys.Open(path, sys.O_RDONLY|sys.O_DIRECTORY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { d.Close() })
	return d
}

func write(t testing.TB, d *sys.FD, name, text string) {
	t.Helper()
	require.NoError(t, d.WriteFile(name, []byte(text), 0o644, false))
}

func read(t testing.TB, d *sys.FD, name string) string {
	t.Helper()
	b, err := d.ReadFile(name, 1<<20)
	require.NoError(t, err)
	return string(b)
}

func TestDescriptorHasOneOwner(t *testing.T) {
	t.Parallel()
	d, err := sys.Open("/", sys.O_PATH, 0)
	require.NoError(t, err)
	other, err := d.Dup()
	require.NoError(t, err)
	assert.NotEqual(t, d.Int(), other.Int())
	require.NoError(t, d.Close())
	assert.ErrorIs(t, d.Close(), os.ErrClosed)
	assert.Equal(t, -1, d.Int())
	assert.Nil(t, d.File())
	_, err = d.Stat()
	assert.ErrorIs(t, err, sys.EBADF)

	f := other.File()
	assert.Equal(t, -1, other.Int())
	assert.ErrorIs(t, other.Close(), os.ErrClosed)
	_, err = f.Stat()
	assert.NoError(t, err)
	require.NoError(t, f.Close())

	var none *sys.FD
	assert.NoError(t, none.Close())
	assert.Equal(t, -1, none.Release())
	assert.Equal(t, sys.AT_FDCWD, none.Int())
	st, err := none.StatAt("/", false)
	assert.NoError(t, err)
	assert.True(t, st.IsDir())
	assert.Equal(t, -1, new(sys.FD).Int(), "the zero FD is closed")
}

func TestOneOfManyCloses(t *testing.T) {
	t.Parallel()
	d, err := sys.Open("/", sys.O_PATH, 0)
	require.NoError(t, err)
	var wg sync.WaitGroup
	closed := make(chan error, 8)
	for range cap(closed) {
		wg.Go(func() { closed <- d.Close() })
	}
	wg.Wait()
	close(closed)
	n := 0
	for err := range closed {
		if err == nil {
			n++
		}
	}
	assert.Equal(t, 1, n)
}

func TestDescriptorsAreCloseOnExec(t *testing.T) {
	t.Parallel()
	d := tempDir(t)
	r, w, err := sys.Pipe(0)
	require.NoError(t, err)
	a, b, err := sys.SocketPair(sys.SOCK_SEQPACKET)
	require.NoError(t, err)
	memfd, err := sys.MemfdCreate("x", 0)
	require.NoError(t, err)
	high, err := sys.MoveAbove(d, 100)
	require.NoError(t, err)
	assert.GreaterOrEqual(t, high.Int(), 100)
	in, err := sys.Inotify()
	require.NoError(t, err)
	for _, f := range []*sys.FD{d, r, w, a, b, memfd, high, in} {
		assert.True(t, closeOnExec(t, f), f.Name())
		if f != d {
			f.Close()
		}
	}
}

func closeOnExec(t *testing.T, d *sys.FD) bool {
	t.Helper()
	info, err := os.ReadFile(fmt.Sprintf("/proc/self/fdinfo/%d", d.Int()))
	require.NoError(t, err)
	flags := 0
	_, err = fmt.Sscanf(string(info[strings.Index(string(info), "flags:"):]), "flags: %o", &flags)
	require.NoError(t, err)
	return flags&sys.O_CLOEXEC != 0
}

func TestErrorsNameCallAndPath(t *testing.T) {
	t.Parallel()
	d := tempDir(t)
	_, err := d.OpenInRoot("proc/self", sys.O_PATH, 0)
	assert.EqualError(t, err, "openat2 "+d.Name()+"/proc/self: no such file or directory")
	assert.ErrorIs(t, err, fs.ErrNotExist)
	assert.ErrorIs(t, err, sys.ENOENT)
	_, err = sys.Open("/no such", 0, 0)
	assert.EqualError(t, err, "open /no such: no such file or directory")
	err = d.Rename("a", d, "b")
	assert.EqualError(t, err, "renameat2 "+d.Name()+"/a "+d.Name()+"/b: no such file or directory")
	assert.ErrorIs(t, err, sys.ENOENT)
	_, err = d.Xattr("user.x\x00y")
	assert.Error(t, err)
	_, err = d.Open("nul\x00byte", 0, 0)
	assert.ErrorIs(t, err, sys.EINVAL)
}

// The directory is a root with links that lead out of it; outside lies the canary.
// The naive way is the control: it reaches it.
func TestPathsStayInside(t *testing.T) {
	t.Parallel()
	outside := t.TempDir()
	canary := filepath.Join(outside, "canary")
	require.NoError(t, os.WriteFile(canary, []byte("canary"), 0o644))
	root := t.TempDir()
	d := openDir(t, root)
	depth := strings.Repeat("../", strings.Count(root, "/")+3)
	require.NoError(t, os.Mkdir(filepath.Join(root, "dir"), 0o755))
	for name, target := range map[string]string{
		"absolute": canary,
		"dots":     depth + canary[1:],
		"dir/up":   "../" + depth + canary[1:],
		"dirlink":  outside,
		"chain":    "absolute",
	} {
		require.NoError(t, os.Symlink(target, filepath.Join(root, name)))
	}
	for _, path := range []string{"absolute", "dots", "dir/up", "dirlink/canary", "chain", depth + canary[1:], canary} {
		control := path
		if path != canary {
			control = filepath.Join(root, path)
		}
		_, err := os.ReadFile(control)
		assert.NoError(t, err, "control: %s does not lead out", path)

		_, err = d.OpenInRoot(path, sys.O_RDONLY, 0)
		assert.ErrorIs(t, err, sys.ENOENT, path)
		_, err = d.OpenBeneath(path, sys.O_RDONLY, 0, sys.RESOLVE_BENEATH)
		assert.ErrorIs(t, err, sys.EXDEV, path)
	}
	// What exists inside under the same path is what is found.
	inner := filepath.Join(root, outside)
	require.NoError(t, os.MkdirAll(inner, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(inner, "canary"), []byte("inside"), 0o644))
	for _, path := range []string{"absolute", "dots", "dir/up", "dirlink/canary", "chain", canary} {
		f, err := d.OpenInRoot(path, sys.O_RDONLY, 0)
		require.NoError(t, err, path)
		b, err := f.ReadWhole(100)
		require.NoError(t, err)
		assert.Equal(t, "inside", string(b))
		f.Close()
	}
	_, err := d.Open("absolute", sys.O_RDONLY, 0)
	assert.ErrorIs(t, err, sys.ELOOP)
}

func TestMagicLinksAreRefused(t *testing.T) {
	t.Parallel()
	slash := openDir(t, "/")
	for _, path := range []string{"/proc/self/exe", "/proc/self/cwd", "/proc/self/root/etc", fmt.Sprintf("/proc/self/fd/%d", slash.Int())} {
		_, err := os.Stat(path)
		require.NoError(t, err, "control")
		_, err = slash.OpenInRoot(path, sys.O_PATH, 0)
		assert.ErrorIs(t, err, sys.ELOOP, path)
	}
}

// A directory is swapped for a link that leads out, as fast as it goes, while it
// is walked through.
func TestPathsStayInsideInARace(t *testing.T) {
	t.Parallel()
	outside := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(outside, "f"), []byte("canary"), 0o644))
	d := tempDir(t)
	require.NoError(t, d.Mkdir("dir", 0o755))
	inner := openDir(t, filepath.Join(d.Name(), "dir"))
	write(t, inner, "f", "inside")
	require.NoError(t, d.Symlink(outside, "link"))
	stop, swapped := make(chan struct{}), make(chan int)
	go func() {
		n := 0
		for ; ; n++ {
			select {
			case <-stop:
				swapped <- n
				return
			default:
				if d.Exchange("dir", d, "link") != nil {
					swapped <- -1
					return
				}
			}
		}
	}()
	naive, opened := 0, 0
	for i := 0; i < 2000 || naive == 0 && i < 200_000; i++ {
		f, err := d.OpenInRoot("x/../dir/f", sys.O_RDONLY, 0)
		if err == nil {
			f.Close()
			t.Fatal("x exists")
		}
		f, err = d.OpenInRoot("dir/../dir/f", sys.O_RDONLY, 0)
		if err != nil {
			assert.ErrorIs(t, err, sys.ENOENT)
		} else {
			opened++
			b, err := f.ReadWhole(100)
			require.NoError(t, err)
			require.Equal(t, "inside", string(b))
			f.Close()
		}
		if b, _ := os.ReadFile(filepath.Join(d.Name(), "dir/f")); string(b) == "canary" {
			naive++
		}
	}
	close(stop)
	t.Logf("%d swaps, opened inside %d times, control led out %d times", <-swapped, opened, naive)
	assert.Positive(t, naive, "control")
	assert.Positive(t, opened)
}

func TestMkdirAll(t *testing.T) {
	t.Parallel()
	d := tempDir(t)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			in, err := d.MkdirAll("a/./b//c", 0o755)
			if assert.NoError(t, err) {
				st, err := in.Stat()
				assert.NoError(t, err)
				assert.True(t, st.IsDir())
				in.Close()
			}
		})
	}
	wg.Wait()
	in, err := d.MkdirAll(".", 0o755)
	require.NoError(t, err)
	in.Close()

	outside := t.TempDir()
	require.NoError(t, d.Symlink(outside, "out"))
	_, err = d.MkdirAll("out/x", 0o755)
	assert.ErrorIs(t, err, sys.ENOTDIR)
	_, err = d.MkdirAll("../x", 0o755)
	assert.ErrorIs(t, err, sys.EXDEV)
	write(t, d, "file", "")
	_, err = d.MkdirAll("file/x", 0o755)
	assert.ErrorIs(t, err, sys.ENOTDIR)
	left, err := os.ReadDir(outside)
	require.NoError(t, err)
	assert.Empty(t, left)
}

func TestNamesAndLinks(t *testing.T) {
	t.Parallel()
	d := tempDir(t)
	write(t, d, "a", "1")
	write(t, d, "b", "2")
	assert.ErrorIs(t, d.RenameNoReplace("a", d, "b"), sys.EEXIST)
	require.NoError(t, d.Exchange("a", d, "b"))
	assert.Equal(t, "2", read(t, d, "a"))
	require.NoError(t, d.Rename("a", d, "b"))
	assert.Equal(t, "2", read(t, d, "b"))
	require.NoError(t, d.Link("b", d, "c"))
	assert.ErrorIs(t, d.Link("b", d, "c"), sys.EEXIST)
	st, err := d.StatAt("c", false)
	require.NoError(t, err)
	assert.EqualValues(t, 2, st.Nlink)

	long := strings.Repeat("x", sys.PATH_MAX-1)
	require.NoError(t, d.Symlink(long, "long"))
	got, err := d.Readlink("long")
	require.NoError(t, err)
	assert.Equal(t, long, got)
	require.NoError(t, d.Link("long", d, "long2"), "a link to the link, not to what it names")
	p, err := d.Open("long2", sys.O_PATH, 0)
	require.NoError(t, err)
	defer p.Close()
	got, err = p.Readlink("")
	require.NoError(t, err)
	assert.Equal(t, long, got)
	_, err = d.Readlink("b")
	assert.ErrorIs(t, err, sys.EINVAL)

	require.NoError(t, d.Mkdir("dir", 0o755))
	assert.ErrorIs(t, d.Mkdir("dir", 0o755), fs.ErrExist)
	require.NoError(t, d.Mknod("fifo", sys.S_IFIFO|0o600, 0))
	names, err := d.Names()
	require.NoError(t, err)
	assert.Equal(t, []string{"b", "c", "dir", "fifo", "long", "long2"}, names)
	assert.ErrorIs(t, d.Unlink("dir"), sys.EISDIR)
	assert.ErrorIs(t, d.Rmdir("b"), sys.ENOTDIR)
	require.NoError(t, d.Rmdir("dir"))
}

func TestFileWithoutName(t *testing.T) {
	t.Parallel()
	d := tempDir(t)
	f, err := d.Open(".", sys.O_TMPFILE|sys.O_WRONLY, 0o600)
	if errors.Is(err, sys.EOPNOTSUPP) {
		t.Skip("no O_TMPFILE on this file system")
	}
	require.NoError(t, err)
	defer f.Close()
	_, err = f.Write([]byte("whole"))
	require.NoError(t, err)
	require.NoError(t, f.LinkFD(d, "named"))
	assert.Equal(t, "whole", read(t, d, "named"))
	assert.ErrorIs(t, f.LinkFD(d, "named"), sys.EEXIST)
}

func TestManyNames(t *testing.T) {
	t.Parallel()
	d := tempDir(t)
	var want []string
	for i := range 1500 {
		name := fmt.Sprintf("%05d-%s", i, strings.Repeat("n", i%200))
		want = append(want, name)
		require.NoError(t, d.Mknod(name, sys.S_IFREG|0o600, 0))
	}
	p, err := sys.Open(d.Name(), sys.O_PATH|sys.O_DIRECTORY, 0)
	require.NoError(t, err)
	defer p.Close()
	for range 2 {
		got, err := p.Names()
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
}

func TestDevices(t *testing.T) {
	t.Parallel()
	testenv.Root(t)
	d := tempDir(t)
	dev := sys.Mkdev(1, 3)
	require.NoError(t, d.Mknod("null", sys.S_IFCHR|0o666, dev))
	st, err := d.StatAt("null", false)
	require.NoError(t, err)
	assert.EqualValues(t, sys.S_IFCHR, st.Type())
	assert.Equal(t, dev, st.Rdev)
	_, err = d.ReadFile("null", 10)
	assert.ErrorIs(t, err, sys.ErrNotRegular)
}
