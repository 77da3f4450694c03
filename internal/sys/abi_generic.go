//go:build !arm64

package sys

// Flags of open(2) whose values differ between architectures:
// the values of amd64 and of the kernel's generic headers.
const (
	O_DIRECT    = 0x4000
	O_DIRECTORY = 0x10000
	O_NOFOLLOW  = 0x20000
	O_TMPFILE   = 0x410000
)
