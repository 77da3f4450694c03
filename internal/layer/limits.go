package layer

import (
	"fmt"

	"github.com/coraclehq/coracle/internal/sys"
)

// Limits bounds what a layer may make of this machine. A field that is zero has
// the default named beside it, a negative one sets no limit. Limits of a whole
// image are the caller's: what a layer took is in [Result].
type Limits struct {
	// Bytes of uncompressed tar, everything counted. Default 64 GiB.
	Bytes int64
	// Size is the sum of the sizes of all files, holes counted, which a sparse
	// file makes without bytes. Default 1 TiB.
	Size int64
	// Entries of the archive and directories that they imply. Default 1,048,576.
	Entries int64
	// Depth is how many directories a name may lie below the root. Default 256.
	Depth int64
	// Xattrs is the bytes of names and values of the extended attributes kept, in
	// the whole layer; the kernel's own limit for one value is 64 KiB. Default
	// 16 MiB.
	Xattrs int64
	// Memory is what is remembered until the layer is complete (directories and
	// links to lower layers), in bytes. Default 48 MiB, some 300,000 directories.
	Memory int64
	// Ratio is how many bytes may come out of one compressed byte, once 64 MiB
	// have come out. Files of zeros reach 1030 with gzip, the contents of ordinary
	// images 2 to 10. Default 200.
	Ratio int64
	// Window is the memory that a zstd stream may ask for, in bytes. Default
	// 32 MiB; zstd's level 19 uses 8 MiB.
	Window int64
	// Reserve is what stays free on the file system, in bytes: beyond it the
	// layer is refused with a LimitError that is also ENOSPC. Default the
	// smaller of 64 MiB and one 64th of the file system.
	Reserve int64
}

const (
	ratioFloor = 64 << 20
	noLimit    = 1<<63 - 1
)

func (l Limits) filled() Limits {
	for _, f := range []struct {
		field *int64
		def   int64
	}{
		{&l.Bytes, 64 << 30}, {&l.Size, 1 << 40}, {&l.Entries, 1 << 20}, {&l.Depth, 256},
		{&l.Xattrs, 16 << 20}, {&l.Memory, 48 << 20}, {&l.Ratio, 200}, {&l.Window, 32 << 20},
	} {
		switch {
		case *f.field == 0:
			*f.field = f.def
		case *f.field < 0:
			*f.field = noLimit
		}
	}
	return l
}

// LimitError says which limit a layer exceeded.
type LimitError struct {
	// Limit is the name of the field of Limits.
	Limit string
	// Max is its value, in that field's unit.
	Max int64
}

func (e *LimitError) Error() string {
	if e.Limit == "Reserve" {
		return fmt.Sprintf("layer: does not fit on the file system, which had %d bytes to spare", e.Max)
	}
	return fmt.Sprintf("layer: exceeds the limit %s of %d", e.Limit, e.Max)
}

// Is makes the lack of space equal to ENOSPC.
func (e *LimitError) Is(target error) bool { return e.Limit == "Reserve" && target == sys.ENOSPC }

// budget counts one of the limits down.
type budget struct {
	name      string
	max, left int64
}

func newBudget(name string, max int64) budget { return budget{name, max, max} }

func (b *budget) take(n int64) error {
	if n < 0 || n > b.left {
		return &LimitError{Limit: b.name, Max: b.max}
	}
	b.left -= n
	return nil
}

func (b *budget) give(n int64) { b.left += n }
func (b *budget) used() int64  { return b.max - b.left }

// spare is how many bytes may be written to the file system of dir.
func spare(dir *sys.FD, l Limits) (int64, error) {
	st, err := dir.Statfs()
	if err != nil {
		return 0, err
	}
	reserve := l.Reserve
	if reserve == 0 {
		reserve = min(64<<20, int64(st.Blocks/64)*st.BlockSize)
	}
	// Root may also take the blocks that are kept for it; an unpack does not.
	return max(0, int64(st.Avail)*st.BlockSize-max(0, reserve)), nil
}
