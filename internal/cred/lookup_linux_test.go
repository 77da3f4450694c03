package cred

import (
	"bufio"
	"fmt"
	"io/fs"
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

// image makes a root directory with /etc.
func image(t testing.TB) (dir string, root *sys.FD) {
	t.Helper()
	dir = t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "etc"), 0o755))
	root, err := sys.Open(dir, sys.O_PATH|sys.O_DIRECTORY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { root.Close() })
	return dir, root
}

func write(t testing.TB, path, text string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
}

func TestLookup(t *testing.T) {
	t.Parallel()
	dir, root := image(t)
	u, err := Lookup(root, "1000")
	require.NoError(t, err)
	assert.Equal(t, User{UID: 1000, Groups: []uint32{0}}, u, "without files")

	write(t, filepath.Join(dir, "etc/passwd"), passwdFile)
	write(t, filepath.Join(dir, "etc/group"), groupFile)
	u, err = Lookup(root, "app")
	require.NoError(t, err)
	assert.Equal(t, User{UID: 1000, GID: 1000, Groups: []uint32{1000, 10, 29, 0}, Home: "/home/app", Name: "app"}, u)
}

// CVE-2024-9676, CVE-2024-9341, CVE-2026-47262: what an image can put in the place
// of its files. The control is what a plain open of the path would do.
func TestLookupInHostileImages(t *testing.T) {
	t.Parallel()
	const secret = "app:x:4242:4242::/:\n"
	for _, tt := range []struct {
		name string
		make func(t *testing.T, dir, outside string)
		err  error  // of looking up app
		uid  uint32 // if it is nil
	}{
		{"absolute link to the outside", func(t *testing.T, dir, outside string) {
			require.NoError(t, os.Symlink(outside, filepath.Join(dir, "etc/passwd")))
			requireReads(t, filepath.Join(dir, "etc/passwd"), secret)
		}, fs.ErrNotExist, 0},
		{"relative link to the outside", func(t *testing.T, dir, outside string) {
			up, err := filepath.Rel(filepath.Join(dir, "etc"), outside)
			require.NoError(t, err)
			require.NoError(t, os.Symlink(up, filepath.Join(dir, "etc/passwd")))
			requireReads(t, filepath.Join(dir, "etc/passwd"), secret)
		}, fs.ErrNotExist, 0},
		{"etc is a link to the outside", func(t *testing.T, dir, outside string) {
			require.NoError(t, os.Remove(filepath.Join(dir, "etc")))
			require.NoError(t, os.Symlink(filepath.Dir(outside), filepath.Join(dir, "etc")))
			requireReads(t, filepath.Join(dir, "etc/passwd"), secret)
		}, fs.ErrNotExist, 0},
		{"link within", func(t *testing.T, dir, outside string) {
			write(t, filepath.Join(dir, "usr/lib/passwd"), "app:x:7:7::/:\n")
			require.NoError(t, os.Symlink("/usr/lib/passwd", filepath.Join(dir, "etc/passwd")))
		}, nil, 7},
		{"link to itself", func(t *testing.T, dir, outside string) {
			require.NoError(t, os.Symlink("passwd", filepath.Join(dir, "etc/passwd")))
		}, syscall.ELOOP, 0},
		{"etc is a file", func(t *testing.T, dir, outside string) {
			require.NoError(t, os.Remove(filepath.Join(dir, "etc")))
			write(t, filepath.Join(dir, "etc"), secret)
		}, fs.ErrNotExist, 0},
		{"FIFO", func(t *testing.T, dir, outside string) {
			require.NoError(t, syscall.Mkfifo(filepath.Join(dir, "etc/passwd"), 0o644))
		}, fs.ErrInvalid, 0},
		{"directory", func(t *testing.T, dir, outside string) {
			require.NoError(t, os.Mkdir(filepath.Join(dir, "etc/passwd"), 0o755))
		}, fs.ErrInvalid, 0},
		{"endless device", func(t *testing.T, dir, outside string) {
			testenv.Root(t)
			require.NoError(t, syscall.Mknod(filepath.Join(dir, "etc/passwd"), syscall.S_IFCHR|0o644, 1<<8|5))
		}, fs.ErrInvalid, 0},
		{"1 GiB of holes", func(t *testing.T, dir, outside string) {
			write(t, filepath.Join(dir, "etc/passwd"), secret)
			require.NoError(t, os.Truncate(filepath.Join(dir, "etc/passwd"), 1<<30))
		}, fs.ErrInvalid, 0},
		{"more lines than are read", func(t *testing.T, dir, outside string) {
			f, err := os.Create(filepath.Join(dir, "etc/passwd"))
			require.NoError(t, err)
			w := bufio.NewWriter(f)
			for i := range 1_000_000 {
				fmt.Fprintf(w, "u%d:x:1:1:::\n", i)
			}
			require.NoError(t, w.Flush())
			require.NoError(t, f.Close())
		}, fs.ErrInvalid, 0},
		{"as many lines as are read", func(t *testing.T, dir, outside string) {
			b := make([]byte, maxFile)
			for i := range b {
				b[i] = '\n'
			}
			copy(b[len(b)-len(secret):], secret)
			require.NoError(t, os.WriteFile(filepath.Join(dir, "etc/passwd"), b, 0o644))
		}, nil, 4242},
		{"the group file, too", func(t *testing.T, dir, outside string) {
			write(t, filepath.Join(dir, "etc/passwd"), secret)
			require.NoError(t, syscall.Mkfifo(filepath.Join(dir, "etc/group"), 0o644))
		}, fs.ErrInvalid, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			outside := filepath.Join(t.TempDir(), "passwd")
			write(t, outside, secret)
			dir, root := image(t)
			tt.make(t, dir, outside)
			begun := time.Now()
			u, err := Lookup(root, "app")
			assert.Less(t, time.Since(begun), 2*time.Second)
			if tt.err != nil {
				require.ErrorIs(t, err, tt.err, "%+v", u)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, tt.uid, u.UID)
		})
	}
}

// requireReads is the control of an attack: the naive way reads the outside.
func requireReads(t *testing.T, path, want string) {
	t.Helper()
	got, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, want, string(got))
}

// The naive way waits for a writer of the FIFO.
func TestFIFOControl(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "passwd")
	require.NoError(t, syscall.Mkfifo(path, 0o644))
	opened := make(chan error, 1)
	go func() {
		f, err := os.Open(path)
		if err == nil {
			err = f.Close()
		}
		opened <- err
	}()
	// A writer that does not wait finds nobody until the reader is in open(2).
	for {
		fd, err := syscall.Open(path, syscall.O_WRONLY|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
		if err == nil {
			require.NoError(t, syscall.Close(fd))
			break
		}
		require.ErrorIs(t, err, syscall.ENXIO)
		time.Sleep(time.Millisecond)
	}
	require.NoError(t, <-opened)
}

func BenchmarkLookup(b *testing.B) {
	dir, root := image(b)
	write(b, filepath.Join(dir, "etc/passwd"), passwdFile)
	write(b, filepath.Join(dir, "etc/group"), groupFile)
	for b.Loop() {
		_, err := Lookup(root, "app")
		require.NoError(b, err)
	}
}
