package store

import (
	"crypto/rand"
	"io"
	"os"
	"strings"
	"testing"

	digest "github.com/opencontainers/go-digest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestBlob(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	want := digest.FromString("hello, world")
	w, err := s.NewBlob()
	require.NoError(t, err)
	io.WriteString(w, "hello, ")
	io.WriteString(w, "world")
	assert.EqualValues(t, 12, w.Size())
	_, ok, err := s.HasBlob(want)
	require.NoError(t, err)
	require.False(t, ok, "not visible before it is whole")
	d, size, err := w.Commit(want, 12)
	require.NoError(t, err)
	assert.Equal(t, want, d)
	assert.EqualValues(t, 12, size)
	_, _, err = w.Commit(want, 12)
	assert.ErrorIs(t, err, os.ErrClosed)
	assert.ErrorIs(t, w.Abort(), os.ErrClosed)
	_, err = w.Write(nil)
	assert.ErrorIs(t, err, os.ErrClosed)

	f, err := s.OpenBlob(d)
	require.NoError(t, err)
	text, err := io.ReadAll(f)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	assert.Equal(t, "hello, world", string(text))
	size, ok, err = s.HasBlob(d)
	require.NoError(t, err)
	assert.True(t, ok)
	assert.EqualValues(t, 12, size)
}

func TestBlobIsRefused(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	right := digest.FromString("content")
	for _, tt := range []struct {
		name    string
		content string
		want    digest.Digest
		size    int64
		err     error
	}{
		{"another digest", "Content", right, -1, ErrMismatch},
		{"too long", "content", right, 6, ErrMismatch},
		{"too short", "content", right, 8, ErrMismatch},
		{"empty", "", right, 0, ErrMismatch},
		{"no digest", "content", "content", -1, ErrInvalid},
		{"another algorithm", "content", digest.SHA512.FromString("content"), -1, ErrInvalid},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w, err := s.NewBlob()
			require.NoError(t, err)
			_, err = io.WriteString(w, tt.content)
			require.NoError(t, err)
			_, _, err = w.Commit(tt.want, tt.size)
			require.ErrorIs(t, err, tt.err)
			assert.ErrorIs(t, w.Abort(), os.ErrClosed)
		})
	}
	w, err := s.NewBlob()
	require.NoError(t, err)
	_, err = io.WriteString(w, "content")
	require.NoError(t, err)
	require.NoError(t, w.Abort())
	names, err := s.blobs.Names()
	require.NoError(t, err)
	assert.Empty(t, names)
	names, err = s.writer.dir.Names()
	require.NoError(t, err)
	assert.Empty(t, names)
	_, err = s.OpenBlob(right)
	assert.ErrorIs(t, err, ErrNotFound)
}

// One changed bit anywhere is noticed.
func TestBlobBitFlips(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	content := make([]byte, 1000)
	rand.Read(content)
	want := digest.FromBytes(content)
	for at := range content {
		content[at] ^= 1 << (at % 8)
		w, err := s.NewBlob()
		require.NoError(t, err)
		_, err = w.Write(content)
		require.NoError(t, err)
		_, _, err = w.Commit(want, int64(len(content)))
		require.ErrorIs(t, err, ErrMismatch)
		content[at] ^= 1 << (at % 8)
	}
	names, err := s.blobs.Names()
	require.NoError(t, err)
	require.Empty(t, names)
}

func TestReadBlobNoticesDamage(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	d, err := s.PutBlob([]byte("document"))
	require.NoError(t, err)
	data, err := s.ReadBlob(d)
	require.NoError(t, err)
	assert.Equal(t, "document", string(data))

	file := dir + "/blobs/sha256/" + d.Encoded()
	require.NoError(t, os.WriteFile(file, []byte("Document"), 0o600))
	_, err = s.ReadBlob(d)
	assert.ErrorIs(t, err, ErrDamaged)
	_, err = s.PutBlob([]byte("document"))
	require.NoError(t, err)
	_, err = s.ReadBlob(d)
	assert.NoError(t, err, "storing it again repairs it")

	big, err := s.PutBlob(make([]byte, MaxManifest+1))
	require.NoError(t, err)
	_, err = s.ReadBlob(big)
	assert.ErrorContains(t, err, "larger than allowed")
}

// Digests are the only strings from outside that become file names (CVE-2024-3727).
func TestParseDigest(t *testing.T) {
	t.Parallel()
	good := "sha256:" + strings.Repeat("0123456789abcdef", 4)
	_, err := ParseDigest(good)
	require.NoError(t, err)
	for _, bad := range []string{
		"", ":", "sha256", "sha256:", good[:70], good + "0", " " + good, good + "\n", good[7:],
		strings.ToUpper(good), "SHA256:" + good[7:], "sha256:" + strings.ToUpper(good[7:]), "sha256:" + good[7:69] + "gg",
		"sha256:../../x", "sha256:/etc/passwd", "sha256:..", "sha256:.", "sha256:" + strings.Repeat("../", 21) + "x",
		"sha256:" + strings.Repeat(".", 64), "sha256:" + strings.Repeat("/", 64), "sha256:" + strings.Repeat("\x00", 64),
		"sha512:" + strings.Repeat("0", 128), "sha512:" + good[7:], "sha384:" + strings.Repeat("0", 96), "md5:" + good[7:39],
		"sha1:" + good[7:47], "../sha256:" + good[7:], "sha256/" + good[7:], "sha256:sha256:" + good[7:], "sha256+b64:" + good[7:],
		"sha256:" + good[8:] + " ", "sha256: " + good[8:], "sha256:\n" + good[8:], "sha256:\x00" + good[8:], "sha256:-" + good[8:],
		"sha256:" + strings.Repeat("٠", 32), "sha256:" + strings.Repeat("０", 64), "ｓha256:" + good[7:], "sha256：" + good[7:],
		strings.Repeat("a", 1<<20), "sha256:" + strings.Repeat("a", 1<<20),
	} {
		_, err := ParseDigest(bad)
		assert.ErrorIs(t, err, ErrInvalid, "%.100q", bad)
		assert.Less(t, len(err.Error()), 600)
	}
}

func FuzzParseDigest(f *testing.F) {
	f.Add("sha256:" + strings.Repeat("0123456789abcdef", 4))
	f.Add("sha256:../../x")
	f.Fuzz(func(t *testing.T, s string) {
		d, err := ParseDigest(s)
		if err != nil {
			return
		}
		require.NoError(t, d.Validate())
		require.Len(t, digestHex(d), 64)
		require.False(t, strings.ContainsAny(linkName(d), "/\x00."))
	})
}
