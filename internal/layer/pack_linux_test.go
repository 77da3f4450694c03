package layer

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coraclehq/coracle/internal/sys"
	"github.com/coraclehq/coracle/internal/testenv"
)

func pack(t testing.TB, dir *sys.FD, o PackOptions) []byte {
	t.Helper()
	var b bytes.Buffer
	_, err := Pack(context.Background(), &b, dir, o)
	require.NoError(t, err)
	return b.Bytes()
}

func unpack(t testing.TB, b []byte, dir *sys.FD, o Options) Result {
	t.Helper()
	res, err := Unpack(context.Background(), bytes.NewReader(b), dir, o)
	require.NoError(t, err)
	return res
}

// TestRoundTrip: unpack(pack(t)) == t, and packing gives the same bytes each time.
func TestRoundTrip(t *testing.T) {
	testenv.Root(t)
	t.Parallel()
	for seed := range testenv.Scale(t, 500) {
		t.Run(strconv.Itoa(seed), func(t *testing.T) {
			t.Parallel()
			f := newForest(t, uint64(seed))
			a, b := newDir(t), newDir(t)
			f.grow(a, 4)
			packed := pack(t, a, PackOptions{})
			res := unpack(t, packed, b, Options{Devices: true})
			require.Zero(t, res.SkippedCount, "%v", res.Skipped)
			require.False(t, res.Depends)
			require.Equal(t, describeTree(t, a, true), describeTree(t, b, true))
			require.Equal(t, packed, pack(t, b, PackOptions{}))
			compareWithStandard(t, packed)

			// The form with holes says the same in other bytes.
			c := newDir(t)
			sparse := pack(t, a, PackOptions{Sparse: true})
			compareWithStandard(t, sparse)
			unpack(t, sparse, c, Options{Devices: true})
			require.Equal(t, describeTree(t, a, true), describeTree(t, c, true))
		})
	}
}

// TestDifferenceRoundTrip: what a container changed, packed and unpacked on the
// same lower layer, is what the container saw.
func TestDifferenceRoundTrip(t *testing.T) {
	testenv.Root(t)
	t.Parallel()
	for seed := range testenv.Scale(t, 500) {
		t.Run(strconv.Itoa(seed), func(t *testing.T) {
			t.Parallel()
			f := newForest(t, uint64(seed))
			lower, upper, work := newDir(t), newDir(t), newDir(t)
			f.grow(lower, 3)
			f.change(writable(t, lower, upper, work), 2)
			// What was seen, without the caches that a mount has.
			want := describeTree(t, view(t, upper, lower), true)

			packed := pack(t, upper, PackOptions{})
			for name, o := range map[string]Options{
				"base":  {Base: lower, Devices: true},
				"defer": {Defer: true, Devices: true},
			} {
				got := newDir(t)
				res := unpack(t, packed, got, o)
				if res.Deferred() {
					require.NoError(t, Settle(context.Background(), got, lower, &res))
				}
				require.False(t, res.Deferred())
				require.Equal(t, want, describeTree(t, view(t, got, lower), true), name)
			}
		})
	}
}

// writable mounts an overlay on which the test acts.
func writable(t testing.TB, lower, upper, work *sys.FD) *sys.FD {
	fs, err := sys.FsOpen("overlay")
	require.NoError(t, err)
	defer fs.Close()
	for _, o := range [][2]string{{"lowerdir+", lower.Name()}, {"upperdir", upper.Name()}, {"workdir", work.Name()},
		{"metacopy", "off"}, {"redirect_dir", "off"}, {"index", "off"}} {
		require.NoError(t, fs.FsSet(o[0], o[1]))
	}
	require.NoError(t, fs.FsCreate(), "%v", fs.FsMessages())
	fd, err := fs.FsMount(0)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, fd.Close()) })
	return fd
}

func TestPackForm(t *testing.T) {
	testenv.Root(t)
	t.Parallel()
	dir := newDir(t)
	p := dir.Name()
	require.NoError(t, os.Mkdir(filepath.Join(p, "d"), 0o755))
	require.NoError(t, dir.SetXattr("user.kept", []byte("1"), 0))
	d := openDir(t, filepath.Join(p, "d"))
	require.NoError(t, d.SetXattr(opaqueXattr, []byte("y"), 0))
	require.NoError(t, d.SetXattr("trusted.other", []byte("y"), 0))
	require.NoError(t, d.Mknod("gone", sys.S_IFCHR, 0))
	require.NoError(t, os.WriteFile(filepath.Join(p, "d/b"), []byte("b"), 0o600))
	require.NoError(t, os.Link(filepath.Join(p, "d/b"), filepath.Join(p, "a")))
	require.NoError(t, d.Mknod("sock", sys.S_IFSOCK|0o600, 0))
	for _, fd := range []*sys.FD{d, dir} {
		require.NoError(t, fd.Utimes(testTime, testTime))
	}

	var b bytes.Buffer
	res, err := Pack(context.Background(), &b, dir, PackOptions{})
	require.NoError(t, err)
	require.Equal(t, []Skipped{{"d", `the attribute "trusted.other"`}, {"d/sock", "a socket"}}, res.Skipped)
	require.Equal(t, int64(6), res.Entries)
	var got []string
	r := tar.NewReader(&b)
	for h, err := r.Next(); err == nil; h, err = r.Next() {
		got = append(got, fmt.Sprintf("%c %s %s %o %v", h.Typeflag, h.Name, h.Linkname, h.Mode, h.PAXRecords[paxXattr+"user.kept"]))
	}
	require.Equal(t, []string{
		"5 ./  755 1", // the directory of the test
		"0 a  600 ",
		"5 d/  755 ",
		"0 d/.wh..wh..opq  644 ",
		"1 d/b a 600 ",
		"0 d/.wh.gone  644 ",
	}, got)
}

func TestPackRefuses(t *testing.T) {
	testenv.Root(t)
	t.Parallel()
	for _, tt := range []struct {
		name string
		make func(dir *sys.FD) error
		want string
	}{
		{"reserved name", func(d *sys.FD) error { return d.Mkdir(".wh.x", 0o700) }, `".wh.x": the name is reserved`},
		{"redirect", func(d *sys.FD) error { return d.SetXattr(overlayXattr+"redirect", []byte("/x"), 0) }, "overlayfs' redirect"},
		{"metacopy", func(d *sys.FD) error { return d.SetXattr(overlayXattr+"metacopy", nil, 0) }, "overlayfs' metacopy"},
		{"too deep", func(d *sys.FD) error { return deep(d, 257, "a") }, "limit Depth of 256"},
		{"too long", func(d *sys.FD) error { return deep(d, 17, strings.Repeat("a", 250)) }, "longer than 4095 bytes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := newDir(t)
			require.NoError(t, tt.make(dir))
			_, err := Pack(context.Background(), io.Discard, dir, PackOptions{})
			require.ErrorContains(t, err, tt.want)
		})
	}
}

// deep makes n directories in each other.
func deep(d *sys.FD, n int, name string) error {
	top := d
	for range n {
		if err := d.Mkdir(name, 0o700); err != nil {
			return err
		}
		next, err := d.Open(name, sys.O_PATH, 0)
		if err != nil {
			return err
		}
		if d != top {
			if err := d.Close(); err != nil {
				return err
			}
		}
		d = next
	}
	return d.Close()
}

func TestPackStops(t *testing.T) {
	testenv.Root(t)
	t.Parallel()
	dir := newDir(t)
	newForest(t, 1).grow(dir, 3)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := Pack(ctx, io.Discard, dir, PackOptions{})
	require.ErrorIs(t, err, context.Canceled)

	whole := pack(t, dir, PackOptions{})
	for n := 0; n < len(whole); n += len(whole)/20 + 1 {
		_, err := Pack(context.Background(), &short{n}, dir, PackOptions{})
		require.ErrorIs(t, err, io.ErrShortWrite)
	}
}

// short accepts n bytes.
type short struct{ n int }

func (s *short) Write(p []byte) (int, error) {
	n := min(s.n, len(p))
	s.n -= n
	if n < len(p) {
		return n, io.ErrShortWrite
	}
	return n, nil
}

// TestPackHoles: a file of 64 GiB with a byte in it packs small with Sparse, and
// is small again.
func TestPackHoles(t *testing.T) {
	testenv.Root(t)
	t.Parallel()
	dir := newDir(t)
	f, err := os.Create(filepath.Join(dir.Name(), "huge"))
	require.NoError(t, err)
	_, err = f.WriteAt([]byte("x"), 40<<30)
	require.NoError(t, err)
	require.NoError(t, f.Truncate(64<<30))
	require.NoError(t, f.Close())
	b := pack(t, dir, PackOptions{Sparse: true})
	require.Less(t, len(b), 1<<20)
	to := newDir(t)
	res := unpack(t, b, to, Options{})
	require.Equal(t, int64(64<<30), res.Size)
	require.Less(t, diskUse(t, to), int64(1<<20))
	fd, err := to.Open("huge", sys.O_RDONLY, 0)
	require.NoError(t, err)
	defer fd.Close()
	var one [1]byte
	_, err = fd.ReadAt(one[:], 40<<30)
	require.NoError(t, err)
	require.Equal(t, "x", string(one[:]))
}
