package layer

// complete ends the unpacking: what could not be known before the last entry.
func (u *unpacker) complete() error {
	t := u.tree
	t.leans = t.leans || t.root.opaque || t.root.hasImplied()
	u.res.Depends = t.leans
	if u.o.Defer && t.leans {
		u.res.unsettled = u
		return nil
	}
	return u.seal()
}

// hasImplied says whether a directory below n was made without an entry.
func (n *node) hasImplied() bool {
	for _, c := range n.children {
		if c.implied || c.hasImplied() {
			return true
		}
	}
	return false
}

func (u *unpacker) seal() error {
	t := u.tree
	if t.base != nil {
		if err := u.sealRoot(); err != nil {
			return err
		}
	}
	if err := u.sealDir(t.root, false); err != nil {
		return err
	}
	m, fd := t.root.meta, t.root.fd
	if err := fd.Chown(int(m.uid), int(m.gid)); err != nil {
		return err
	}
	if err := fd.Chmod(m.mode); err != nil {
		return err
	}
	return fd.Utimes(m.mtime, m.mtime)
}

// sealRoot does what overlayfs does not: it neither heeds a mark on the root of
// a layer nor takes the root's metadata from below.
func (u *unpacker) sealRoot() error {
	t := u.tree
	if !t.root.explicit {
		st, err := t.base.Stat()
		if err != nil {
			return err
		}
		if err := t.adopt(t.root, st, t.base); err != nil {
			return err
		}
	}
	if !t.root.opaque {
		return nil
	}
	names, err := t.base.Names()
	if err != nil {
		return err
	}
	for _, name := range names {
		if c := t.root.children[name]; c != nil {
			c.opaque = true
		} else if err := t.whiteout(t.root, name); err != nil {
			return err
		}
	}
	return nil
}

// sealDir marks the opaque directories below n and sets the metadata of all.
// Below one, whiteouts have nothing to hide, and would be listed.
func (u *unpacker) sealDir(n *node, hidden bool) error {
	t := u.tree
	if n.parent != nil {
		hidden = hidden || n.opaque
		if n.opaque && !u.bottom() {
			fd, err := t.dir(n)
			if err != nil {
				return err
			}
			if err := fd.SetXattr(u.o.opaqueXattr(), []byte("y"), 0); err != nil {
				return err
			}
		}
	}
	if hidden && n.whiteouts {
		if err := t.dropWhiteouts(n, nil); err != nil {
			return err
		}
	}
	for _, c := range n.children {
		if err := u.sealDir(c, hidden); err != nil {
			return err
		}
		fd, err := t.dir(n)
		if err != nil {
			return err
		}
		if err := setMetaAt(fd, c.name, c.meta, true); err != nil {
			return err
		}
	}
	return nil
}

func (o Options) opaqueXattr() string {
	if o.UserXattr {
		return opaqueUserXattr
	}
	return opaqueXattr
}
