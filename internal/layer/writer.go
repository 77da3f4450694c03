package layer

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// writer writes tar: ustar headers, and PAX ones where ustar cannot say it.
// Nothing of the machine or the present goes in.
type writer struct {
	w *bufio.Writer
	// left is how many bytes of the entry's data are to come.
	left, pad int64
}

func newWriter(w io.Writer) *writer { return &writer{w: bufio.NewWriterSize(w, 256<<10)} }

// entry starts an entry; Write takes as many bytes as it has.
func (w *writer) entry(e *entry) error {
	if err := w.end(); err != nil {
		return err
	}
	name := e.name
	if e.typ == typeDir {
		name += "/"
	}
	stored := int64(0)
	var table string
	if e.typ == typeReg {
		stored = e.size
	}
	if e.isSparse {
		table = sparseTable(e.pieces)
		stored = int64(len(table))
		for _, p := range e.pieces {
			stored += p.len
		}
	}
	b, recs := e.header(name, stored)
	if len(recs) > 0 {
		if err := w.extended(recs); err != nil {
			return err
		}
	}
	b.seal()
	if _, err := w.w.Write(b[:]); err != nil {
		return err
	}
	w.left, w.pad = stored, -stored&(blockSize-1)
	_, err := io.WriteString(w, table)
	return err
}

// Write writes data of the current entry.
func (w *writer) Write(p []byte) (int, error) {
	if int64(len(p)) > w.left {
		return 0, fmt.Errorf("pack: %d bytes more than the entry has", int64(len(p))-w.left)
	}
	n, err := w.w.Write(p)
	w.left -= int64(n)
	return n, err
}

// end finishes the current entry.
func (w *writer) end() error {
	if w.left != 0 {
		return fmt.Errorf("pack: %d bytes of an entry are missing", w.left)
	}
	return w.zeros(&w.pad)
}

func (w *writer) zeros(n *int64) error {
	var b block
	for *n > 0 {
		m, err := w.w.Write(b[:min(*n, blockSize)])
		*n -= int64(m)
		if err != nil {
			return err
		}
	}
	return nil
}

// close writes the end mark.
func (w *writer) close() error {
	if err := w.end(); err != nil {
		return err
	}
	n := int64(2 * blockSize)
	if err := w.zeros(&n); err != nil {
		return err
	}
	return w.w.Flush()
}

// record is one of a PAX header.
type record struct{ key, value string }

// header makes a block of what fits, and records of the rest.
func (e *entry) header(name string, stored int64) (b block, recs []record) {
	if e.isSparse {
		recs = append(recs,
			record{paxSparseMajor, "1"}, record{paxSparseMinor, "0"}, record{paxSparseName, name},
			record{paxSparseReal, strconv.FormatInt(e.size, 10)})
		name = "GNUSparseFile.0"
	}
	if !b.setName(name) {
		recs = append(recs, record{paxPath, name})
	}
	if copy(b.link(), e.link) < len(e.link) || !isASCII(e.link) {
		recs = append(recs, record{paxLinkpath, e.link})
	}
	for _, f := range []struct {
		key   string
		field []byte
		n     int64
	}{{paxSize, b.size(), stored}, {paxUID, b.uid(), int64(e.uid)}, {paxGID, b.gid(), int64(e.gid)}} {
		if !putOctal(f.field, f.n) {
			recs = append(recs, record{f.key, strconv.FormatInt(f.n, 10)})
		}
	}
	putOctal(b.mode(), int64(e.mode))
	if ns := e.mtime.Nanosecond(); ns != 0 || !putOctal(b.mtime(), e.mtime.Unix()) {
		putOctal(b.mtime(), max(0, min(e.mtime.Unix(), 1<<33-1)))
		recs = append(recs, record{paxMtime, formatTime(e.mtime)})
	}
	for _, x := range e.xattrs {
		recs = append(recs, record{paxXattr + x.name, x.value})
	}
	putOctal(b.major(), int64(e.major))
	putOctal(b.minor(), int64(e.minor))
	b[156] = e.typ
	copy(b[257:], "ustar\x0000")
	return b, recs
}

// setName puts a name into the field of 100 bytes, or split at a slash into that
// and the prefix of 155. Other bytes than ASCII are for PAX, which says that they
// are what they are.
func (b *block) setName(name string) bool {
	if !isASCII(name) {
		copy(b.name(), "long")
		return false
	}
	if len(name) <= 100 {
		copy(b.name(), name)
		return true
	}
	if len(name) <= 256 {
		// The last slash that leaves something behind it and fits.
		i := strings.LastIndexByte(name[:min(156, len(name)-1)], '/')
		if i > 0 && len(name)-i-1 <= 100 {
			copy(b.prefix(), name[:i])
			copy(b.name(), name[i+1:])
			return true
		}
	}
	copy(b.name(), "long")
	return false
}

// putOctal writes n with a NUL behind it, if it fits.
func putOctal(f []byte, n int64) bool {
	s := strconv.FormatInt(max(n, 0), 8)
	if n < 0 || len(s) > len(f)-1 {
		putOctal(f, 0)
		return false
	}
	for i := range len(f) - 1 - len(s) {
		f[i] = '0'
	}
	copy(f[len(f)-1-len(s):], s)
	return true
}

// seal computes the checksum.
func (b *block) seal() {
	copy(b.checksum(), "        ")
	var sum int64
	for _, c := range b {
		sum += int64(c)
	}
	copy(b.checksum(), fmt.Sprintf("%06o\x00 ", sum))
}

// extended writes a PAX header.
func (w *writer) extended(recs []record) error {
	slices.SortFunc(recs, func(a, b record) int { return cmp.Compare(a.key, b.key) })
	var body strings.Builder
	for _, r := range recs {
		body.WriteString(r.String())
	}
	if body.Len() > maxMap {
		return fmt.Errorf("pack: the extended attributes of a file take more than %d bytes", maxMap)
	}
	var b block
	b.setName("PaxHeaders.0/x")
	putOctal(b.mode(), 0o644)
	putOctal(b.uid(), 0)
	putOctal(b.gid(), 0)
	putOctal(b.mtime(), 0)
	putOctal(b.major(), 0)
	putOctal(b.minor(), 0)
	putOctal(b.size(), int64(body.Len()))
	b[156] = typePAX
	copy(b[257:], "ustar\x0000")
	b.seal()
	if _, err := w.w.Write(b[:]); err != nil {
		return err
	}
	if _, err := w.w.WriteString(body.String()); err != nil {
		return err
	}
	pad := int64(-body.Len() & (blockSize - 1))
	return w.zeros(&pad)
}

// String is "length key=value\n" with a length that counts itself.
func (r record) String() string {
	rest := " " + r.key + "=" + r.value + "\n"
	n := len(rest) + 1
	for len(strconv.Itoa(n))+len(rest) != n {
		n = len(strconv.Itoa(n)) + len(rest)
	}
	return strconv.Itoa(n) + rest
}

// formatTime writes seconds with as much of a fraction as there is.
func formatTime(t time.Time) string {
	s, ns := t.Unix(), int64(t.Nanosecond())
	sign := ""
	if s < 0 && ns > 0 {
		// -1.5 is second -2 and 500 ms.
		sign, s, ns = "-", -(s + 1), 1e9-ns
	}
	if ns == 0 {
		return strconv.FormatInt(s, 10)
	}
	return sign + strconv.FormatInt(s, 10) + "." + strings.TrimRight(fmt.Sprintf("%09d", ns), "0")
}

// sparseTable is the map of format 1.0, filled up to whole blocks.
func sparseTable(ps []piece) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d\n", len(ps))
	for _, p := range ps {
		fmt.Fprintf(&b, "%d\n%d\n", p.off, p.len)
	}
	b.WriteString(strings.Repeat("\x00", -b.Len()&(blockSize-1)))
	return b.String()
}
