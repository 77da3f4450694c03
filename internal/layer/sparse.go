package layer

import (
	"bytes"
	"strconv"
	"strings"
)

// piece is a run of data in a file; what lies between pieces is a hole.
type piece struct{ off, len int64 }

// maxMap bounds the description of a sparse file, and every other header that
// is as long as it says: 1 MiB describes 50,000 pieces.
const maxMap = 1 << 20

// sparse finds out whether the entry is a sparse file, in any of its four forms,
// and if so sets its name, size and pieces.
func (r *reader) sparse(e *entry, h *header, rec *records, b *block) (err error) {
	if h.typ == typeGNUSparse {
		if h.dialect != dialectGNU {
			// star uses the letter for another layout.
			return formatErr("a sparse file that is not in GNU's format")
		}
		size, ok := number(b[483:495])
		if !ok {
			return formatErr("the size of a sparse file is not a number")
		}
		e.size, e.isSparse = size, true
		e.pieces, err = r.oldMap(b)
		return err
	}
	switch version := rec.values[paxSparseMajor] + "." + rec.values[paxSparseMinor]; version {
	case "1.0":
		e.isSparse = true
	case "0.0", "0.1":
		e.isSparse = true
	case ".":
		_, mapped := rec.values[paxSparseMap]
		e.isSparse = mapped || len(rec.pieces) > 0
		if !e.isSparse {
			return rec.noSparse()
		}
	default:
		// Read as an ordinary file it would have other contents.
		return formatErr("a sparse file of unknown version %s", quote(version))
	}
	if e.typ != typeReg {
		return formatErr("a sparse file that is not a regular file")
	}
	if v := rec.values[paxSparseName]; v != "" {
		h.name = v
	}
	if e.size, err = rec.realSize(h.size); err != nil {
		return err
	}
	if rec.values[paxSparseMajor] == "1" {
		e.pieces, err = r.mapInData()
	} else {
		e.pieces, err = rec.mapInRecords()
	}
	return err
}

// noSparse refuses leftovers of a sparse file's description, which some parsers
// would obey.
func (r *records) noSparse() error {
	for k := range r.values {
		if strings.HasPrefix(k, paxSparse) {
			return formatErr("an incomplete description of a sparse file")
		}
	}
	return nil
}

func (r *records) realSize(size int64) (int64, error) {
	real, stored := r.values[paxSparseReal], r.values[paxSparseSize]
	if real != "" && stored != "" && real != stored {
		return 0, formatErr("a sparse file with two sizes")
	}
	if real == "" {
		real = stored
	}
	if real == "" {
		return size, nil
	}
	n, err := decimal(real)
	if err != nil {
		return 0, formatErr("the size of a sparse file is not a number")
	}
	return n, nil
}

// oldMap reads the map of GNU's old format: four pieces in the header, more in
// blocks behind it.
func (r *reader) oldMap(b *block) (ps []piece, err error) {
	table, more := b[386:482], b[482]
	for read := 0; ; read += blockSize {
		for ; len(table) >= 24 && table[0] != 0; table = table[24:] {
			off, ok1 := number(table[:12])
			n, ok2 := number(table[12:24])
			if !ok1 || !ok2 {
				return nil, formatErr("the map of a sparse file is not made of numbers")
			}
			ps = append(ps, piece{off, n})
		}
		if more == 0 {
			return ps, nil
		}
		if read >= maxMap {
			return nil, formatErr("the map of a sparse file is longer than %d bytes", maxMap)
		}
		var next block
		if err := r.full(next[:]); err != nil {
			return nil, err
		}
		table, more = next[:504], next[504]
	}
}

// mapInRecords reads the maps of formats 0.0 and 0.1.
func (r *records) mapInRecords() ([]piece, error) {
	numbers := r.pieces
	if v, ok := r.values[paxSparseMap]; ok {
		if numbers != nil {
			return nil, formatErr("a sparse file with two maps")
		}
		if v != "" {
			numbers = strings.Split(v, ",")
		}
	}
	count, err := decimal(r.values[paxSparseCount])
	if err != nil || count < 0 || count > maxMap || int(2*count) != len(numbers) {
		return nil, formatErr("the map of a sparse file does not have as many pieces as it says")
	}
	return pieces(numbers)
}

// mapInData reads the map of format 1.0, lines of decimal numbers that come
// before the contents, in whole blocks.
func (r *reader) mapInData() ([]piece, error) {
	var numbers []string
	var buf []byte
	want := 1
	for total := 0; ; total += blockSize {
		for len(numbers) < want {
			i := bytes.IndexByte(buf, '\n')
			if i < 0 {
				break
			}
			numbers, buf = append(numbers, string(buf[:i])), buf[i+1:]
			if len(numbers) > 1 {
				continue
			}
			n, err := decimal(numbers[0])
			if err != nil || n < 0 || n > maxMap {
				return nil, formatErr("the map of a sparse file has no proper length")
			}
			want += int(2 * n)
		}
		if len(numbers) == want {
			return pieces(numbers[1:])
		}
		if total >= maxMap || r.left < blockSize {
			return nil, formatErr("the map of a sparse file does not end")
		}
		var b block
		if err := r.full(b[:]); err != nil {
			return nil, err
		}
		r.left -= blockSize
		buf = append(buf, b[:]...)
	}
}

func pieces(numbers []string) ([]piece, error) {
	ps := make([]piece, 0, len(numbers)/2)
	for ; len(numbers) > 0; numbers = numbers[2:] {
		off, err1 := strconv.ParseInt(numbers[0], 10, 64)
		n, err2 := strconv.ParseInt(numbers[1], 10, 64)
		if err1 != nil || err2 != nil {
			return nil, formatErr("the map of a sparse file is not made of numbers")
		}
		ps = append(ps, piece{off, n})
	}
	return ps, nil
}

// checkMap demands pieces in order, apart from each other, inside the file, and
// as much stored data as they need.
func (e *entry) checkMap(stored int64) error {
	var end, sum int64
	for _, p := range e.pieces {
		if p.off < end || p.len < 0 || p.len > e.size || p.off > e.size-p.len {
			return formatErr("the pieces of a sparse file overlap or lie outside of it")
		}
		end = p.off + p.len
		sum += p.len
	}
	if sum != stored {
		return formatErr("a sparse file has %d bytes in pieces and %d in the archive", sum, stored)
	}
	return nil
}
