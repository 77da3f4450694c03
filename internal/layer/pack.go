package layer

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/coraclehq/coracle/internal/sys"
)

// PackOptions are how a directory becomes a layer. With the zero value, equal
// trees give equal bytes on every file system.
type PackOptions struct {
	// UserXattr is for an upper directory that was mounted with userxattr.
	UserXattr bool
	// Sparse writes files with holes as GNU's sparse files (PAX, 1.0). Without it
	// holes are zeros, as image-spec's layer.md asks for, which Unpack makes holes
	// again. Where the holes are depends on the file system, and so does the digest.
	Sparse bool
}

// Packed says what Pack and PackFS left out.
type Packed struct {
	Entries int64
	// Skipped are the first 100 sockets and attributes that do not belong to an
	// image, SkippedCount is how many there were.
	Skipped      []Skipped
	SkippedCount int64
}

// Pack writes the upper directory of an overlay, or any tree, as an uncompressed
// layer: whiteouts and opaque marks become ".wh." names, hard links stay links,
// the entries are sorted. The root has an entry of its own.
//
// The tree must not change meanwhile; a file that becomes shorter is an error. It
// cannot contain names that start in ".wh.", nor what overlayfs leaves with
// redirect_dir or metacopy switched on: both are errors that name the file.
func Pack(ctx context.Context, w io.Writer, upper *sys.FD, o PackOptions) (Packed, error) {
	p := &packer{ctx: ctx, o: o, w: newWriter(w), seen: map[inode]string{}}
	st, err := upper.Stat()
	if err == nil {
		err = p.dir(".", upper, st)
	}
	if err == nil {
		err = p.w.close()
	}
	if err != nil {
		return Packed{}, fmt.Errorf("pack: %w", err)
	}
	return p.res, nil
}

type inode struct{ dev, ino uint64 }

type packer struct {
	ctx  context.Context
	o    PackOptions
	w    *writer
	res  Packed
	seen map[inode]string // the first name of files that have several
	buf  []byte
}

func (p *packer) skip(name, what string) {
	p.res.SkippedCount++
	if len(p.res.Skipped) < maxSkipped {
		p.res.Skipped = append(p.res.Skipped, Skipped{name, what})
	}
}

func (p *packer) put(e *entry) error {
	p.res.Entries++
	return p.w.entry(e)
}

// dir writes a directory and what is in it. Each level holds one descriptor.
func (p *packer) dir(name string, fd *sys.FD, st sys.Stat) error {
	e := entryOf(name, st)
	xs, hides, err := p.xattrs(fd, name, typeDir)
	if err != nil {
		return err
	}
	e.xattrs = xs
	if err := p.put(e); err != nil {
		return err
	}
	if hides {
		if err := p.put(mark(join(name, whOpaque))); err != nil {
			return err
		}
	}
	names, err := fd.Names()
	if err != nil {
		return err
	}
	for _, base := range names {
		if err := p.ctx.Err(); err != nil {
			return err
		}
		if err := p.child(join(name, base), fd, base); err != nil {
			return err
		}
	}
	return nil
}

// mark is an entry that only its name matters of.
func mark(name string) *entry {
	return &entry{name: name, typ: typeReg, mode: 0o644, mtime: time.Unix(0, 0)}
}

func entryOf(name string, st sys.Stat) *entry {
	e := &entry{name: name, mode: st.Perm(), uid: st.UID, gid: st.GID, mtime: st.Mtim}
	switch st.Type() {
	case sys.S_IFREG:
		e.typ, e.size = typeReg, st.Size
	case sys.S_IFDIR:
		e.typ = typeDir
	case sys.S_IFLNK:
		e.typ, e.mode = typeSymlink, 0o777
	case sys.S_IFIFO:
		e.typ = typeFifo
	case sys.S_IFCHR, sys.S_IFBLK:
		e.typ = typeBlock
		if st.Type() == sys.S_IFCHR {
			e.typ = typeChar
		}
		e.major, e.minor = sys.Major(st.Rdev), sys.Minor(st.Rdev)
	}
	return e
}

func (p *packer) child(name string, dir *sys.FD, base string) error {
	if len(name) > pathMax-len("/"+whPrefix) {
		return fmt.Errorf("%s: the name is longer than %d bytes", quote(name), pathMax)
	}
	if strings.HasPrefix(base, whPrefix) {
		return fmt.Errorf("%s: the name is reserved for whiteouts", quote(name))
	}
	st, err := dir.StatAt(base, false)
	if err != nil {
		return err
	}
	switch {
	case isWhiteout(st):
		parent, _ := split(name)
		return p.put(mark(join(parent, whPrefix+base)))
	case st.Type() == sys.S_IFSOCK:
		p.skip(name, "a socket")
		return nil
	case st.IsDir():
		// What Unpack would refuse, nobody could pull.
		if most := (Limits{}).filled().Depth; int64(strings.Count(name, "/")) >= most {
			return fmt.Errorf("%s: %w", quote(name), &LimitError{Limit: "Depth", Max: most})
		}
		sub, err := dir.Open(base, sys.O_RDONLY|sys.O_DIRECTORY, 0)
		if err != nil {
			return err
		}
		defer sub.Close()
		return p.dir(name, sub, st)
	}
	return p.leaf(name, dir, base, st)
}

// leaf packs what is neither a directory nor a mark.
func (p *packer) leaf(name string, dir *sys.FD, base string, st sys.Stat) (err error) {
	e := entryOf(name, st)
	if st.Nlink > 1 {
		if first, ok := p.seen[inode{st.Dev, st.Ino}]; ok {
			e.typ, e.link, e.size, e.major, e.minor = typeLink, first, 0, 0, 0
			return p.put(e)
		}
		p.seen[inode{st.Dev, st.Ino}] = name
	}
	switch st.Type() {
	case sys.S_IFREG:
		return p.file(e, dir, base, st.Blocks*512 < st.Size)
	case sys.S_IFLNK:
		if e.link, err = dir.Readlink(base); err != nil {
			return err
		}
	}
	return p.put(e)
}
