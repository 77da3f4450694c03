package layer

import (
	"bytes"

	"github.com/coraclehq/coracle/internal/sys"
)

// holeSize is the least run of zeros that becomes a hole, at multiples of
// itself: shorter ones would only split the file.
const holeSize = 64 << 10

// writeAt writes p at off, leaving out longer runs of zeros. A file whose last
// bytes are left out, which size tells, is extended to it.
func (f *files) writeAt(fd *sys.FD, p []byte, off, size int64) error {
	for len(p) > 0 {
		n := dataRun(p, off)
		if n > 0 {
			if f.room.Add(-int64(n)) < 0 {
				return &LimitError{Limit: "Reserve", Max: f.max}
			}
			if _, err := fd.WriteAt(p[:n], off); err != nil {
				return err
			}
			p, off = p[n:], off+int64(n)
		}
		if n = holeRun(p, off); n > 0 {
			p, off = p[n:], off+int64(n)
			if off == size {
				return fd.Truncate(size)
			}
		}
	}
	return nil
}

// dataRun is how much of p, which belongs at off, comes before a hole.
func dataRun(p []byte, off int64) int {
	n := 0
	for n < len(p) {
		if holeRun(p[n:], off+int64(n)) > 0 {
			return n
		}
		n = min(len(p), n+holeSize-int((off+int64(n))%holeSize))
	}
	return n
}

// holeRun is the length of the hole that p, which belongs at off, begins with.
func holeRun(p []byte, off int64) int {
	n := 0
	if off%holeSize != 0 {
		return 0
	}
	for len(p)-n >= holeSize && isZero(p[n:n+holeSize]) {
		n += holeSize
	}
	return n
}

// isZero says whether p holds nothing but zeros.
func isZero(p []byte) bool {
	// The first bytes decide nearly always; the comparison with itself, one
	// further, is memcmp.
	return len(p) == 0 || p[0] == 0 && bytes.Equal(p[1:], p[:len(p)-1])
}
