package layer

import (
	"errors"
	"strings"

	"github.com/coraclehq/coracle/internal/sys"
)

// walk finds the directory of a clean path. Links are resolved here, one
// component after the other, inside the layer and what is seen through it of the
// lower ones: the kernel never follows one. With create, directories that are
// missing in the layer are made; else the result is nil where there is none.
func (t *tree) walk(path string, create bool) (*node, error) {
	w := walker{t: t, cur: t.root, todo: path, create: create}
	for steps := 0; w.todo != "" && w.cur != nil; steps++ {
		if steps == maxSteps {
			return nil, formatErr("a path of more than %d components", maxSteps)
		}
		var comp string
		comp, w.todo, _ = strings.Cut(w.todo, "/")
		if err := w.step(comp); err != nil {
			return nil, err
		}
	}
	return w.cur, nil
}

type walker struct {
	t      *tree
	cur    *node
	todo   string
	create bool
	links  int
	// missing: the last components were in no layer that is known.
	missing bool
}

func (w *walker) step(comp string) error {
	switch comp {
	case "", ".":
		return nil
	case "..":
		// Only links have it. Behind a directory that is not there it would mean
		// something else once the lower layers are.
		if w.missing {
			return formatErr(`a symbolic link with ".." behind a directory that is not in the layer`)
		}
		if w.cur.parent != nil {
			w.cur = w.cur.parent
		}
		return nil
	}
	if next := w.cur.children[comp]; next != nil {
		w.cur = next
		return nil
	}
	if len(comp) > nameMax {
		return formatErr("a component of a link is longer than %d bytes", nameMax)
	}
	if w.t.byName[place{w.cur, comp}] != nil {
		return formatErr("%s in the path is a hard link", quote(comp))
	}
	st, fd, err := w.t.look(w.cur, comp)
	if err != nil {
		return err
	}
	defer fd.Close()
	switch {
	case fd != nil && st.IsSymlink():
		return w.follow(fd)
	case fd != nil && !st.IsDir():
		return formatErr("%s in the path is not a directory", quote(comp))
	case !w.create:
		w.cur = nil
		return nil
	}
	return w.enter(comp, st, fd)
}

func (w *walker) follow(link *sys.FD) error {
	if w.links++; w.links > maxSymlinks {
		return formatErr("more than %d symbolic links in one path", maxSymlinks)
	}
	target, err := link.Readlink("")
	if err != nil {
		return err
	}
	if strings.HasPrefix(target, "/") {
		w.cur = w.t.root
	}
	w.todo = target + "/" + w.todo
	return nil
}

// enter makes a directory that the layer does not list. If a lower layer has
// it, fd, it looks as there.
func (w *walker) enter(comp string, st sys.Stat, fd *sys.FD) error {
	w.missing = w.missing || fd == nil
	if err := w.t.count.take(1); err != nil {
		return err
	}
	n, err := w.t.mkdir(w.cur, comp)
	if err != nil {
		return err
	}
	w.cur, n.implied = n, true
	if fd != nil {
		return w.t.adopt(n, st, fd)
	}
	return nil
}

// look finds a name that is no directory of this layer: something else in the
// layer, or anything in the lower ones that is seen through it. The descriptor,
// opened with O_PATH, is nil if there is neither; the caller closes it.
func (t *tree) look(n *node, base string) (st sys.Stat, fd *sys.FD, err error) {
	dir, err := t.dir(n)
	if err != nil {
		return st, nil, err
	}
	st, fd, err = peek(dir, base)
	if fd != nil && isWhiteout(st) {
		return sys.Stat{}, nil, fd.Close()
	}
	if fd != nil || err != nil {
		return st, fd, err
	}
	lower, err := t.below(n)
	if lower == nil || err != nil {
		return st, nil, err
	}
	defer lower.Close()
	st, fd, err = peek(lower, base)
	t.leans = t.leans || fd != nil
	return st, fd, err
}

// peek opens base in dir without following it; nil if there is none.
func peek(dir *sys.FD, base string) (st sys.Stat, fd *sys.FD, err error) {
	fd, err = dir.Open(base, sys.O_PATH, 0)
	if errors.Is(err, sys.ENOENT) {
		return st, nil, nil
	}
	if err != nil {
		return st, nil, err
	}
	if st, err = fd.Stat(); err != nil {
		return st, nil, errors.Join(err, fd.Close())
	}
	return st, fd, nil
}

// below opens the directory of the lower layers that n lies on; nil if there is
// none or n hides it. The caller closes it.
func (t *tree) below(n *node) (*sys.FD, error) {
	if t.base == nil {
		return nil, nil
	}
	for a := n; a != nil; a = a.parent {
		if a.opaque {
			return nil, nil
		}
	}
	fd, err := t.base.OpenBeneath(n.path(), sys.O_PATH|sys.O_DIRECTORY, 0, inside)
	switch {
	case errors.Is(err, sys.ENOENT), errors.Is(err, sys.ENOTDIR), errors.Is(err, sys.ELOOP), errors.Is(err, sys.ENAMETOOLONG):
		return nil, nil
	}
	return fd, err
}
