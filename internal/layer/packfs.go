package layer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"time"
)

// PackFS writes an fs.FS as an uncompressed layer. Everything belongs to root;
// permissions and times are those that fsys tells, a zero time is 1970. A file
// system that has symbolic links must be an fs.ReadLinkFS. Files of other types
// than regular, directory and symbolic link are left out and recorded. Names that
// start in ".wh." are refused.
//
// embed.FS says 0444 of all files: who packs programs from one wraps it.
func PackFS(ctx context.Context, w io.Writer, fsys fs.FS) (Packed, error) {
	p := &fsPacker{fsys: fsys, packer: packer{ctx: ctx, w: newWriter(w)}}
	err := fs.WalkDir(fsys, ".", p.visit)
	if err == nil {
		err = p.w.close()
	}
	if err != nil {
		return Packed{}, fmt.Errorf("pack: %w", err)
	}
	return p.res, nil
}

type fsPacker struct {
	packer
	fsys fs.FS
}

func (p *fsPacker) visit(name string, d fs.DirEntry, err error) error {
	if err != nil {
		return err
	}
	if err := p.ctx.Err(); err != nil {
		return err
	}
	if strings.HasPrefix(path.Base(name), whPrefix) {
		return fmt.Errorf("%s: the name is reserved for whiteouts", quote(name))
	}
	if _, err := clean(name); err != nil {
		return fmt.Errorf("%s: %w", quote(name), err)
	}
	info, err := d.Info()
	if err != nil {
		return err
	}
	e := &entry{name: name, mode: permOf(info.Mode()), mtime: info.ModTime()}
	if e.mtime.IsZero() {
		e.mtime = time.Unix(0, 0)
	}
	switch info.Mode().Type() {
	case fs.ModeDir:
		e.typ = typeDir
		return p.put(e)
	case fs.ModeSymlink:
		e.typ, e.mode = typeSymlink, 0o777
		if e.link, err = fs.ReadLink(p.fsys, name); err != nil {
			return err
		}
		return p.put(e)
	case 0:
		e.typ, e.size = typeReg, info.Size()
		return p.file(e)
	}
	p.skip(name, "a file of type "+info.Mode().Type().String())
	return nil
}

func (p *fsPacker) file(e *entry) (err error) {
	f, err := p.fsys.Open(e.name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := p.put(e); err != nil {
		return err
	}
	n, err := io.CopyBuffer(p.w, io.LimitReader(ctxReader{p.ctx, f}, e.size), p.buffer())
	if err == nil && n < e.size {
		err = fmt.Errorf("%s became shorter: %w", quote(e.name), io.ErrUnexpectedEOF)
	}
	return err
}

func (p *fsPacker) buffer() []byte {
	if p.buf == nil {
		p.buf = make([]byte, chunkSize)
	}
	return p.buf
}

// ctxReader ends with the context.
type ctxReader struct {
	ctx context.Context
	r   io.Reader
}

func (c ctxReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

// permOf gives the permissions in stat(2)'s numbers.
func permOf(m fs.FileMode) uint32 {
	perm := uint32(m.Perm())
	for _, b := range []struct {
		from fs.FileMode
		to   uint32
	}{{fs.ModeSetuid, 0o4000}, {fs.ModeSetgid, 0o2000}, {fs.ModeSticky, 0o1000}} {
		if m&b.from != 0 {
			perm |= b.to
		}
	}
	return perm
}
