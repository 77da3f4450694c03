package sys

// Flags of open(2) whose values differ between architectures:
// the values of arm64.
const (
	O_DIRECT    = 0x10000
	O_DIRECTORY = 0x4000
	O_NOFOLLOW  = 0x8000
	O_TMPFILE   = 0x404000
)
