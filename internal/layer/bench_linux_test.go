package layer

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coraclehq/coracle/internal/sys"
	"github.com/coraclehq/coracle/internal/testenv"
)

// BenchmarkUnpack unpacks the file that CORACLE_BENCH_LAYER names into new
// directories below CORACLE_BENCH_DIR, which are kept: ext4 is slow for a while
// after a large removal.
func BenchmarkUnpack(b *testing.B) {
	testenv.Root(b)
	path := os.Getenv("CORACLE_BENCH_LAYER")
	if path == "" {
		b.Skip("CORACLE_BENCH_LAYER names no layer")
	}
	root, err := os.MkdirTemp(os.Getenv("CORACLE_BENCH_DIR"), "layer")
	require.NoError(b, err)
	for i := 0; b.Loop(); i++ {
		f, err := os.Open(path)
		require.NoError(b, err)
		r, _, err := Decompress(f, Limits{})
		require.NoError(b, err)
		into := filepath.Join(root, strconv.Itoa(i))
		require.NoError(b, os.Mkdir(into, 0o700))
		dir := openDir(b, into)
		res, err := Unpack(context.Background(), r, dir, Options{})
		require.NoError(b, err)
		require.NoError(b, r.Close())
		require.NoError(b, f.Close())
		b.SetBytes(res.Bytes)
		b.ReportMetric(float64(res.Entries), "entries")
	}
}

// BenchmarkPack packs the directory that CORACLE_BENCH_TREE names.
func BenchmarkPack(b *testing.B) {
	testenv.Root(b)
	path := os.Getenv("CORACLE_BENCH_TREE")
	if path == "" {
		b.Skip("CORACLE_BENCH_TREE names no directory")
	}
	dir, err := sys.Open(path, sys.O_RDONLY|sys.O_DIRECTORY, 0)
	require.NoError(b, err)
	defer dir.Close()
	for b.Loop() {
		var n counted
		_, err := Pack(context.Background(), &n, dir, PackOptions{})
		require.NoError(b, err)
		b.SetBytes(int64(n))
	}
}

type counted int64

func (c *counted) Write(p []byte) (int, error) {
	*c += counted(len(p))
	return len(p), nil
}
