package layer

import (
	"errors"
	"io"
	"slices"

	"github.com/coraclehq/coracle/internal/sys"
)

// copyUp makes the file target of the lower layers a file of this one, as
// overlayfs does when it gets a second name, and gives it that name. Where this
// layer has something else of the target's name, or hides it, the file gets the
// new name only.
func (u *unpacker) copyUp(p place, target string) error {
	t := u.tree
	if c, ok := t.copied[target]; ok && !c.dir.gone() {
		return t.linkTo(c.dir, c.base, p.dir, p.base)
	}
	tdir, tbase := split(target)
	tn, err := t.walk(tdir, true)
	if err != nil {
		return err
	}
	lower, st, src, err := t.source(tn, tbase, target)
	if err != nil {
		return err
	}
	defer lower.Close()
	defer src.Close()
	to := place{tn, tbase}
	if to == p {
		return formatErr("a hard link to itself")
	}
	taken, err := t.has(tn, tbase)
	if err != nil {
		return err
	}
	if taken {
		to = p
	}
	if done, err := u.copyTo(to, st, src, lower, tbase); err != nil || !done {
		return err
	}
	if t.settling {
		t.copied[target] = to
	}
	if to == p {
		return nil
	}
	return t.linkTo(tn, tbase, p.dir, p.base)
}

// source opens a file of the lower layers, and the directory that it is in.
func (t *tree) source(n *node, base, target string) (lower *sys.FD, st sys.Stat, src *sys.FD, err error) {
	if lower, err = t.below(n); err != nil {
		return nil, st, nil, err
	}
	if lower == nil {
		return nil, st, nil, noTarget(target)
	}
	st, src, err = peek(lower, base)
	if err == nil && src == nil {
		err = noTarget(target)
	}
	if err != nil {
		return nil, st, nil, errors.Join(err, lower.Close())
	}
	return lower, st, src, nil
}

func noTarget(target string) error {
	return formatErr("a hard link to %s, which is not there", quote(target))
}

// copyTo copies src, which is name in lower; it says whether there is a file now.
func (u *unpacker) copyTo(to place, st sys.Stat, src, lower *sys.FD, name string) (bool, error) {
	e := &entry{name: join(to.dir.path(), to.base), mode: st.Perm(), uid: st.UID, gid: st.GID, mtime: st.Mtim, size: st.Size}
	switch st.Type() {
	case sys.S_IFREG:
		e.typ = typeReg
		return true, u.copyFile(to, e, lower, name)
	case sys.S_IFLNK:
		target, err := src.Readlink("")
		if err != nil {
			return false, err
		}
		e.typ = typeSymlink
		return true, u.node(to.dir, to.base, e, func(fd *sys.FD) error { return fd.Symlink(target, to.base) })
	case sys.S_IFIFO:
		e.typ = typeFifo
		return true, u.node(to.dir, to.base, e, func(fd *sys.FD) error { return fd.Mknod(to.base, sys.S_IFIFO|0o600, 0) })
	case sys.S_IFCHR, sys.S_IFBLK:
		e.typ = typeBlock
		if st.Type() == sys.S_IFCHR {
			e.typ = typeChar
		}
		e.major, e.minor = sys.Major(st.Rdev), sys.Minor(st.Rdev)
		return u.o.Devices, u.device(to.dir, to.base, e)
	}
	return false, formatErr("a hard link to a directory")
}

func (u *unpacker) copyFile(to place, e *entry, lower *sys.FD, name string) error {
	if err := u.size.take(e.size); err != nil {
		return err
	}
	src, err := lower.Open(name, sys.O_RDONLY|sys.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer src.Close()
	var fd *sys.FD
	if _, err := u.tree.place(to.dir, to.base, func(dir *sys.FD) (err error) {
		fd, err = dir.Open(to.base, sys.O_WRONLY|sys.O_CREAT|sys.O_EXCL, 0o600)
		return err
	}); err != nil {
		return err
	}
	if err := u.copyData(fd, src, e.size); err != nil {
		return errors.Join(err, fd.Close())
	}
	xs, err := readXattrs(src, typeReg)
	if err != nil {
		return errors.Join(err, fd.Close())
	}
	return u.files.finish(job{fd: fd, name: e.name, meta: meta{e.mode, e.uid, e.gid, e.mtime}, xattrs: xs})
}

func (u *unpacker) copyData(dst, src *sys.FD, size int64) error {
	if u.buf == nil {
		u.buf = make([]byte, chunkSize)
	}
	for off := int64(0); off < size; {
		if err := u.ctx.Err(); err != nil {
			return err
		}
		n := min(size-off, chunkSize)
		if m, err := src.ReadAt(u.buf[:n], off); err == io.EOF {
			return &FormatError{Reason: "a file of a lower layer became shorter", Err: io.ErrUnexpectedEOF}
		} else if err != nil {
			return err
		} else if err := u.files.writeAt(dst, u.buf[:m], off, size); err != nil {
			return err
		}
		off += n
	}
	return nil
}

// readXattrs returns the extended attributes of fd that belong to an image, in
// order of name.
func readXattrs(fd *sys.FD, typ byte) ([]xattr, error) {
	names, err := fd.Xattrs()
	if errors.Is(err, sys.EOPNOTSUPP) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	var xs []xattr
	for _, name := range names {
		if !allowed(name, typ) {
			continue
		}
		v, err := fd.Xattr(name)
		if err != nil {
			return nil, err
		}
		xs = append(xs, xattr{name, string(v)})
	}
	return xs, nil
}

// copyXattrs copies the extended attributes that belong to an image.
func copyXattrs(to, from *sys.FD, typ byte) error {
	xs, err := readXattrs(from, typ)
	for _, x := range xs {
		if err == nil {
			err = to.SetXattr(x.name, []byte(x.value), 0)
		}
	}
	return err
}
