package archive

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
)

const blockSize = 512 // of a tar stream

// An input is the stream that an archive comes from. It ends when its context
// does, remembers the error of the stream itself, and knows how the stream ends.
type input struct {
	ctx    context.Context // of the one call of Read
	r      io.Reader
	err    error // of r or ctx or a limit, but not io.EOF
	since  int64 // bytes read since the last entry, with its padding, ended
	zeros  bool  // all of them were zero
	header bool  // what is read belongs to no entry
}

func (in *input) Read(p []byte) (int, error) {
	if in.err = in.ctx.Err(); in.err != nil {
		return 0, in.err
	}
	if in.header && in.since > maxHeader {
		in.err = &LimitError{"header size", maxHeader, "tar stream"}
		return 0, in.err
	}
	n, err := in.r.Read(p)
	in.since += int64(n)
	in.zeros = in.zeros && len(bytes.Trim(p[:n], "\x00")) == 0
	if err != nil && !errors.Is(err, io.EOF) {
		in.err = err
	}
	return n, err
}

// next is tr.Next, and tells the input where an entry begins.
func (in *input) next(tr *tar.Reader) (*tar.Header, error) {
	in.header = true
	defer func() { in.header = false }()
	return tr.Next()
}

// entryEnds tells the input that it has given the last byte of an entry of a
// given size. The padding to a whole block comes next.
func (in *input) entryEnds(size int64) {
	in.since = -(-size & (blockSize - 1))
	in.zeros = true
}

// failure tells errors of the stream itself from what is wrong with its bytes.
func (in *input) failure(name string, err error) error {
	if in.err != nil {
		return fmt.Errorf("%s: %w", name, in.err)
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, tar.ErrHeader) {
		return invalidf("%s: %w", name, err)
	}
	return fmt.Errorf("%s: %w", name, err)
}

// trailer reads what follows the last entry. A tar stream ends with two blocks of
// zeros (POSIX, pax, "ustar Interchange Format"); there are writers that leave out
// the second, and most fill up their last record with more. A stream that just
// ends was cut.
func (in *input) trailer() error {
	if in.since < blockSize {
		return invalidf("tar stream: %w", io.ErrUnexpectedEOF)
	}
	in.since, in.zeros = 0, true
	n, err := io.Copy(io.Discard, io.LimitReader(in, maxTrailer+1))
	if err != nil {
		return fmt.Errorf("tar stream: %w", err)
	}
	if n > maxTrailer {
		return &LimitError{"trailer size", maxTrailer, "tar stream"}
	}
	if !in.zeros {
		return invalidf("tar stream: garbage after its end")
	}
	return nil
}
