package layer

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coraclehq/coracle/internal/sys"
)

// forest makes and changes random trees.
type forest struct {
	t       testing.TB
	rnd     *rand.Rand
	devices bool
	n       int
}

func newForest(t testing.TB, seed uint64) *forest {
	return &forest{t: t, rnd: rand.New(rand.NewPCG(seed, 12)), devices: true}
}

func (f *forest) chance(percent int) bool { return f.rnd.IntN(100) < percent }

func pickOne[T any](f *forest, from ...T) T { return from[f.rnd.IntN(len(from))] }

func (f *forest) name() string {
	f.n++
	return fmt.Sprint(f.n) + pickOne(f, "", "", "", " space", "\nline", "\x1b[2J", "\xff\xfe", "é", ".wh.", "..", `"quoted\`,
		strings.Repeat("n", 240), strings.Repeat("é", 110))
}

func (f *forest) time() time.Time {
	return pickOne(f, time.Unix(0, 0), time.Unix(1_700_000_000, 0), time.Unix(1_700_000_000, 123_456_789),
		time.Unix(-5, 0), time.Unix(-5, 250_000_000), time.Unix(1<<33, 1), time.Unix(f.rnd.Int64N(1<<31), f.rnd.Int64N(1e9)))
}

func (f *forest) id() int {
	return pickOne(f, 0, 0, 1000, 65534, 1<<21-1, 1<<21, 1<<31, 1<<32-2)
}

// grow fills dir with some things, and directories of depth levels.
func (f *forest) grow(dir *sys.FD, depth int) {
	for range 1 + f.rnd.IntN(6) {
		f.make(dir, f.name(), depth)
	}
	f.dirMeta(dir)
}

func (f *forest) dirMeta(dir *sys.FD) {
	if f.chance(20) {
		f.xattr(dir, "user.dir")
	}
	require.NoError(f.t, dir.Chown(f.id(), f.id()))
	require.NoError(f.t, dir.Chmod(pickOne[uint32](f, 0o755, 0o700, 0o1777, 0o2775, 0o555, 0)))
	m := f.time()
	require.NoError(f.t, dir.Utimes(m, m))
}

func (f *forest) xattr(fd *sys.FD, name string) {
	v := make([]byte, pickOne(f, 0, 1, 100, 1000))
	for i := range v {
		v[i] = byte(f.rnd.Uint32())
	}
	require.NoError(f.t, fd.SetXattr(name, v, 0))
}

// make makes one thing; what has been there is overwritten by the caller.
func (f *forest) make(dir *sys.FD, name string, depth int) {
	require := require.New(f.t)
	switch k := f.rnd.IntN(100); {
	case k < 25 && depth > 0:
		require.NoError(dir.Mkdir(name, 0o700))
		sub, err := dir.Open(name, sys.O_RDONLY|sys.O_DIRECTORY, 0)
		require.NoError(err)
		f.grow(sub, depth-1)
		require.NoError(sub.Close())
		return
	case k < 35:
		require.NoError(dir.Symlink(pickOne(f, "x", "/etc/passwd", "../../..", strings.Repeat("l/", 500), "é\n"), name))
	case k < 40:
		require.NoError(dir.Mknod(name, sys.S_IFIFO|0o600, 0))
	case k < 45 && f.devices:
		require.NoError(dir.Mknod(name, pickOne[uint32](f, sys.S_IFCHR, sys.S_IFBLK)|0o600, sys.Mkdev(uint32(1+f.rnd.IntN(4000)), uint32(f.rnd.IntN(1<<20)))))
	case k < 55:
		// A second name for something.
		names, err := dir.Names()
		require.NoError(err)
		for _, old := range names {
			st, err := dir.StatAt(old, false)
			require.NoError(err)
			if !st.IsDir() && !isWhiteout(st) && st.Nlink < 4 {
				require.NoError(dir.Link(old, dir, name))
				return
			}
		}
		return
	default:
		f.file(dir, name)
		return
	}
	m := f.time()
	require.NoError(dir.ChownAt(name, f.id(), f.id()))
	require.NoError(dir.UtimesAt(name, m, m))
}

func (f *forest) file(dir *sys.FD, name string) {
	require := require.New(f.t)
	fd, err := dir.Open(name, sys.O_RDWR|sys.O_CREAT|sys.O_TRUNC, 0o600)
	require.NoError(err)
	for range f.rnd.IntN(3) {
		b := make([]byte, pickOne(f, 1, 511, 512, 513, 4096, 70_000, smallFile, smallFile+1))
		for i := range b {
			b[i] = byte(f.rnd.Uint32())
		}
		_, err := fd.WriteAt(b, f.rnd.Int64N(pickOne[int64](f, 1, 1000, 1<<20)))
		require.NoError(err)
	}
	if f.chance(10) {
		require.NoError(fd.Truncate(f.rnd.Int64N(3 << 20)))
	}
	require.NoError(fd.Chown(f.id(), f.id()))
	require.NoError(fd.Chmod(pickOne[uint32](f, 0o644, 0o4755, 0o2711, 0o600, 0)))
	if f.chance(20) {
		f.xattr(fd, "user.é")
	}
	if f.chance(10) {
		require.NoError(fd.SetXattr(xattrCapability, []byte(netRaw), 0))
	}
	m := f.time()
	require.NoError(fd.Utimes(m, m))
	require.NoError(fd.Close())
}

// change does to a tree what a container does: it removes, replaces and adds.
func (f *forest) change(dir *sys.FD, depth int) {
	require := require.New(f.t)
	names, err := dir.Names()
	require.NoError(err)
	for _, name := range names {
		st, err := dir.StatAt(name, false)
		require.NoError(err)
		switch {
		case f.chance(15):
			require.NoError(dir.RemoveAll(name))
		case f.chance(15):
			require.NoError(dir.RemoveAll(name))
			f.make(dir, name, depth)
		case st.IsDir() && f.chance(60):
			sub, err := dir.Open(name, sys.O_RDONLY|sys.O_DIRECTORY, 0)
			require.NoError(err)
			f.change(sub, depth-1)
			require.NoError(sub.Close())
		case st.IsRegular() && f.chance(20):
			f.file(dir, name)
		case f.chance(10):
			if err := dir.Rename(name, dir, f.name()); !errors.Is(err, sys.EXDEV) {
				require.NoError(err) // EXDEV: redirect_dir=off
			}
		}
	}
	if f.chance(50) {
		f.make(dir, f.name(), max(0, depth))
	}
	if f.chance(50) {
		f.dirMeta(dir)
	}
}
