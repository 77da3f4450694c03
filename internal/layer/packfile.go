package layer

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/coraclehq/coracle/internal/sys"
)

// file packs a regular file, which has holes only if it takes less than its size.
func (p *packer) file(e *entry, dir *sys.FD, base string, holes bool) error {
	// NONBLOCK: should the name be a fifo by now, opening it must not wait.
	fd, err := dir.Open(base, sys.O_RDONLY|sys.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer fd.Close()
	if e.xattrs, _, err = p.xattrs(fd, e.name, typeReg); err != nil {
		return err
	}
	data := []piece{{0, e.size}}
	if holes {
		// lseek(2): a file system that knows no holes says that all is data.
		if data, err = dataOf(fd, e.size); err != nil {
			return err
		}
		holes = len(data) != 1 || data[0].len != e.size
	}
	if p.o.Sparse && holes {
		e.isSparse, e.pieces = true, data
	}
	if err := p.put(e); err != nil {
		return err
	}
	return p.contents(e, fd, data)
}

// contents writes the pieces of data, and zeros between them unless the entry
// says where they lie.
func (p *packer) contents(e *entry, fd *sys.FD, data []piece) error {
	if p.buf == nil {
		p.buf = make([]byte, chunkSize)
	}
	var at int64
	for _, d := range data {
		if gap := d.off - at; gap > 0 && !e.isSparse {
			if err := p.zeros(gap); err != nil {
				return err
			}
		}
		for at = d.off; at < d.off+d.len; {
			if err := p.ctx.Err(); err != nil {
				return err
			}
			n := min(d.off+d.len-at, chunkSize)
			if _, err := fd.ReadAt(p.buf[:n], at); err == io.EOF {
				return fmt.Errorf("%s became shorter: %w", quote(e.name), io.ErrUnexpectedEOF)
			} else if err != nil {
				return err
			}
			if _, err := p.w.Write(p.buf[:n]); err != nil {
				return err
			}
			at += n
		}
	}
	if e.isSparse {
		return nil
	}
	return p.zeros(e.size - at)
}

func (p *packer) zeros(n int64) error {
	if n == 0 {
		return nil
	}
	clear(p.buf)
	for n > 0 {
		if err := p.ctx.Err(); err != nil {
			return err
		}
		m, err := p.w.Write(p.buf[:min(n, chunkSize)])
		n -= int64(m)
		if err != nil {
			return err
		}
	}
	return nil
}

// dataOf returns the pieces of a file that are not holes.
func dataOf(fd *sys.FD, size int64) (ps []piece, err error) {
	for at := int64(0); at < size; {
		start, err := fd.Seek(at, sys.SEEK_DATA)
		if errors.Is(err, sys.ENXIO) {
			break
		}
		if err != nil {
			return nil, err
		}
		end, err := fd.Seek(start, sys.SEEK_HOLE)
		if err != nil {
			return nil, err
		}
		if start = min(start, size); start == size {
			break
		}
		end = min(end, size)
		ps = append(ps, piece{start, end - start})
		at = end
	}
	return ps, nil
}

// xattrs returns those that belong to an image, and whether overlayfs' mark is
// among the others.
func (p *packer) xattrs(fd *sys.FD, name string, typ byte) (xs []xattr, hides bool, err error) {
	names, err := fd.Xattrs()
	if errors.Is(err, sys.EOPNOTSUPP) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	prefix := overlayXattr
	if p.o.UserXattr {
		prefix = overlayUserXattr
	}
	slices.Sort(names)
	for _, n := range names {
		switch what, own := strings.CutPrefix(n, prefix); {
		case own:
			h, err := overlayMark(fd, n, what)
			if err != nil {
				return nil, false, fmt.Errorf("%s: %w", quote(name), err)
			}
			hides = hides || h
		case allowed(n, typ):
			v, err := fd.Xattr(n)
			if err != nil {
				return nil, false, err
			}
			xs = append(xs, xattr{n, string(v)})
		default:
			p.skip(name, "the attribute "+quote(n))
		}
	}
	return xs, hides, nil
}

// overlayMark understands an attribute of overlayfs (Documentation/filesystems/
// overlayfs.rst): what describes other layers is of no use in an archive.
func overlayMark(fd *sys.FD, attr, what string) (hides bool, err error) {
	switch what {
	case "opaque":
		v, err := fd.Xattr(attr)
		return string(v) == "y", err
	case "redirect", "metacopy":
		return false, fmt.Errorf("the file is elsewhere (overlayfs' %s), and the layer would not have it", what)
	}
	return false, nil // origin, impure, nlink, ...: caches
}
