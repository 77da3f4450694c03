package layer

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"
)

// squeeze compresses b.
func squeeze(t testing.TB, b []byte, c Compression) []byte {
	t.Helper()
	var z bytes.Buffer
	w, err := Compress(&z, c)
	require.NoError(t, err)
	_, err = w.Write(b)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return z.Bytes()
}

func decompress(b io.Reader, l Limits) ([]byte, Compression, error) {
	r, c, err := Decompress(b, l)
	if err != nil {
		return nil, c, err
	}
	out, err := io.ReadAll(r)
	return out, c, errors.Join(err, r.Close())
}

// noise does not compress.
func noise(n int) []byte {
	rnd := rand.New(rand.NewPCG(3, 4))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rnd.Uint32())
	}
	return b
}

func TestDecompress(t *testing.T) {
	t.Parallel()
	for _, c := range []Compression{Uncompressed, Gzip, Zstd} {
		for _, n := range []int{0, 1, 511, 1 << 20, 5<<20 + 3} {
			in := noise(n)
			z := squeeze(t, in, c)
			got, gotC, err := decompress(bytes.NewReader(z), Limits{})
			require.NoError(t, err)
			require.Equal(t, c, gotC)
			require.True(t, bytes.Equal(in, got))
			got, _, err = decompress(iotest.HalfReader(bytes.NewReader(z)), Limits{})
			require.NoError(t, err)
			require.True(t, bytes.Equal(in, got))
			require.Equal(t, z, squeeze(t, in, c), "the same bytes each time")
		}
	}
	require.Equal(t, []string{"", "gzip", "zstd"}, []string{Uncompressed.String(), Gzip.String(), Zstd.String()})
}

// TestCompressOnAnyMachine: the number of processors does not show in a digest.
func TestCompressOnAnyMachine(t *testing.T) {
	in := append(noise(3<<20), bytes.Repeat([]byte("compressible "), 400_000)...)
	for _, c := range []Compression{Gzip, Zstd} {
		want := squeeze(t, in, c)
		for _, n := range []int{1, 2, 8} {
			old := runtime.GOMAXPROCS(n)
			got := squeeze(t, in, c)
			runtime.GOMAXPROCS(old)
			require.True(t, bytes.Equal(want, got), "%s with %d processors", c, n)
		}
	}
}

func TestDecompressSeveralMembers(t *testing.T) {
	t.Parallel()
	skippable := []byte("\x50\x2a\x4d\x18\x03\x00\x00\x00abc")
	for name, in := range map[string][]byte{
		"gzip": append(squeeze(t, []byte("one"), Gzip), squeeze(t, []byte("two"), Gzip)...),
		"zstd": append(squeeze(t, []byte("one"), Zstd), squeeze(t, []byte("two"), Zstd)...),
		"zstd with skippable frames": bytes.Join([][]byte{skippable, squeeze(t, []byte("one"), Zstd), skippable,
			squeeze(t, []byte("two"), Zstd), skippable}, nil),
	} {
		got, _, err := decompress(bytes.NewReader(in), Limits{})
		require.NoError(t, err, name)
		require.Equal(t, "onetwo", string(got), name)
	}
}

func TestDecompressRefuses(t *testing.T) {
	t.Parallel()
	in := noise(300_000)
	for _, c := range []Compression{Gzip, Zstd} {
		z := squeeze(t, in, c)
		for name, b := range map[string][]byte{
			"garbage behind":       append(bytes.Clone(z), "garbage behind"...),
			"a zero behind":        append(bytes.Clone(z), 0),
			"cut":                  z[:len(z)-1],
			"cut in the middle":    z[:len(z)/2],
			"only the magic":       z[:4],
			"a byte changed":       flip(z, len(z)/2),
			"the checksum changed": flip(z, len(z)-2),
		} {
			_, _, err := decompress(bytes.NewReader(b), Limits{})
			var f *FormatError
			require.ErrorAs(t, err, &f, "%s, %s", c, name)
		}
	}
	for _, b := range []string{"\xfd7zXZ\x00...", "BZh91AY", "PK\x03\x04....", "LZIP.....", "\x04\x22\x4d\x18..."} {
		_, _, err := decompress(strings.NewReader(b), Limits{})
		require.ErrorContains(t, err, "compressed by", "%q", b)
	}
}

func flip(b []byte, at int) []byte {
	b = bytes.Clone(b)
	b[at] ^= 1
	return b
}

func TestDecompressLimits(t *testing.T) {
	t.Parallel()
	zeros := make([]byte, 80<<20)
	for _, c := range []Compression{Gzip, Zstd} {
		z := squeeze(t, zeros, c)
		_, _, err := decompress(bytes.NewReader(z), Limits{})
		require.Equal(t, &LimitError{"Ratio", 200}, find[*LimitError](t, err))
		got, _, err := decompress(bytes.NewReader(z), Limits{Ratio: -1})
		require.NoError(t, err)
		require.Len(t, got, len(zeros))
	}
	var wide bytes.Buffer
	w, err := zstd.NewWriter(&wide, zstd.WithWindowSize(64<<20))
	require.NoError(t, err)
	for range 3 {
		_, err = w.Write(noise(1 << 20))
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	_, _, err = decompress(bytes.NewReader(wide.Bytes()), Limits{})
	require.Equal(t, &LimitError{"Window", 32 << 20}, find[*LimitError](t, err))
	_, _, err = decompress(bytes.NewReader(wide.Bytes()), Limits{Window: 64 << 20})
	require.NoError(t, err)
}

func find[E error](t testing.TB, err error) (e E) {
	t.Helper()
	require.ErrorAs(t, err, &e)
	return e
}

// TestDecompressPassesErrorsOn: a connection that breaks is not a damaged layer.
func TestDecompressPassesErrorsOn(t *testing.T) {
	t.Parallel()
	broken := errors.New("connection reset")
	for _, c := range []Compression{Uncompressed, Gzip, Zstd} {
		z := squeeze(t, noise(1<<20), c)
		for _, n := range []int{0, 3, 20, 1000, len(z) / 2, len(z) - 1} {
			_, _, err := decompress(io.MultiReader(bytes.NewReader(z[:n]), iotest.ErrReader(broken)), Limits{})
			require.ErrorIs(t, err, broken, "%s, %d", c, n)
			var f *FormatError
			require.False(t, errors.As(err, &f))
		}
	}
}

func TestDecompressClosedEarly(t *testing.T) {
	t.Parallel()
	for _, c := range []Compression{Gzip, Zstd} {
		z := squeeze(t, noise(8<<20), c)
		for _, n := range []int{0, 1, 1 << 20} {
			r, _, err := Decompress(bytes.NewReader(z), Limits{})
			require.NoError(t, err)
			_, err = io.CopyN(io.Discard, r, int64(n))
			require.NoError(t, err)
			require.NoError(t, r.Close())
			require.NoError(t, r.Close())
		}
	}
}

// TestGzipPeers holds that the output is what others read.
func TestGzipPeers(t *testing.T) {
	t.Parallel()
	in := noise(100_000)
	r, err := gzip.NewReader(bytes.NewReader(squeeze(t, in, Gzip)))
	require.NoError(t, err)
	out, err := io.ReadAll(r)
	require.NoError(t, err)
	require.Equal(t, in, out)
}

func FuzzDecompress(f *testing.F) {
	for _, c := range []Compression{Uncompressed, Gzip, Zstd} {
		f.Add(squeeze(f, []byte("hello hello hello"), c))
		f.Add(squeeze(f, noise(2000), c))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, _, err := Decompress(bytes.NewReader(b), Limits{Window: 1 << 20})
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, io.LimitReader(r, 4<<20))
		require.NoError(t, r.Close())
	})
}
