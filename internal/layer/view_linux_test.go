package layer

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coraclehq/coracle/internal/sys"
)

// openDir opens a directory for the length of the test.
func openDir(t testing.TB, path string) *sys.FD {
	t.Helper()
	fd, err := sys.Open(path, sys.O_PATH|sys.O_DIRECTORY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, fd.Close()) })
	return fd
}

// newDir makes an empty directory and opens it.
func newDir(t testing.TB) *sys.FD {
	t.Helper()
	return openDir(t, t.TempDir())
}

// view mounts layers, the top first, where nobody else sees it. As below an
// image, one layer alone is its directory.
func view(t testing.TB, layers ...*sys.FD) *sys.FD {
	t.Helper()
	if len(layers) == 1 {
		return layers[0]
	}
	fd, err := mountView(layers...)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, fd.Close()) })
	return fd
}

func mountView(layers ...*sys.FD) (*sys.FD, error) {
	fs, err := sys.FsOpen("overlay")
	if err != nil {
		return nil, err
	}
	defer fs.Close()
	for _, l := range layers {
		if err := fs.FsSet("lowerdir+", l.Name()); err != nil {
			return nil, err
		}
	}
	if err := fs.FsCreate(); err != nil {
		return nil, fmt.Errorf("%w: %q", err, fs.FsMessages())
	}
	return fs.FsMount(sys.MOUNT_ATTR_RDONLY)
}

// lister describes each object of a tree in a line.
type lister struct {
	meta  bool // owner, mode, time and attributes too
	lines []string
	inos  map[inode]string
	// blocks is what the tree takes on the disk, of 512 bytes.
	blocks int64
}

// describeTree describes a tree in lines "type name what".
func describeTree(t testing.TB, dir *sys.FD, meta bool) []string {
	l := &lister{meta: meta, inos: map[inode]string{}}
	st, err := dir.Stat()
	require.NoError(t, err)
	if meta {
		l.add(t, ".", dir, ".", st)
	}
	l.walk(t, ".", dir)
	return l.lines
}

func (l *lister) walk(t testing.TB, name string, dir *sys.FD) {
	names, err := dir.Names()
	require.NoError(t, err)
	for _, base := range names {
		st, err := dir.StatAt(base, false)
		if err != nil {
			l.lines = append(l.lines, fmt.Sprintf("? %q %v", join(name, base), err))
			continue
		}
		l.add(t, join(name, base), dir, base, st)
		if st.IsDir() {
			sub, err := dir.Open(base, sys.O_RDONLY|sys.O_DIRECTORY, 0)
			require.NoError(t, err)
			l.walk(t, join(name, base), sub)
			require.NoError(t, sub.Close())
		}
	}
}

func (l *lister) add(t testing.TB, name string, dir *sys.FD, base string, st sys.Stat) {
	l.blocks += st.Blocks
	if isWhiteout(st) {
		l.lines = append(l.lines, "w "+printable(name))
		return
	}
	kind := map[uint32]string{sys.S_IFREG: "-", sys.S_IFDIR: "d", sys.S_IFLNK: "l", sys.S_IFIFO: "p", sys.S_IFCHR: "c", sys.S_IFBLK: "b"}[st.Type()]
	s := fmt.Sprintf("%s %s", kind, printable(name))
	if !st.IsDir() && st.Nlink > 1 && !isWhiteout(st) {
		if first, ok := l.inos[inode{st.Dev, st.Ino}]; ok {
			l.lines = append(l.lines, s+" = "+printable(first))
			return
		}
		l.inos[inode{st.Dev, st.Ino}] = name
	}
	switch st.Type() {
	case sys.S_IFREG:
		s += " " + contents(t, dir, base, st)
	case sys.S_IFLNK:
		target, err := dir.Readlink(base)
		require.NoError(t, err)
		s += " -> " + printable(target)
	case sys.S_IFCHR, sys.S_IFBLK:
		s += fmt.Sprintf(" %d:%d", sys.Major(st.Rdev), sys.Minor(st.Rdev))
	}
	if l.meta {
		s += fmt.Sprintf(" %o %d:%d %d.%09d", st.Perm(), st.UID, st.GID, st.Mtim.Unix(), st.Mtim.Nanosecond())
	}
	l.lines = append(l.lines, s+xattrsOf(t, dir, base, st))
}

func printable(s string) string {
	if q := fmt.Sprintf("%q", s); q != `"`+s+`"` {
		return q
	}
	return s
}

// contents quotes a short file and sums up a long one.
func contents(t testing.TB, dir *sys.FD, base string, st sys.Stat) string {
	if st.Size > 64<<20 {
		return fmt.Sprintf("(%d bytes)", st.Size)
	}
	b, err := dir.ReadFile(base, 64<<20)
	require.NoError(t, err)
	if len(b) > 40 {
		return fmt.Sprintf("(%d bytes, %x)", len(b), sum(b))
	}
	return fmt.Sprintf("%q", b)
}

func sum(b []byte) (h uint64) {
	h = 14695981039346656037
	for _, c := range b {
		h = (h ^ uint64(c)) * 1099511628211
	}
	return h
}

func xattrsOf(t testing.TB, dir *sys.FD, base string, st sys.Stat) (s string) {
	if st.IsSymlink() {
		return ""
	}
	names, err := dir.XattrsAt(base)
	require.NoError(t, err)
	slices.Sort(names)
	for _, n := range names {
		if strings.HasPrefix(n, "security.selinux") {
			continue
		}
		v, err := dir.XattrAt(base, n)
		require.NoError(t, err)
		s += fmt.Sprintf(" %s=%q", n, v)
	}
	return s
}

// diskUse is what a tree takes on the disk, in bytes.
func diskUse(t testing.TB, dirs ...*sys.FD) int64 {
	l := &lister{inos: map[inode]string{}}
	for _, d := range dirs {
		l.walk(t, ".", d)
	}
	return l.blocks * 512
}

// canary is a directory that nothing may touch, and what it looked like.
type canary struct {
	t      testing.TB
	dir    string
	before []string
}

func newCanary(t testing.TB, dir string) *canary {
	require.NoError(t, os.MkdirAll(dir, 0o750))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "victim"), []byte("alive"), 0o640))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "sub"), 0o710))
	c := &canary{t: t, dir: dir}
	c.before = c.look()
	return c
}

func (c *canary) look() []string {
	fd, err := sys.Open(c.dir, sys.O_PATH|sys.O_DIRECTORY, 0)
	if err != nil {
		return []string{err.Error()}
	}
	defer fd.Close()
	lines := describeTree(c.t, fd, true)
	st, err := fd.StatAt("victim", false)
	if err == nil {
		lines = append(lines, fmt.Sprintf("links %d", st.Nlink))
	}
	return lines
}

func (c *canary) touched() bool { return !slices.Equal(c.before, c.look()) }
