package monitor

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/coraclehq/coracle/internal/supervisor"
	"github.com/coraclehq/coracle/internal/sys"
)

// DamageError is a place in a log where no record can begin. What follows in that
// file cannot be read.
type DamageError struct {
	File   string
	Offset int64
}

func (e *DamageError) Error() string {
	return fmt.Sprintf("%s: %v at byte %d", e.File, supervisor.ErrDamaged, e.Offset)
}

// Unwrap returns supervisor.ErrDamaged.
func (e *DamageError) Unwrap() error { return supervisor.ErrDamaged }

// logFile reads the records of one file of a log.
type logFile struct {
	fd      *sys.FD
	st      sys.Stat // when it was opened; says which file it is
	number  int      // the least that it can have now
	at      int64    // offset of the next record
	ahead   []byte   // what was read already from there on; in buf
	buf     []byte
	damaged bool

	// Lines before these places are not wanted; see tail.
	from [streams]place
}

// place is in the middle of a record: so many bytes of its data.
type place struct {
	at  int64
	cut int
}

// nowhere is behind everything.
var nowhere = place{at: math.MaxInt64}

// next returns the next record; io.EOF when there is no whole one yet.
func (f *logFile) next() (supervisor.LogRecord, error) {
	r, data, err := f.peek()
	if err != nil {
		return r, err
	}
	start := f.from[r.Stream]
	switch {
	case f.at < start.at:
	case f.at == start.at:
		r.Data = bytes.Clone(data[start.cut:])
	default:
		r.Data = bytes.Clone(data)
	}
	f.pass(len(data))
	return r, nil
}

// peek returns the next record and its data, which stay there until the next call.
func (f *logFile) peek() (r supervisor.LogRecord, data []byte, err error) {
	if f.damaged {
		return r, nil, io.EOF
	}
	head, err := f.fill(supervisor.LogHeaderSize)
	if err != nil {
		return r, nil, err
	}
	r, n, err := supervisor.ParseLogHeader(head)
	if err != nil {
		return r, nil, f.damage()
	}
	whole, err := f.fill(supervisor.LogHeaderSize + n)
	if err != nil {
		return r, nil, err
	}
	return r, whole[supervisor.LogHeaderSize:], nil
}

// pass goes behind a record with n bytes of data.
func (f *logFile) pass(n int) {
	n += supervisor.LogHeaderSize
	f.at += int64(n)
	f.ahead = f.ahead[n:]
}

// skip goes behind the last whole record.
func (f *logFile) skip() error {
	for {
		_, data, err := f.peek()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		f.pass(len(data))
	}
}

// fill returns the next n bytes of the file.
func (f *logFile) fill(n int) ([]byte, error) {
	if len(f.ahead) >= n {
		return f.ahead[:n], nil
	}
	if f.buf == nil {
		f.buf = make([]byte, 2*(supervisor.LogHeaderSize+supervisor.LogBuffer))
	}
	have := copy(f.buf, f.ahead)
	got, err := f.fd.ReadAt(f.buf[have:], f.at+int64(have))
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	f.ahead = f.buf[:have+got]
	if len(f.ahead) < n {
		// What is there of the record may be cut off again and written anew.
		f.ahead = nil
		return nil, io.EOF
	}
	return f.ahead[:n], nil
}

// damage is what there is instead of a header. A power cut can leave zeros at the
// end: the size of the file was on the disk before its data.
func (f *logFile) damage() error {
	buf := make([]byte, 64<<10)
	for at := f.at; ; at += int64(len(buf)) {
		n, err := f.fd.ReadAt(buf, at)
		if len(bytes.Trim(buf[:n], "\x00")) > 0 {
			f.damaged = true
			return &DamageError{f.fd.Name(), f.at}
		}
		if errors.Is(err, io.EOF) {
			f.ahead = nil
			return err
		}
		if err != nil {
			return err
		}
	}
}
