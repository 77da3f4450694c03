package layer

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"sync/atomic"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// Compression is how a layer's blob is stored.
type Compression int

// What Decompress recognises and Compress writes.
const (
	Uncompressed Compression = iota
	Gzip
	Zstd
)

// String returns the name that the media types of OCI use: "gzip", "zstd" or "".
func (c Compression) String() string {
	switch c {
	case Gzip:
		return "gzip"
	case Zstd:
		return "zstd"
	}
	return ""
}

// Decompress finds out how r is compressed by its first bytes, whatever a media
// type says, and returns the uncompressed stream. It is not closed by reading it
// to the end: Close frees the decoder and waits for its goroutine, which may be
// inside r.Read, so make that return first. Close does not close r.
//
// Several gzip members or zstd frames are one stream, as in RFC 1952 2.2 and RFC
// 8878 3; anything else behind them, and a truncated or damaged stream, is a
// *FormatError. A stream that exceeds Limits.Ratio or .Window ends in a
// *LimitError. Other limits are Unpack's.
func Decompress(r io.Reader, l Limits) (io.ReadCloser, Compression, error) {
	l = l.filled()
	in := &counter{r: r}
	br := bufio.NewReaderSize(in, 128<<10)
	head, err := br.Peek(6)
	if err != nil && err != io.EOF {
		return nil, 0, err
	}
	var out io.ReadCloser
	c := sniff(head)
	switch c {
	case Gzip:
		z, err := gzip.NewReader(br)
		if err != nil {
			return nil, 0, damaged(in, err)
		}
		out = z
	case Zstd:
		z, err := zstd.NewReader(br, zstd.WithDecoderMaxWindow(windowSize(l.Window)), zstd.WithDecoderLowmem(true))
		if err != nil {
			return nil, 0, damaged(in, err)
		}
		out = z.IOReadCloser()
	default:
		if name := unsupported(head); name != "" {
			return nil, 0, formatErr("compressed by %s; gzip, zstd and none are understood", name)
		}
		return io.NopCloser(br), c, nil
	}
	return readAhead(&ratioReader{in: in, out: out, max: l.Ratio, window: l.Window}), c, nil
}

// windowSize keeps within what the zstd library accepts.
func windowSize(n int64) uint64 { return uint64(min(max(n, 1<<10), 2<<30)) }

func sniff(head []byte) Compression {
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		return Gzip
	case bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		return Zstd
	case len(head) >= 4 && head[0]&0xf0 == 0x50 && bytes.Equal(head[1:4], []byte{0x2a, 0x4d, 0x18}):
		return Zstd // begins with a skippable frame
	}
	return Uncompressed
}

// unsupported names other compressions, for the error.
func unsupported(head []byte) string {
	for _, m := range []struct{ magic, name string }{
		{"\xfd7zXZ\x00", "xz"}, {"BZh", "bzip2"}, {"\x04\x22\x4d\x18", "lz4"}, {"LZIP", "lzip"}, {"PK\x03\x04", "zip"},
	} {
		if bytes.HasPrefix(head, []byte(m.magic)) {
			return m.name
		}
	}
	return ""
}

// counter counts what has been read, and remembers a failure of the stream
// below, which is not the compression's. The zstd decoder reads in a goroutine of
// its own.
type counter struct {
	r   io.Reader
	n   atomic.Int64
	err atomic.Pointer[error]
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n.Add(int64(n))
	if err != nil && err != io.EOF {
		c.err.Store(&err)
	}
	return n, err
}

// damaged is the error of a decoder, or of the stream that it read from.
func damaged(in *counter, err error) error {
	if cause := in.err.Load(); cause != nil {
		return *cause
	}
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return &FormatError{Reason: "the compressed stream is damaged or has something behind it", Err: err}
}

// ratioReader stops a stream that grows too much.
type ratioReader struct {
	in     *counter
	out    io.ReadCloser
	n      int64
	max    int64
	window int64
}

func (r *ratioReader) Read(p []byte) (int, error) {
	n, err := r.out.Read(p)
	r.n += int64(n)
	if r.n > ratioFloor && r.n/r.max > r.in.n.Load() {
		return 0, &LimitError{Limit: "Ratio", Max: r.max}
	}
	switch {
	case err == nil || err == io.EOF:
		return n, err
	case errors.Is(err, zstd.ErrWindowSizeExceeded) || errors.Is(err, zstd.ErrDecoderSizeExceeded):
		return n, &LimitError{Limit: "Window", Max: r.window}
	}
	return n, damaged(r.in, err)
}

// Close frees the decoder. What gzip's Close would return is the error that Read
// has returned already: nothing is written that could fail now.
func (r *ratioReader) Close() error {
	_ = r.out.Close()
	return nil
}
