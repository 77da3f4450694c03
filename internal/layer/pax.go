package layer

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Keywords of PAX extended headers that mean something here (pax(1), "pax
// Extended Header"; the GNU tar manual, "Storing Sparse Files"; star's SCHILY.*).
const (
	paxPath        = "path"
	paxLinkpath    = "linkpath"
	paxSize        = "size"
	paxUID         = "uid"
	paxGID         = "gid"
	paxMtime       = "mtime"
	paxXattr       = "SCHILY.xattr."
	paxSparse      = "GNU.sparse."
	paxSparseMajor = paxSparse + "major"
	paxSparseMinor = paxSparse + "minor"
	paxSparseName  = paxSparse + "name"
	paxSparseReal  = paxSparse + "realsize"
	paxSparseSize  = paxSparse + "size"
	paxSparseMap   = paxSparse + "map"
	paxSparseCount = paxSparse + "numblocks"
	paxSparseOff   = paxSparse + "offset"
	paxSparseLen   = paxSparse + "numbytes"
)

// records are those of one extended header.
type records struct {
	values map[string]string
	// Format 0.0 of sparse files repeats two keywords for each piece.
	pieces []string
}

// parsePAX reads "length key=value\n" to the end.
func parsePAX(s string) (r records, err error) {
	r.values = map[string]string{}
	for s != "" {
		digits, rest, ok := strings.Cut(s, " ")
		n, nerr := strconv.Atoi(digits)
		if !ok || nerr != nil || digits[0] < '1' || digits[0] > '9' || n > len(s) || n-len(digits)-1 < len("k=\n") {
			return r, formatErr("a PAX record has no proper length")
		}
		n -= len(digits) + 1
		rec := rest[:n]
		s = rest[n:]
		key, value, ok := strings.Cut(rec[:n-1], "=")
		switch {
		case rec[n-1] != '\n':
			return r, formatErr("a PAX record does not end where its length says")
		case !ok || key == "" || strings.IndexByte(key, 0) >= 0:
			return r, formatErr("a PAX record has no proper keyword")
		}
		if err := r.add(key, value); err != nil {
			return r, err
		}
	}
	return r, nil
}

func (r *records) add(key, value string) error {
	_, seen := r.values[key]
	switch key {
	case paxPath, paxLinkpath, paxSize, paxSparseName, paxSparseReal, paxSparseSize, paxSparseMap:
		// The last one would count, for those who read all of them.
		if seen {
			return formatErr("the PAX record %s is given twice", key)
		}
		if strings.IndexByte(value, 0) >= 0 {
			return formatErr("the PAX record %s contains a NUL byte", key)
		}
	case "uname", "gname":
		if strings.IndexByte(value, 0) >= 0 {
			return formatErr("the PAX record %s contains a NUL byte", key)
		}
	case paxSparseOff, paxSparseLen:
		if (len(r.pieces)%2 == 0) != (key == paxSparseOff) {
			return formatErr("the PAX records of a sparse file are out of order")
		}
		r.pieces = append(r.pieces, value)
		return nil
	}
	r.values[key] = value
	return nil
}

// checkGlobal refuses the records of a global header that would change entries:
// of all the programs that unpack layers none applies them, most tars do.
func (r *records) checkGlobal() error {
	for _, key := range slices.Sorted(maps.Keys(r.values)) {
		switch {
		case key == paxPath, key == paxLinkpath, key == paxSize, key == paxUID, key == paxGID, key == paxMtime,
			strings.HasPrefix(key, paxSparse), strings.HasPrefix(key, paxXattr):
			return formatErr("a global header sets %s", quote(key))
		}
	}
	if len(r.pieces) > 0 {
		return formatErr("a global header describes a sparse file")
	}
	return nil
}

// merge applies the records to the header of the entry that they precede. An
// empty value means that there is no record.
func (r *records) merge(h *header) error {
	if v := r.values[paxPath]; v != "" {
		h.name = v
	}
	if v := r.values[paxLinkpath]; v != "" {
		h.link = v
	}
	for _, f := range []struct {
		key string
		to  *int64
	}{{paxUID, &h.uid}, {paxGID, &h.gid}} {
		if v := r.values[f.key]; v != "" {
			n, err := decimal(v)
			if err != nil {
				return formatErr("the PAX record %s is not a number", f.key)
			}
			*f.to = n
		}
	}
	if v := r.values[paxMtime]; v != "" {
		t, err := paxTime(v)
		if err != nil {
			return err
		}
		h.mtime = t
	}
	return r.mergeSize(h)
}

// mergeSize takes the size of a PAX record only where the header could not hold
// it: a parser that reads one and a parser that reads the other would see
// different archives (CVE-2025-62518).
func (r *records) mergeSize(h *header) error {
	v := r.values[paxSize]
	if v == "" {
		return nil
	}
	n, err := decimal(v)
	if err != nil {
		return formatErr("the PAX record size is not a number")
	}
	const most = 1<<33 - 1 // eleven octal digits
	if n != h.size && n <= most {
		return formatErr("the header says size %d, its PAX record %d", h.size, n)
	}
	h.size = n
	return nil
}

// xattrs returns the extended attributes in the records, in order of name.
func (r *records) xattrs() []xattr {
	var xs []xattr
	for k, v := range r.values {
		if name, ok := strings.CutPrefix(k, paxXattr); ok && name != "" {
			xs = append(xs, xattr{name, v})
		}
	}
	slices.SortFunc(xs, func(a, b xattr) int { return strings.Compare(a.name, b.name) })
	return xs
}

// decimal reads what strconv.ParseInt does, less signs of plus.
func decimal(s string) (int64, error) {
	if strings.HasPrefix(s, "+") {
		return 0, strconv.ErrSyntax
	}
	return strconv.ParseInt(s, 10, 64)
}

// paxTime reads seconds with an optional fraction.
func paxTime(s string) (time.Time, error) {
	bad := formatErr("the PAX record mtime is not a time")
	secs, frac, _ := strings.Cut(s, ".")
	n, err := decimal(secs)
	if err != nil {
		return time.Time{}, bad
	}
	if strings.IndexFunc(frac, func(r rune) bool { return r < '0' || r > '9' }) >= 0 {
		return time.Time{}, bad
	}
	nanos, _ := strconv.ParseInt((frac + "000000000")[:9], 10, 64)
	if secs[0] == '-' {
		nanos = -nanos
	}
	return time.Unix(n, nanos), nil
}
