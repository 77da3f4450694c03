package archive

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"

	digest "github.com/opencontainers/go-digest"
	imagespec "github.com/opencontainers/image-spec/specs-go/v1"
)

// ParseDigest makes a digest of a string from outside. It accepts "sha256:" and
// 64 lower-case hexadecimal digits and nothing else, so that a path made of a
// digest cannot lead anywhere (CVE-2024-3727).
func ParseDigest(s string) (digest.Digest, error) {
	algorithm, encoded, ok := strings.Cut(s, ":")
	if !ok {
		return "", fmt.Errorf("not a digest: %s", quote(s))
	}
	if algorithm != "sha256" {
		return "", fmt.Errorf("digest algorithm %s is not supported, only sha256", quote(algorithm))
	}
	if !isHex64(encoded) {
		return "", fmt.Errorf("not a sha256 digest of 64 lower-case hexadecimal digits: %s", quote(s))
	}
	return digest.Digest(s), nil
}

// isHex64 reports whether s is 64 lower-case hexadecimal digits.
func isHex64(s string) bool {
	return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == ""
}

// blobName is the name of a blob in an image layout. The digest came from
// ParseDigest.
func blobName(d digest.Digest) string { return blobDir + d.Encoded() }

const blobDir = imagespec.ImageBlobsDir + "/sha256/"

// sum is the digest of data.
func sum(data []byte) digest.Digest {
	h := sha256.Sum256(data)
	return digest.NewDigestFromBytes(digest.SHA256, h[:])
}

// verified reads r and gives its bytes on. At the end it returns io.EOF only if
// they have the wanted size and digest, and a MismatchError otherwise; the
// bytes are therefore not to be trusted before io.EOF. It reads at most one byte
// beyond the size.
func verified(r io.Reader, name string, want digest.Digest, size int64) io.Reader {
	return &verifier{r: io.LimitReader(r, size+1), name: name, want: want, size: size, hash: sha256.New()}
}

type verifier struct {
	r    io.Reader
	name string
	want digest.Digest
	size int64
	n    int64
	hash hash.Hash
}

func (v *verifier) Read(p []byte) (int, error) {
	n, err := v.r.Read(p)
	v.hash.Write(p[:n])
	v.n += int64(n)
	if v.n > v.size {
		return n, invalidf("%s: longer than its size of %d", v.name, v.size)
	}
	if !errors.Is(err, io.EOF) {
		return n, err
	}
	if v.n != v.size {
		return n, wrongSize(v.name, v.n, v.size)
	}
	if got := digest.NewDigestFromBytes(digest.SHA256, v.hash.Sum(nil)); got != v.want {
		return n, wrongDigest(v.name, got, v.want)
	}
	return n, err
}
