package archive

import (
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParseDigest(t *testing.T) {
	t.Parallel()
	hex := strings.Repeat("0123456789abcdef", 4)
	d, err := ParseDigest("sha256:" + hex)
	require.NoError(t, err)
	assert.Equal(t, "blobs/sha256/"+hex, blobName(d))
}

func TestParseDigestRefuses(t *testing.T) {
	t.Parallel()
	hex := strings.Repeat("a", 64)
	for _, s := range []string{
		"", ":", "sha256", "sha256:", hex, ":" + hex, "sha256:" + hex[1:], "sha256:" + hex + "a",
		"sha256:" + strings.ToUpper(hex), "SHA256:" + hex, "sha256: " + hex[1:], "sha256:" + hex[1:] + "\n",
		" sha256:" + hex, "sha256:" + hex + " ", "sha256:" + hex[1:] + "\x00", "sha256:" + hex[1:] + "g",
		"sha256:" + hex[2:] + "à", "sha256:" + hex[1:] + "٣", "sha256::" + hex[1:], "sha256:" + hex + ":" + hex,
		"sha256:../../x", "sha256:" + "../" + hex[3:], "sha256:" + hex[:60] + "/../", "sha256:" + hex[:61] + "..a",
		"sha256/" + hex, "sha256:/" + hex[1:], "sha256:\\" + hex[1:], "../sha256:" + hex, "sha256/..:" + hex,
		"sha256+b64:" + hex, "sha256.x:" + hex, "sha-256:" + hex, "sha224:" + hex[:56], "sha384:" + hex + hex[:32],
		"sha512:" + hex + hex, "sha1:" + hex[:40], "md5:" + hex[:32], "blake3:" + hex, "tarsum.v1+sha256:" + hex, "sha256:%2e%2e",
	} {
		_, err := ParseDigest(s)
		assert.Error(t, err, "%q", s)
	}
}

func TestVerified(t *testing.T) {
	t.Parallel()
	data := "some content"
	right := sum([]byte(data))
	for _, tt := range []struct {
		name, data string
		size       int64
		err        string
	}{
		{"right", data, 12, ""},
		{"short", data[:11], 12, "x: size is 11, not 12"},
		{"long", data + "!", 12, "x: longer than its size of 12"},
		{"other", "same length.", 12, "x: digest is " + sum([]byte("same length.")).String() + ", not " + right.String()},
		{"other size announced", data, 13, "x: size is 12, not 13"},
		{"none", "", 12, "x: size is 0, not 12"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, r := range []io.Reader{strings.NewReader(tt.data), iotest.OneByteReader(strings.NewReader(tt.data)), iotest.DataErrReader(strings.NewReader(tt.data))} {
				got, err := io.ReadAll(verified(r, "x", right, tt.size))
				if tt.err == "" {
					require.NoError(t, err)
					assert.Equal(t, tt.data, string(got))
					continue
				}
				require.ErrorIs(t, err, ErrInvalid)
				assert.EqualError(t, err, tt.err)
			}
		})
	}
	_, err := io.ReadAll(verified(iotest.ErrReader(io.ErrClosedPipe), "x", right, 12))
	assert.ErrorIs(t, err, io.ErrClosedPipe)
	assert.NotErrorIs(t, err, ErrInvalid)
}
