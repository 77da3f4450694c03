package layer

import (
	"strings"
)

// extended is what extended headers say about the entry that they precede.
type extended struct {
	pax        *records
	name, link *string // GNU's
}

func (x *extended) any() bool { return x.pax != nil || x.name != nil || x.link != nil }

// extend reads an extended header.
func (r *reader) extend(x *extended, h *header) error {
	if h.size > maxMap {
		return formatErr("an extended header is longer than %d bytes", maxMap)
	}
	buf := make([]byte, h.size)
	if err := r.full(buf); err != nil {
		return err
	}
	r.setData(0)
	r.pad = -h.size & (blockSize - 1)
	if err := r.skip(); err != nil {
		return err
	}
	if h.typ == typeGNUName || h.typ == typeGNULink {
		return x.long(h.typ, text(buf))
	}
	rec, err := parsePAX(string(buf))
	switch {
	case err != nil:
		return err
	case h.typ == typePAXGlobal && x.any():
		return formatErr("a global header between an extended one and its entry")
	case h.typ == typePAXGlobal:
		return rec.checkGlobal()
	case x.pax != nil:
		return formatErr("two PAX headers for one entry")
	}
	x.pax = &rec
	return nil
}

func (x *extended) long(typ byte, s string) error {
	to := &x.name
	if typ == typeGNULink {
		to = &x.link
	}
	switch {
	case *to != nil:
		return formatErr("two long names for one entry")
	case s == "":
		return formatErr("a long name that is empty")
	}
	*to = &s
	return nil
}

// merge makes one header of the block and its extended headers.
func (x *extended) merge(h *header) error {
	if x.pax != nil {
		if err := x.pax.merge(h); err != nil {
			return err
		}
	}
	for _, l := range []struct {
		gnu *string
		key string
		to  *string
	}{{x.name, paxPath, &h.name}, {x.link, paxLinkpath, &h.link}} {
		if l.gnu == nil {
			continue
		}
		if x.pax != nil && x.pax.values[l.key] != "" && x.pax.values[l.key] != *l.gnu {
			return formatErr("GNU and PAX headers disagree about the %s", l.key)
		}
		*l.to = *l.gnu
	}
	return nil
}

// entry finishes an entry whose extended headers have been read.
func (r *reader) entry(h *header, x *extended, b *block) (*entry, error) {
	if err := x.merge(h); err != nil {
		return nil, err
	}
	r.raw = h.name
	if x.pax == nil {
		x.pax = &records{}
	}
	e := &entry{size: h.size, mtime: h.mtime, mode: uint32(h.mode) & 0o7777, xattrs: x.pax.xattrs()}
	if h.mode < 0 {
		return nil, formatErr("the mode is negative")
	}
	var err error
	if e.typ, err = entryType(h); err != nil {
		return nil, err
	}
	if e.typ != typeReg && h.size != 0 {
		// Some parsers would skip that much, others none.
		return nil, formatErr("an entry of type %q has a size", e.typ)
	}
	if h.size < 0 {
		return nil, formatErr("the size is negative")
	}
	r.setData(h.size)
	if err := r.sparse(e, h, x.pax, b); err != nil {
		return nil, err
	}
	if e.isSparse {
		if err := e.checkMap(r.left); err != nil {
			return nil, err
		}
	}
	r.raw = h.name
	return e, e.finish(h)
}

// finish checks names and numbers.
func (e *entry) finish(h *header) (err error) {
	if e.typ == typeReg && strings.HasSuffix(h.name, "/") {
		// A directory for GNU tar, a file for others.
		return formatErr("a regular file whose name ends in a slash")
	}
	if e.name, err = clean(h.name); err != nil {
		return err
	}
	switch e.typ {
	case typeLink:
		if e.link, err = clean(h.link); err != nil {
			err.(*FormatError).Reason = "link target: " + err.(*FormatError).Reason
			return err
		}
	case typeSymlink:
		e.link = h.link
		if e.link == "" || len(e.link) > pathMax || strings.IndexByte(e.link, 0) >= 0 {
			return formatErr("the target of a symbolic link is empty, contains NUL or is longer than %d bytes", pathMax)
		}
	case typeChar, typeBlock:
		if e.major, e.minor, err = device(h); err != nil {
			return err
		}
	}
	e.uid, err = id("uid", h.uid)
	if err != nil {
		return err
	}
	e.gid, err = id("gid", h.gid)
	return err
}

// id refuses what is no number of a user: 4294967295 is chown(2)'s "leave as it
// is", by which the file would stay root's.
func id(what string, n int64) (uint32, error) {
	if n < 0 || n >= 1<<32-1 {
		return 0, formatErr("%s %d is not between 0 and 4294967294", what, n)
	}
	return uint32(n), nil
}

// device checks a device number against the kernel's 12 and 20 bits.
func device(h *header) (major, minor uint32, err error) {
	if h.major < 0 || h.major >= 1<<12 || h.minor < 0 || h.minor >= 1<<20 {
		return 0, 0, formatErr("there is no device %d:%d", h.major, h.minor)
	}
	return uint32(h.major), uint32(h.minor), nil
}

func entryType(h *header) (byte, error) {
	switch h.typ {
	case typeRegOld:
		if strings.HasSuffix(h.name, "/") {
			return typeDir, nil
		}
		return typeReg, nil
	case typeReg, typeCont, typeGNUSparse:
		return typeReg, nil
	case typeLink, typeSymlink, typeChar, typeBlock, typeDir, typeFifo:
		return h.typ, nil
	}
	// POSIX would have unknown types read as regular files; no two programs agree.
	return 0, formatErr("unknown type %q", h.typ)
}
