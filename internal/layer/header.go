package layer

import (
	"bytes"
	"strings"
	"time"
)

// Types of entries, POSIX pax "ustar Interchange Format" and the GNU tar manual,
// "Basic Tar Format".
const (
	typeReg       = '0'
	typeRegOld    = 0 // v7; with a trailing slash a directory
	typeLink      = '1'
	typeSymlink   = '2'
	typeChar      = '3'
	typeBlock     = '4'
	typeDir       = '5'
	typeFifo      = '6'
	typeCont      = '7'
	typePAX       = 'x'
	typePAXGlobal = 'g'
	typeGNUName   = 'L'
	typeGNULink   = 'K'
	typeGNUSparse = 'S'
)

const blockSize = 512

type block [blockSize]byte

// Fields of a header block: v7 to link, ustar and PAX from magic on, GNU and
// star in place of ustar's prefix.
func (b *block) name() []byte     { return b[0:100] }
func (b *block) mode() []byte     { return b[100:108] }
func (b *block) uid() []byte      { return b[108:116] }
func (b *block) gid() []byte      { return b[116:124] }
func (b *block) size() []byte     { return b[124:136] }
func (b *block) mtime() []byte    { return b[136:148] }
func (b *block) checksum() []byte { return b[148:156] }
func (b *block) typ() byte        { return b[156] }
func (b *block) link() []byte     { return b[157:257] }
func (b *block) magic() string    { return string(b[257:265]) }
func (b *block) major() []byte    { return b[329:337] }
func (b *block) minor() []byte    { return b[337:345] }
func (b *block) prefix() []byte   { return b[345:500] }

func (b *block) isZero() bool { return *b == block{} }

// dialect is what the magic numbers of a header say; it decides about the fields
// behind the magic.
type dialect int

const (
	dialectV7 dialect = iota
	dialectUstar
	dialectGNU
	dialectStar
)

func (b *block) dialect() dialect {
	switch m := b.magic(); {
	case m[:6] == "ustar\x00" && string(b[508:512]) == "tar\x00":
		return dialectStar
	case m[:6] == "ustar\x00":
		return dialectUstar
	case m == "ustar  \x00":
		return dialectGNU
	}
	return dialectV7
}

// sumOK checks the header's sum, which old tars made of signed bytes.
func (b *block) sumOK() bool {
	want, ok := octal(b.checksum())
	if !ok {
		return false
	}
	var unsigned, signed int64
	for i, c := range b {
		if i >= 148 && i < 156 {
			c = ' '
		}
		unsigned += int64(c)
		signed += int64(int8(c))
	}
	return want == unsigned || want == signed
}

// header is what one header block says, before extended headers are merged in.
type header struct {
	name, link   string
	typ          byte
	mode         int64
	uid, gid     int64
	size         int64
	mtime        time.Time
	major, minor int64
	dialect      dialect
}

// parseHeader reads a block that is not zero.
func parseHeader(b *block) (h header, err error) {
	if !b.sumOK() {
		return h, formatErr("the header's checksum is wrong")
	}
	h = header{name: text(b.name()), link: text(b.link()), typ: b.typ(), dialect: b.dialect()}
	var secs int64
	for _, f := range []struct {
		what string
		raw  []byte
		to   *int64
	}{
		{"size", b.size(), &h.size}, {"mode", b.mode(), &h.mode}, {"uid", b.uid(), &h.uid},
		{"gid", b.gid(), &h.gid}, {"mtime", b.mtime(), &secs},
	} {
		n, ok := number(f.raw)
		if !ok {
			return h, formatErr("the header's %s is not a number", f.what)
		}
		*f.to = n
	}
	h.mtime = time.Unix(secs, 0)
	if h.dialect == dialectV7 {
		return h, nil
	}
	var ok1, ok2 bool
	h.major, ok1 = number(b.major())
	h.minor, ok2 = number(b.minor())
	if !ok1 || !ok2 {
		return h, formatErr("the header's device number is not a number")
	}
	if p := b.prefixName(h.dialect); p != "" {
		h.name = p + "/" + h.name
	}
	return h, nil
}

// prefixName is the first part of a name that was split because it is long.
func (b *block) prefixName(d dialect) string {
	switch d {
	case dialectUstar:
		return text(b.prefix())
	case dialectStar:
		return text(b.prefix()[:131])
	case dialectGNU:
		// GNU has atime and ctime here. Go before 1.8 wrote a prefix all the same
		// (golang.org/issue/12594), and there are images from that time: where
		// the two are no times, it is one.
		atime, ctime := b[345:357], b[357:369]
		_, ok1 := number(atime)
		_, ok2 := number(ctime)
		if p := text(b.prefix()); !(ok1 && ok2) && isASCII(p) {
			return p
		}
	}
	return ""
}

// text is a field's content up to the first NUL.
func text(f []byte) string {
	if i := bytes.IndexByte(f, 0); i >= 0 {
		f = f[:i]
	}
	return string(f)
}

// number reads octal, or GNU's base 256 where the first bit is set.
func number(f []byte) (int64, bool) {
	if f[0]&0x80 == 0 {
		return octal(f)
	}
	// Two's complement of all but the first bit, big endian.
	n := int64(f[0]&0x7f) << 57 >> 57
	for _, c := range f[1:] {
		if n > 1<<55-1 || n < -1<<55 {
			return 0, false
		}
		n = n<<8 | int64(c)
	}
	return n, true
}

// octal reads digits between optional spaces and NULs, and nothing else. A field
// without digits is 0: v7 left unused ones empty.
func octal(f []byte) (n int64, ok bool) {
	f = bytes.TrimLeft(f, " \x00")
	f = bytes.TrimRight(f, " \x00")
	for _, c := range f {
		if c < '0' || c > '7' || n > noLimit>>3 {
			return 0, false
		}
		n = n<<3 | int64(c-'0')
	}
	return n, true
}

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r >= 0x80 }) < 0
}
