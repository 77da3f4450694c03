package store

import (
	"fmt"
	"strings"

	digest "github.com/opencontainers/go-digest"
)

// ParseDigest returns the digest that s is the text of. Coracle's stores hold
// SHA-256 alone: everything else is ErrInvalid, and so no path is ever made from a
// digest that could be a path itself (CVE-2024-3727).
func ParseDigest(s string) (digest.Digest, error) {
	d := digest.Digest(s)
	return d, CheckDigest(d)
}

// CheckDigest says whether d has the form "sha256:" and 64 small hexadecimal digits.
func CheckDigest(d digest.Digest) error {
	hex, ok := strings.CutPrefix(string(d), "sha256:")
	if !ok || !isHex(hex, 64) {
		return fmt.Errorf("digest %.100q: %w", string(d), ErrInvalid)
	}
	return nil
}

// digestHex is the file name of a blob. The caller has checked d.
func digestHex(d digest.Digest) string { return strings.TrimPrefix(string(d), "sha256:") }

// linkName is the file name for d where several algorithms may one day meet.
func linkName(d digest.Digest) string { return "sha256-" + digestHex(d) }
