package layer

import (
	"bufio"
	"errors"
	"io"
	"time"
)

// entry is one entry of an archive with its extended headers merged in. Nothing
// of it has been checked against the limits or the file system yet.
type entry struct {
	name     string // clean
	link     string // of a symbolic link the text, of a hard link a clean name
	typ      byte   // one of type*, regular files always typeReg
	mode     uint32 // permissions only
	uid, gid uint32
	mtime    time.Time
	major    uint32
	minor    uint32
	size     int64 // holes counted
	isSparse bool
	pieces   []piece
	xattrs   []xattr
}

// reader splits a tar stream into entries. It is strict: see docs/layers.md.
type reader struct {
	r     *bufio.Reader
	off   int64  // bytes read
	at    int64  // where the header of the entry begins
	raw   string // its name as the archive has it, for errors
	left  int64  // bytes of the entry's data not read yet
	pad   int64  // bytes behind them
	bytes budget
	// laxEnd accepts a stream that ends without the two blocks of zeros.
	laxEnd bool
}

func newReader(r io.Reader, maxBytes int64) *reader {
	return &reader{r: bufio.NewReaderSize(r, 256<<10), bytes: newBudget("Bytes", maxBytes)}
}

// next returns the next entry. After the last one it reads the stream to its
// end, so that a hash or a checksum around it sees all, and returns io.EOF.
func (r *reader) next() (*entry, error) {
	e, err := r.scan()
	if err == nil || err == io.EOF {
		return e, err
	}
	return nil, r.locate(err)
}

// locate adds to an error of ours which entry it is about.
func (r *reader) locate(err error) error {
	var f *FormatError
	if errors.As(err, &f) && f.Entry == "" {
		f.Entry, f.Offset = r.raw, r.at
	}
	return err
}

func (r *reader) scan() (*entry, error) {
	if err := r.skip(); err != nil {
		return nil, err
	}
	var ext extended
	for {
		r.at, r.raw = r.off, ""
		var b block
		if end, err := r.header(&b, ext.any()); err != nil || end {
			return nil, errOr(err, io.EOF)
		}
		h, err := parseHeader(&b)
		if err != nil {
			return nil, err
		}
		r.raw = h.name
		if h.size < 0 {
			return nil, formatErr("the size is negative")
		}
		switch h.typ {
		case typePAX, typePAXGlobal, typeGNUName, typeGNULink:
			if err := r.extend(&ext, &h); err != nil {
				return nil, err
			}
		default:
			return r.entry(&h, &ext, &b)
		}
	}
}

func errOr(err, other error) error {
	if err != nil {
		return err
	}
	return other
}

// header reads a header block and says whether it was the end instead.
func (r *reader) header(b *block, midway bool) (end bool, err error) {
	n, err := io.ReadFull(r.r, b[:])
	if n == 0 && err == io.EOF {
		if r.laxEnd && !midway {
			return true, nil
		}
		return false, formatErr("the archive ends without an end mark")
	}
	if err := r.count(n, err); err != nil {
		return false, err
	}
	if !b.isZero() {
		return false, nil
	}
	if midway {
		return false, formatErr("the archive ends behind an extended header")
	}
	n, err = io.ReadFull(r.r, b[:])
	if n == 0 && err == io.EOF && r.laxEnd {
		return true, nil
	}
	if err := r.count(n, err); err != nil {
		return false, err
	}
	if !b.isZero() {
		return false, formatErr("a block of zeros inside the archive")
	}
	return true, r.drain()
}

// drain reads what follows the end mark. Tars fill up their last record with
// zeros; anything else there is part of what a digest covers, and of nothing else.
func (r *reader) drain() error {
	buf := make([]byte, 32<<10)
	for {
		n, err := r.r.Read(buf)
		r.off += int64(n)
		if lerr := r.bytes.take(int64(n)); lerr != nil {
			return lerr
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// full reads exactly p.
func (r *reader) full(p []byte) error { return r.count(io.ReadFull(r.r, p)) }

// count accounts for n bytes read and names a truncated stream.
func (r *reader) count(n int, err error) error {
	r.off += int64(n)
	if lerr := r.bytes.take(int64(n)); lerr != nil {
		return lerr
	}
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return &FormatError{Reason: "the archive is truncated", Err: io.ErrUnexpectedEOF}
	}
	return err
}

// skip passes over what is left of the current entry.
func (r *reader) skip() error {
	n := r.left + r.pad
	r.left, r.pad = 0, 0
	for n > 0 {
		d, err := r.r.Discard(int(min(n, 1<<20)))
		n -= int64(d)
		if err := r.count(d, err); err != nil {
			return err
		}
	}
	return nil
}

// Read reads the data of the current entry, of a sparse file its pieces without
// the holes.
func (r *reader) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	n, err := r.r.Read(p[:min(int64(len(p)), r.left)])
	r.left -= int64(n)
	if err == io.EOF && r.left == 0 {
		err = nil
	}
	if err := r.count(n, err); err != nil {
		// Without the bytes: io.ReadFull forgets an error that comes with the last.
		return 0, r.locate(err)
	}
	return n, nil
}

func (r *reader) setData(size int64) {
	r.left, r.pad = size, -size&(blockSize-1)
}
