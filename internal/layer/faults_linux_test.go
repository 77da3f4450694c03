//go:build faults

package layer

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coraclehq/coracle/internal/sys"
	"github.com/coraclehq/coracle/internal/testenv"
)

// faultLayer has every kind of entry, files that a worker writes and one that is
// streamed, parents that are not listed, whiteouts and a link to the lower layer.
func faultLayer(t testing.TB) []byte {
	return newArchive(t).dir("d").file("d/f", "small").file("d/large", string(noise(200_000))).
		add(tar.Header{Name: "d/x", PAXRecords: xattrs("user.a", "b")}, "x").symlink("s", "d").link("h", "d/f").fifo("p").
		file("s/through", "").file("usr/lib/new", "implied").file("d/f", "again").
		file("etc/.wh.passwd", "").dir("bin").file("bin/.wh..wh..opq", "").link("low", "usr/lib/libc").end()
}

// TestUnpackFaults makes each system call fail once. Each time there is an error,
// no descriptor stays open, and the canary is as it was.
func TestUnpackFaults(t *testing.T) {
	testenv.Root(t)
	lower := newDir(t)
	unpack(t, ordinaryLayer(t), lower, Options{})
	b := faultLayer(t)
	for _, deferred := range []bool{false, true} {
		for _, errno := range []syscall.Errno{sys.EIO, sys.ENOSPC} {
			want := ""
			testenv.FailNth(t, func(n int) bool {
				into := t.TempDir()
				dir, err := sys.Open(into, sys.O_PATH|sys.O_DIRECTORY, 0)
				require.NoError(t, err)
				before := descriptors(t)
				var uerr error
				reached := testenv.Fault(t, n, errno, func() { uerr = twoSteps(b, dir, lower, deferred) })
				require.Equal(t, before, descriptors(t))
				got := ""
				for _, l := range describeTree(t, dir, true) {
					got += l + "\n"
				}
				if uerr == nil && want == "" {
					want = got
				}
				if reached && uerr == nil && got != want {
					// An attribute that the file system cannot hold is recorded.
					require.Equal(t, sys.ENOSPC, errno)
				}
				if reached && uerr != nil {
					require.ErrorIs(t, uerr, errno)
				}
				require.NoError(t, dir.Close())
				require.NoError(t, os.RemoveAll(into))
				return reached
			})
			require.NotEmpty(t, want)
		}
	}
}

func twoSteps(b []byte, dir, lower *sys.FD, deferred bool) error {
	o := Options{Base: lower}
	if deferred {
		o = Options{Defer: true}
	}
	res, err := Unpack(context.Background(), bytes.NewReader(b), dir, o)
	if err == nil && deferred {
		err = Settle(context.Background(), dir, lower, &res)
	}
	return err
}

// TestPackFaults: an error each time, never a layer that lacks something.
func TestPackFaults(t *testing.T) {
	testenv.Root(t)
	dir := newDir(t)
	unpack(t, faultLayer(t), dir, Options{Base: lowerLayer(t)})
	want := pack(t, dir, PackOptions{})
	testenv.FailNth(t, func(n int) bool {
		before := descriptors(t)
		var b bytes.Buffer
		var err error
		reached := testenv.Fault(t, n, sys.EIO, func() {
			_, err = Pack(context.Background(), &b, dir, PackOptions{})
		})
		require.Equal(t, before, descriptors(t))
		if err == nil {
			require.Equal(t, want, b.Bytes())
		}
		if reached && err == nil {
			t.Log("a failed close of a file that was read does no harm")
		}
		require.True(t, !reached || err == nil || errors.Is(err, syscall.EIO), "%v", err)
		return reached
	})
}

func lowerLayer(t testing.TB) *sys.FD {
	dir := newDir(t)
	unpack(t, ordinaryLayer(t), dir, Options{})
	return dir
}

func descriptors(t testing.TB) int {
	names, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	return len(names)
}
