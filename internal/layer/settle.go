package layer

import (
	"context"
	"errors"
	"fmt"

	"github.com/coraclehq/coracle/internal/sys"
)

// ErrNeedsBase is what Settle answers for a layer that has files below what is a
// symbolic link in a lower layer: where they belong is known only with the lower
// layers at hand. Remove the directory and unpack again with Options.Base.
var ErrNeedsBase = errors.New("layer: has to be unpacked with its lower layers at hand")

// Settle completes a layer for which Result.Deferred is true, on the lower layers
// merged in base, or as the bottom one if base is nil. The tree is then the one
// that Unpack with Options.Base makes. dir is the directory that it was unpacked
// into. After an error the layer is to be removed. On success Deferred is false.
func Settle(ctx context.Context, dir, base *sys.FD, r *Result) (err error) {
	u := r.unsettled
	if u == nil {
		return nil
	}
	t := u.tree
	u.ctx, t.root.fd, t.base = ctx, dir, base
	u.o.Base, u.o.Defer, t.settling = base, false, true
	u.res = *r
	u.files.ctx = ctx
	defer t.close()
	if err := u.settle(); err != nil {
		return fmt.Errorf("settle: %w", err)
	}
	u.count()
	*r = u.res
	r.unsettled = nil
	return nil
}

func (u *unpacker) settle() error {
	t := u.tree
	lower, err := t.below(t.root)
	if err != nil {
		return err
	}
	if err := u.settleDir(t.root, lower); err != nil {
		return err
	}
	for _, p := range t.pending {
		u.r.raw, u.r.at = p.target, 0
		if err := u.settleLink(p); err != nil {
			return u.explain(err)
		}
	}
	return u.seal()
}

// settleLink makes a hard link to a lower layer. One whose name was taken by
// something else must have a target all the same, as in an unpack with the base
// at hand.
func (u *unpacker) settleLink(p *pendingLink) error {
	t := u.tree
	if !p.dropped && !p.dir.gone() {
		t.drop(p)
		return u.copyUp(p.place, p.target)
	}
	if t.base == nil {
		return noTarget(p.target)
	}
	fd, err := t.base.OpenInRoot(p.target, sys.O_PATH|sys.O_NOFOLLOW, 0)
	if errors.Is(err, sys.ENOENT) || errors.Is(err, sys.ENOTDIR) || errors.Is(err, sys.ELOOP) {
		return noTarget(p.target)
	}
	if err != nil {
		return err
	}
	defer fd.Close()
	if st, err := fd.Stat(); err != nil || st.IsDir() {
		return errOr(err, formatErr("a hard link to a directory"))
	}
	return nil
}

// settleDir compares n with lower, what lies under it, or nil; it closes lower.
func (u *unpacker) settleDir(n *node, lower *sys.FD) error {
	defer lower.Close()
	if err := u.ctx.Err(); err != nil {
		return err
	}
	if n.whiteouts {
		if err := u.tree.dropWhiteouts(n, lower); err != nil {
			return err
		}
	}
	for _, c := range n.children {
		under, err := u.settleChild(c, lower)
		if err == nil {
			err = u.settleDir(c, under)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// settleChild returns the directory that c lies on, if there is one, and gives c
// its metadata if the layer does not.
func (u *unpacker) settleChild(c *node, lower *sys.FD) (*sys.FD, error) {
	if lower == nil {
		return nil, nil
	}
	st, fd, err := peek(lower, c.name)
	if fd == nil || err != nil {
		return nil, err
	}
	switch {
	case !c.implied:
	case st.IsSymlink():
		err = ErrNeedsBase
	case c.fresh || c.explicit && st.IsDir():
	case st.IsDir():
		err = u.tree.adopt(c, st, fd)
	default:
		err = &FormatError{Entry: c.path(), Reason: "is not a directory in a lower layer"}
	}
	if err == nil && st.IsDir() && !c.opaque {
		return fd, nil
	}
	return nil, errors.Join(err, fd.Close())
}

// adopt gives n the metadata of the lower directory fd.
func (t *tree) adopt(n *node, st sys.Stat, fd *sys.FD) error {
	n.meta = meta{mode: st.Perm(), uid: st.UID, gid: st.GID, mtime: st.Mtim}
	n.adopted, n.xattrs = true, true
	to, err := t.dir(n)
	if err != nil {
		return err
	}
	return copyXattrs(to, fd, typeDir)
}

// disown takes from n and what is below it the metadata of lower directories,
// which turn out to be hidden: marks count wherever in the archive they stand.
func (t *tree) disown(n *node) error {
	for _, c := range n.children {
		if err := t.disown(c); err != nil {
			return err
		}
	}
	if !n.adopted {
		return nil
	}
	n.adopted = false
	if n.explicit {
		return nil
	}
	n.meta = unlisted()
	fd, err := t.dir(n)
	if err != nil {
		return err
	}
	return clearXattrs(fd)
}

// dropWhiteouts removes those whiteouts of n that hide nothing in lower: in a
// directory that is in one layer only, overlayfs lists them.
func (t *tree) dropWhiteouts(n *node, lower *sys.FD) error {
	fd, err := t.dir(n)
	if err != nil {
		return err
	}
	names, err := fd.Names()
	if err != nil {
		return err
	}
	for _, name := range names {
		if n.children[name] != nil {
			continue
		}
		st, err := fd.StatAt(name, false)
		if err != nil {
			return err
		}
		if !isWhiteout(st) {
			continue
		}
		if lower != nil {
			_, err := lower.StatAt(name, false)
			if err == nil {
				continue
			}
			if !errors.Is(err, sys.ENOENT) {
				return err
			}
		}
		if err := fd.Unlink(name); err != nil {
			return err
		}
	}
	return nil
}
