package layer

import (
	"archive/tar"
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// archive builds a tar for tests: proper entries by archive/tar, improper ones
// from blocks.
type archive struct {
	t   testing.TB
	buf bytes.Buffer
}

func newArchive(t testing.TB) *archive { return &archive{t: t} }

var testTime = time.Unix(1_700_000_000, 0)

func (a *archive) add(h tar.Header, data string) *archive {
	a.t.Helper()
	if h.Mode == 0 {
		h.Mode = 0o644
		if h.Typeflag == tar.TypeDir {
			h.Mode = 0o755
		}
	}
	if h.ModTime.IsZero() {
		h.ModTime = testTime
	}
	h.Size = int64(len(data))
	w := tar.NewWriter(&a.buf)
	require.NoError(a.t, w.WriteHeader(&h))
	_, err := w.Write([]byte(data))
	require.NoError(a.t, err)
	require.NoError(a.t, w.Flush())
	return a
}

func (a *archive) file(name, data string) *archive {
	return a.add(tar.Header{Name: name, Typeflag: tar.TypeReg}, data)
}

func (a *archive) dir(name string) *archive {
	return a.add(tar.Header{Name: name + "/", Typeflag: tar.TypeDir}, "")
}

func (a *archive) symlink(name, target string) *archive {
	return a.add(tar.Header{Name: name, Typeflag: tar.TypeSymlink, Linkname: target, Mode: 0o777}, "")
}

func (a *archive) link(name, target string) *archive {
	return a.add(tar.Header{Name: name, Typeflag: tar.TypeLink, Linkname: target}, "")
}

func (a *archive) fifo(name string) *archive {
	return a.add(tar.Header{Name: name, Typeflag: tar.TypeFifo}, "")
}

func (a *archive) device(name string, typ byte, major, minor int64) *archive {
	return a.add(tar.Header{Name: name, Typeflag: typ, Mode: 0o666, Devmajor: major, Devminor: minor}, "")
}

// raw appends bytes as they are.
func (a *archive) raw(parts ...[]byte) *archive {
	for _, p := range parts {
		a.buf.Write(p)
	}
	return a
}

// head appends a header block that edit has changed before its sum is made, and
// data filled up to blocks.
func (a *archive) head(name string, typ byte, data string, edit ...func(*block)) *archive {
	var b block
	copy(b.name(), name)
	for _, f := range [][]byte{b.mode(), b.uid(), b.gid(), b.mtime(), b.major(), b.minor()} {
		putOctal(f, 0)
	}
	putOctal(b.mode(), 0o644)
	putOctal(b.size(), int64(len(data)))
	b[156] = typ
	copy(b[257:], "ustar\x0000")
	for _, f := range edit {
		f(&b)
	}
	b.seal()
	a.buf.Write(b[:])
	a.buf.WriteString(data)
	a.buf.WriteString(strings.Repeat("\x00", -len(data)&(blockSize-1)))
	return a
}

// pax appends an extended header of keys and values.
func (a *archive) pax(kv ...string) *archive { return a.paxType(typePAX, kv...) }

func (a *archive) paxType(typ byte, kv ...string) *archive {
	var s strings.Builder
	for ; len(kv) > 0; kv = kv[2:] {
		s.WriteString(record{kv[0], kv[1]}.String())
	}
	return a.head("PaxHeaders.0/x", typ, s.String())
}

// cut is what was appended so far, without an end mark.
func (a *archive) cut() []byte { return a.buf.Bytes() }

// end is the archive with its end mark.
func (a *archive) end() []byte { return append(a.buf.Bytes(), make([]byte, 2*blockSize)...) }

func octalSize(n int64) func(*block) { return func(b *block) { putOctal(b.size(), n) } }

// base256Size writes the size as GNU does what octal cannot hold.
func base256Size(n int64) func(*block) {
	return func(b *block) {
		f := b.size()
		for i := range f {
			f[i] = byte(n >> 63)
		}
		for i := range 8 {
			f[11-i] = byte(uint64(n) >> (8 * i))
		}
		f[0] |= 0x80
	}
}

func gnuMagic(b *block) { copy(b[257:], "ustar  \x00") }
