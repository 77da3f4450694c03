package layer

import (
	"errors"

	"github.com/coraclehq/coracle/internal/sys"
)

// mkdir makes a directory in n in place of whatever non-directory is there.
func (t *tree) mkdir(n *node, base string) (*node, error) {
	if err := t.memory.take(int64(len(base)) + nodeCost); err != nil {
		return nil, err
	}
	if n.depth >= t.depth.max {
		return nil, &LimitError{Limit: "Depth", Max: t.depth.max}
	}
	replaced, err := t.place(n, base, func(fd *sys.FD) error { return fd.Mkdir(base, 0o700) })
	if err != nil {
		return nil, err
	}
	// What stood here hid the directory of the lower layers, be it a whiteout or
	// a file, and still does.
	child := &node{parent: n, name: base, meta: unlisted(), opaque: replaced, fresh: replaced, depth: n.depth + 1}
	if n.children == nil {
		n.children = map[string]*node{}
	}
	n.children[base] = child
	return child, nil
}

// place makes something in n with make, which fails with EEXIST if the name is
// taken; then the name is freed and make called again. It says whether that was
// so.
func (t *tree) place(n *node, base string, make func(*sys.FD) error) (replaced bool, err error) {
	if p := t.byName[place{n, base}]; p != nil {
		t.drop(p)
		replaced = true
	}
	fd, err := t.dir(n)
	if err != nil {
		return false, err
	}
	if child := n.children[base]; child != nil {
		if err := t.remove(child); err != nil {
			return false, err
		}
		replaced = true
	}
	if err = make(fd); errors.Is(err, sys.EEXIST) {
		if err := fd.Unlink(base); err != nil {
			return false, err
		}
		replaced = true
		err = make(fd)
	}
	return replaced, err
}

// remove removes a directory and all in it.
func (t *tree) remove(n *node) error {
	t.forget(n)
	fd, err := t.dir(n.parent)
	if err != nil {
		return err
	}
	delete(n.parent.children, n.name)
	return fd.RemoveAll(n.name)
}

// forget closes what is open below n and gives its memory back. Children before
// parents; the depth is bounded by Limits.Depth.
func (t *tree) forget(n *node) {
	for _, c := range n.children {
		t.forget(c)
	}
	t.shut(n)
	n.dead = true
	t.memory.give(int64(len(n.name)) + nodeCost)
}

func (t *tree) drop(p *pendingLink) {
	p.dropped = true
	delete(t.byName, p.place)
}

// postpone remembers a hard link to a lower layer and frees its name.
func (t *tree) postpone(n *node, base, target string) error {
	tdir, tbase := split(target)
	if tn, err := t.walk(tdir, false); err == nil && tn != nil {
		if p := t.byName[place{tn, tbase}]; p != nil {
			target = p.target
		}
	}
	if err := t.memory.take(int64(len(base)+len(target)) + linkCost); err != nil {
		return err
	}
	if err := t.free(n, base); err != nil {
		return err
	}
	p := &pendingLink{place: place{n, base}, target: target}
	t.pending = append(t.pending, p)
	t.byName[p.place] = p
	return nil
}

// free removes what the layer has of that name.
func (t *tree) free(n *node, base string) error {
	_, err := t.place(n, base, func(fd *sys.FD) error {
		_, err := fd.StatAt(base, false)
		switch {
		case err == nil:
			return sys.EEXIST
		case errors.Is(err, sys.ENOENT):
			return nil
		}
		return err
	})
	return err
}

// has says whether the layer has something of that name, be it a whiteout.
func (t *tree) has(n *node, base string) (bool, error) {
	fd, err := t.dir(n)
	if err != nil {
		return false, err
	}
	_, err = fd.StatAt(base, false)
	if errors.Is(err, sys.ENOENT) {
		return false, nil
	}
	return err == nil, err
}

// whiteout makes one, unless something of the layer has the name.
func (t *tree) whiteout(n *node, base string) error {
	fd, err := t.dir(n)
	if err != nil {
		return err
	}
	n.whiteouts = true
	if err := fd.Mknod(base, sys.S_IFCHR, 0); !errors.Is(err, sys.EEXIST) {
		return err
	}
	return nil
}

// linkTo makes base in n a second name of tbase in tn.
func (t *tree) linkTo(tn *node, tbase string, n *node, base string) error {
	_, err := t.place(n, base, func(fd *sys.FD) error {
		tfd, err := t.dir(tn)
		if err != nil {
			return err
		}
		return tfd.Link(tbase, fd, base)
	})
	return err
}

// isWhiteout recognises overlayfs' form: a character device 0:0.
func isWhiteout(st sys.Stat) bool { return st.Type() == sys.S_IFCHR && st.Rdev == 0 }
