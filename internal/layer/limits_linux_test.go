package layer

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coraclehq/coracle/internal/sys"
	"github.com/coraclehq/coracle/internal/testenv"
)

func TestLimits(t *testing.T) {
	testenv.Root(t)
	t.Parallel()
	a := func() *archive { return newArchive(t) }
	for _, tt := range []struct {
		name string
		in   []byte
		l    Limits
		want LimitError
	}{
		{"bytes", a().file("f", strings.Repeat("x", 5000)).end(), Limits{Bytes: 4096}, LimitError{"Bytes", 4096}},
		{"bytes behind the end", append(a().end(), make([]byte, 9000)...), Limits{Bytes: 8192}, LimitError{"Bytes", 8192}},
		{"size", a().file("f", "12345").file("g", "12345").end(), Limits{Size: 9}, LimitError{"Size", 9}},
		{"entries", a().file("f", "").file("g", "").end(), Limits{Entries: 1}, LimitError{"Entries", 1}},
		{"entries that are implied", a().file("a/b/c", "").end(), Limits{Entries: 2}, LimitError{"Entries", 2}},
		{"entries that are replaced", a().file("f", "").file("f", "").end(), Limits{Entries: 1}, LimitError{"Entries", 1}},
		{"depth", a().file("a/b/c", "").end(), Limits{Depth: 1}, LimitError{"Depth", 1}},
		{"depth through links", a().dir("a").dir("a/b").symlink("s", "a/b").file("s/c/d", "").end(), Limits{Depth: 2}, LimitError{"Depth", 2}},
		{"xattrs", a().add(tar.Header{Name: "f", PAXRecords: xattrs("user.a", "0123456789")}, "").end(), Limits{Xattrs: 15}, LimitError{"Xattrs", 15}},
		{"memory", a().dir("a").dir("b").dir("c").end(), Limits{Memory: 2*nodeCost + 10}, LimitError{"Memory", 2*nodeCost + 10}},
		{"the disk", a().file("f", strings.Repeat("x", 5000)).end(), Limits{Reserve: 1 << 60}, LimitError{"Reserve", 0}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := Unpack(context.Background(), bytes.NewReader(tt.in), newDir(t), Options{Limits: tt.l})
			require.Equal(t, &tt.want, find[*LimitError](t, err))
			require.Equal(t, tt.want.Limit == "Reserve", errors.Is(err, syscall.ENOSPC))
			require.ErrorContains(t, err, "unpack: ")

			_, err = Unpack(context.Background(), bytes.NewReader(tt.in), newDir(t), Options{})
			require.NoError(t, err)
		})
	}
}

// TestMemoryIsGivenBack: a directory that is replaced again and again is
// remembered once.
func TestMemoryIsGivenBack(t *testing.T) {
	testenv.Root(t)
	t.Parallel()
	a := newArchive(t)
	for range 100 {
		a.dir("a").dir("a/b").file("a", "")
	}
	_, err := Unpack(context.Background(), bytes.NewReader(a.end()), newDir(t), Options{Limits: Limits{Memory: 3 * nodeCost}})
	require.NoError(t, err)
}

func TestNoLimits(t *testing.T) {
	t.Parallel()
	l := Limits{Bytes: -1, Size: -1, Entries: -1, Depth: -1, Xattrs: -1, Memory: -1, Ratio: -1, Window: -1, Reserve: -1}.filled()
	require.Equal(t, Limits{noLimit, noLimit, noLimit, noLimit, noLimit, noLimit, noLimit, noLimit, -1}, l)
}

// TestFullDisk: the error is ENOSPC, whichever call meets it.
func TestFullDisk(t *testing.T) {
	testenv.Root(t)
	t.Parallel()
	a := newArchive(t)
	for i := range 20 {
		a.dir(fmt.Sprintf("d%d", i)).file(fmt.Sprintf("d%d/f", i), string(noise(150_000))).file(fmt.Sprintf("d%d/g", i), string(noise(5000)))
	}
	b := a.end()
	failed := 0
	for kib := int64(64); ; kib += 256 {
		dir := openDir(t, testenv.Tmpfs(t, kib<<10, 1000))
		_, err := Unpack(context.Background(), bytes.NewReader(b), dir, Options{Limits: Limits{Reserve: -1}})
		if err == nil {
			break
		}
		failed++
		require.ErrorIs(t, err, syscall.ENOSPC)
	}
	require.Greater(t, failed, 5)
	dir := openDir(t, testenv.Tmpfs(t, 64<<20, 30)) // inodes
	_, err := Unpack(context.Background(), bytes.NewReader(b), dir, Options{})
	require.ErrorIs(t, err, syscall.ENOSPC)
}

func TestUnpackStops(t *testing.T) {
	testenv.Root(t)
	t.Parallel()
	a := newArchive(t)
	for i := range 50 {
		a.file(fmt.Sprint(i), string(noise(9000)))
	}
	b := a.file("large", string(noise(3<<20))).end()
	broken := errors.New("connection reset")
	for n := 0; n < len(b); n += len(b)/17 + 1 {
		_, err := Unpack(context.Background(), io.MultiReader(bytes.NewReader(b[:n]), iotest.ErrReader(broken)), newDir(t), Options{})
		require.ErrorIs(t, err, broken)
		ctx, cancel := context.WithCancelCause(context.Background())
		_, err = Unpack(ctx, io.MultiReader(bytes.NewReader(b[:n]), call(func() { cancel(broken) }), bytes.NewReader(b[n:])), newDir(t), Options{})
		require.ErrorIs(t, err, context.Canceled)
		_, err = Unpack(context.Background(), bytes.NewReader(b[:n]), newDir(t), Options{})
		require.Error(t, err)
	}
}

// call is an empty reader that calls itself when it is read.
type call func()

func (c call) Read([]byte) (int, error) {
	c()
	return 0, io.EOF
}

func TestUnpackWantsAnEmptyDirectory(t *testing.T) {
	testenv.Root(t)
	t.Parallel()
	dir := newDir(t)
	require.NoError(t, dir.Mkdir("x", 0o700))
	_, err := Unpack(context.Background(), bytes.NewReader(newArchive(t).end()), dir, Options{})
	require.ErrorIs(t, err, syscall.ENOTEMPTY)
}

// TestUmask does not run in parallel: the umask is the process's.
func TestUmask(t *testing.T) {
	testenv.Root(t)
	b := newArchive(t).dir("d").file("d/f", "x").fifo("p").add(tar.Header{Name: "s", Mode: 0o6777}, "").file("implied/x", "").end()
	var want []string
	for _, mask := range []int{0, 0o022, 0o777} {
		dir := newDir(t)
		old := syscall.Umask(mask)
		unpack(t, b, dir, Options{})
		syscall.Umask(old)
		got := describeTree(t, dir, true)
		if want == nil {
			want = got
		}
		require.Equal(t, want, got)
	}
}

// TestManyEntries holds that bookkeeping does not grow faster than the archive.
func TestManyEntries(t *testing.T) {
	testenv.Root(t)
	t.Parallel()
	n := testenv.Scale(t, 200_000)
	a := newArchive(t)
	for i := range n {
		a.head(fmt.Sprintf("%d/%d/%d", i%10, i%100, i), typeReg, "")
	}
	start := time.Now()
	res := unpack(t, a.end(), newDir(t), Options{})
	require.Equal(t, int64(n), res.Entries)
	t.Logf("%d entries in %s", n, time.Since(start))
}

// TestDescriptors: a layer of many directories does not take many descriptors.
func TestDescriptors(t *testing.T) {
	testenv.Root(t)
	t.Parallel()
	a := newArchive(t)
	for range 3 {
		for i := range 300 {
			a.file(fmt.Sprintf("%d/a/b/c/f", i), "x")
		}
	}
	dir := newDir(t)
	u, err := newUnpacker(context.Background(), bytes.NewReader(a.end()), dir, Options{})
	require.NoError(t, err)
	u.files.start()
	require.NoError(t, u.run())
	require.NoError(t, u.files.wait())
	require.LessOrEqual(t, u.tree.open.Len(), maxOpen)
	require.NoError(t, u.complete())
	u.tree.close()
	require.Zero(t, u.tree.open.Len())
	fd, err := dir.Open("299/a/b/c/f", sys.O_RDONLY, 0)
	if err == nil {
		err = fd.Close()
	}
	require.NoError(t, err)
}
