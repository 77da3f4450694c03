package layer

import (
	"errors"

	"github.com/coraclehq/coracle/internal/sys"
)

// apply makes one entry.
func (u *unpacker) apply(e *entry) error {
	kind, dir, base, err := classify(e.name)
	if err != nil {
		return err
	}
	if kind == ignored {
		u.skip(e.name, "a file of AUFS")
		return nil
	}
	if e.name == "." {
		return u.applyRoot(e)
	}
	// AUFS made whiteouts hard links to each other.
	if kind != ordinary && e.typ != typeReg && e.typ != typeLink {
		return formatErr("a whiteout that is not a file")
	}
	n, err := u.tree.walk(dir, true)
	if err != nil {
		return err
	}
	switch kind {
	case opaque:
		return u.obscure(n)
	case whiteout:
		return u.hide(n, base)
	}
	delete(u.skipped, place{n, base})
	switch e.typ {
	case typeDir:
		return u.mkdir(n, base, e)
	case typeReg:
		return u.file(n, base, e)
	case typeLink:
		return u.link(n, base, e)
	case typeSymlink:
		return u.node(n, base, e, func(fd *sys.FD) error { return fd.Symlink(e.link, base) })
	case typeFifo:
		return u.node(n, base, e, func(fd *sys.FD) error { return fd.Mknod(base, sys.S_IFIFO|0o600, 0) })
	default:
		return u.device(n, base, e)
	}
}

// applyRoot takes the metadata of the root itself, which is a directory.
func (u *unpacker) applyRoot(e *entry) error {
	if e.typ != typeDir {
		return formatErr("the root of the layer is not a directory")
	}
	return u.describe(u.tree.root, e)
}

// hide makes a whiteout. It is about the lower layers only, wherever in the
// archive it stands: a directory of this layer of the same name then shows
// nothing of theirs, and any other file hides them already.
func (u *unpacker) hide(n *node, base string) error {
	t := u.tree
	if child := n.children[base]; child != nil {
		child.opaque, child.fresh = true, true
		return t.disown(child)
	}
	t.leans = true
	if u.bottom() || t.byName[place{n, base}] != nil {
		return nil
	}
	if u.o.Defer {
		return t.whiteout(n, base)
	}
	// overlayfs shows a whiteout of nothing in the listing of a directory that
	// is in one layer only, as a name that cannot be looked at.
	_, seen, err := t.look(n, base)
	if seen == nil || err != nil {
		return err
	}
	defer seen.Close()
	return t.whiteout(n, base)
}

// obscure makes a directory opaque: its own metadata stays.
func (u *unpacker) obscure(n *node) error {
	if n.opaque {
		return nil
	}
	n.opaque = true
	for _, c := range n.children {
		if err := u.tree.disown(c); err != nil {
			return err
		}
	}
	return nil
}

func (u *unpacker) mkdir(n *node, base string, e *entry) error {
	child := n.children[base]
	if child == nil {
		var err error
		if child, err = u.tree.mkdir(n, base); err != nil {
			return err
		}
	}
	return u.describe(child, e)
}

// describe takes an entry for a directory. Of several, the last one counts.
func (u *unpacker) describe(n *node, e *entry) error {
	n.explicit = true
	n.meta = meta{mode: e.mode, uid: e.uid, gid: e.gid, mtime: e.mtime}
	xs, err := u.pick(e)
	if err != nil || len(xs) == 0 && !n.xattrs {
		return err
	}
	fd, err := u.tree.dir(n)
	if err != nil {
		return err
	}
	if n.xattrs {
		if err := clearXattrs(fd); err != nil {
			return err
		}
	}
	n.xattrs = true
	return u.files.setXattrs(fd, e.name, xs)
}

// clearXattrs removes the extended attributes that a layer can have set.
func clearXattrs(fd *sys.FD) error {
	names, err := fd.Xattrs()
	if err != nil {
		return err
	}
	for _, name := range names {
		if allowed(name, typeDir) {
			if err := fd.RemoveXattr(name); err != nil {
				return err
			}
		}
	}
	return nil
}

// node makes what has no contents, and sets its metadata by its name: a link or
// a fifo cannot be opened for it.
func (u *unpacker) node(n *node, base string, e *entry, make func(*sys.FD) error) error {
	if _, err := u.pick(e); err != nil {
		return err
	}
	if _, err := u.tree.place(n, base, make); err != nil {
		return err
	}
	fd, err := u.tree.dir(n)
	if err != nil {
		return err
	}
	return setMetaAt(fd, base, meta{e.mode, e.uid, e.gid, e.mtime}, e.typ != typeSymlink)
}

// setMetaAt sets owner, mode and time of a name that is known to be no link, or
// without chmod a link's.
func setMetaAt(fd *sys.FD, base string, m meta, chmod bool) error {
	if err := fd.ChownAt(base, int(m.uid), int(m.gid)); err != nil {
		return err
	}
	if chmod { // after chown(2), which clears set-user-ID
		if err := fd.ChmodAt(base, m.mode); err != nil {
			return err
		}
	}
	return fd.UtimesAt(base, m.mtime, m.mtime)
}

func (u *unpacker) device(n *node, base string, e *entry) error {
	mode := uint32(sys.S_IFBLK)
	if e.typ == typeChar {
		mode = sys.S_IFCHR
		if e.major == 0 && e.minor == 0 {
			return formatErr("a character device 0:0, which is a whiteout to overlayfs")
		}
	}
	if !u.o.Devices {
		return u.leaveOut(n, base, e, "a device")
	}
	return u.node(n, base, e, func(fd *sys.FD) error {
		return fd.Mknod(base, mode|0o600, sys.Mkdev(e.major, e.minor))
	})
}

// leaveOut leaves a name free, also if the layer had something there before.
func (u *unpacker) leaveOut(n *node, base string, e *entry, what string) error {
	u.skip(e.name, what)
	if err := u.tree.free(n, base); err != nil {
		return err
	}
	if u.skipped == nil {
		u.skipped = map[place]bool{}
	}
	u.skipped[place{n, base}] = true
	return u.tree.memory.take(int64(len(base)) + linkCost)
}

// link makes a hard link, to the object as it is: a link's target is not
// followed. The entry's own metadata is that of the first name.
func (u *unpacker) link(n *node, base string, e *entry) error {
	t := u.tree
	if kind, _, _, err := classify(e.link); err != nil || kind != ordinary {
		return formatErr("a hard link to a whiteout")
	}
	tdir, tbase := split(e.link)
	tn, err := t.walk(tdir, false)
	switch {
	case err != nil:
		return err
	case tn == n && tbase == base || e.link == ".":
		return formatErr("a hard link to itself")
	case tn == nil:
		return u.linkLower(n, base, e)
	case u.skipped[place{tn, tbase}]:
		return u.leaveOut(n, base, e, "a link to a device")
	case tn.children[tbase] != nil:
		return formatErr("a hard link to a directory")
	}
	tfd, err := t.dir(tn)
	if err != nil {
		return err
	}
	st, err := tfd.StatAt(tbase, false)
	switch {
	case errors.Is(err, sys.ENOENT), err == nil && isWhiteout(st):
		return u.linkLower(n, base, e)
	case err != nil:
		return err
	}
	return t.linkTo(tn, tbase, n, base)
}

// linkLower makes a hard link to a file that this layer does not have.
func (u *unpacker) linkLower(n *node, base string, e *entry) error {
	u.tree.leans = true
	switch {
	case u.bottom():
		return noTarget(e.link)
	case u.o.Defer:
		return u.tree.postpone(n, base, e.link)
	}
	return u.copyUp(place{n, base}, e.link)
}
