package layer

import (
	"errors"
	"io"

	"github.com/coraclehq/coracle/internal/sys"
)

// file makes a regular file.
func (u *unpacker) file(n *node, base string, e *entry) error {
	if err := u.size.take(e.size); err != nil {
		return err
	}
	xs, err := u.pick(e)
	if err != nil {
		return err
	}
	var fd *sys.FD
	if _, err := u.tree.place(n, base, func(dir *sys.FD) (err error) {
		fd, err = dir.Open(base, sys.O_WRONLY|sys.O_CREAT|sys.O_EXCL, 0o600)
		return err
	}); err != nil {
		return err
	}
	j := job{fd: fd, name: e.name, meta: meta{e.mode, e.uid, e.gid, e.mtime}, xattrs: xs}
	if !e.isSparse && e.size <= smallFile {
		if e.size > 0 {
			buf := u.files.buffer()
			if _, err := io.ReadFull(u.r, buf[:e.size]); err != nil {
				u.files.bufs <- buf
				return errors.Join(err, fd.Close())
			}
			j.data = buf[:e.size]
		}
		return u.files.submit(j)
	}
	if err := u.stream(fd, e); err != nil {
		return errors.Join(err, fd.Close())
	}
	return u.files.submit(j)
}

// stream writes a file while it is read.
func (u *unpacker) stream(fd *sys.FD, e *entry) error {
	ps := e.pieces
	if !e.isSparse {
		ps = []piece{{0, e.size}}
	} else if err := fd.Truncate(e.size); err != nil {
		return err
	}
	if u.buf == nil {
		u.buf = make([]byte, chunkSize)
	}
	for _, p := range ps {
		for end := p.off + p.len; p.off < end; {
			if err := u.ctx.Err(); err != nil {
				return err
			}
			// To a multiple of the chunk, so that holes are found.
			n := min(end-p.off, chunkSize-p.off%chunkSize)
			if _, err := io.ReadFull(u.r, u.buf[:n]); err != nil {
				return err
			}
			if err := u.files.writeAt(fd, u.buf[:n], p.off, e.size); err != nil {
				return err
			}
			p.off += n
		}
	}
	return nil
}
