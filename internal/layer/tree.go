package layer

import (
	"container/list"
	"strings"
	"time"

	"github.com/coraclehq/coracle/internal/sys"
)

// meta is what is set on a directory when the layer is complete: until then it
// must stay writable, and its time would change.
type meta struct {
	mode     uint32
	uid, gid uint32
	mtime    time.Time
}

// unlisted is the metadata of a directory that only the names of others mention.
func unlisted() meta { return meta{mode: 0o755, mtime: time.Unix(0, 0)} }

// node is a directory of the layer. Only directories have one: that a name is
// anything else is seen when something is made in its place.
type node struct {
	parent   *node
	name     string
	children map[string]*node
	meta     meta
	// explicit: the layer has an entry for it. implied: it was needed before that.
	explicit, implied bool
	// adopted: meta and attributes are a lower directory's.
	adopted bool
	// opaque: nothing of the lower layers is seen in it.
	opaque bool
	// fresh: what the lower layers had of this name was removed first.
	fresh bool
	// whiteouts: it may contain some.
	whiteouts bool
	// xattrs: some have been set.
	xattrs bool
	depth  int64
	// removed from the tree, with all below.
	dead bool
	fd   *sys.FD
	// lru is the node's place in the list of open ones; nil when closed.
	lru *list.Element
}

// path is the node's name below the root, "." for the root.
func (n *node) path() string {
	if n.parent == nil {
		return "."
	}
	var parts []string
	for ; n.parent != nil; n = n.parent {
		parts = append(parts, n.name)
	}
	for i, j := 0, len(parts)-1; i < j; i, j = i+1, j-1 {
		parts[i], parts[j] = parts[j], parts[i]
	}
	return strings.Join(parts, "/")
}

// gone says whether the node or one above it was removed.
func (n *node) gone() bool {
	for ; n != nil; n = n.parent {
		if n.dead {
			return true
		}
	}
	return false
}

// join names something in a clean directory.
func join(dir, base string) string {
	if dir == "." {
		return base
	}
	return dir + "/" + base
}

// tree is the directory that a layer is unpacked into, and what is known about
// it. One goroutine uses it. Nobody else may change the directory: the tree
// remembers which names are directories.
type tree struct {
	root   *node
	open   *list.List // of *node, the latest used first
	depth  budget
	count  *budget // entries
	memory budget
	// leans: something was looked up in base, or would have been.
	leans bool
	// base is the merged lower layers, nil if there are none or nothing is known
	// of them yet.
	base *sys.FD
	// pending are hard links to lower layers, in order; byName finds them.
	pending []*pendingLink
	byName  map[place]*pendingLink
	// copied are, while settling, the files of lower layers that are in this one
	// for a link's sake, by their names there. Before, what the layer has of a
	// name is what a link to it means.
	copied   map[string]place
	settling bool
}

// place is a name in a directory.
type place struct {
	dir  *node
	base string
}

// pendingLink is a hard link whose target is not in this layer.
type pendingLink struct {
	place
	target  string
	dropped bool // something else took its name
}

const (
	maxOpen     = 64
	maxSymlinks = 40   // path_resolution(7)
	maxSteps    = 4096 // components of one path, those of its links counted
	// nodeCost and linkCost are what a node and a pending link take besides
	// their names.
	nodeCost, linkCost = 200, 160
)

func newTree(dir *sys.FD, l Limits, count *budget) *tree {
	root := &node{name: ".", meta: unlisted(), fd: dir}
	return &tree{
		root: root, open: list.New(), count: count, byName: map[place]*pendingLink{}, copied: map[string]place{},
		depth: newBudget("Depth", l.Depth), memory: newBudget("Memory", l.Memory),
	}
}

// close closes all descriptors but the root's, which is the caller's.
func (t *tree) close() {
	for t.open.Len() > 0 {
		t.shut(t.open.Back().Value.(*node))
	}
}

func (t *tree) shut(n *node) {
	if n.lru != nil {
		t.open.Remove(n.lru)
		n.fd.Close() // opened with O_PATH: there is nothing to lose
		n.fd, n.lru = nil, nil
	}
}

// dir returns a descriptor of n. It stays open for as many calls as maxOpen
// allows other directories, which is more than any of the functions here makes.
func (t *tree) dir(n *node) (*sys.FD, error) {
	if n.fd != nil {
		if n.lru != nil {
			t.open.MoveToFront(n.lru)
		}
		return n.fd, nil
	}
	// From the nearest directory that is open, unless the way is longer than a
	// path may be: links can lead that deep.
	up, rel := n.parent, n.name
	for up.fd == nil && len(rel)+len(up.name) < pathMax {
		up, rel = up.parent, up.name+"/"+rel
	}
	from, err := t.dir(up)
	if err != nil {
		return nil, err
	}
	fd, err := from.OpenBeneath(rel, sys.O_PATH|sys.O_DIRECTORY|sys.O_NOFOLLOW, 0, inside)
	if err != nil {
		return nil, err
	}
	for t.open.Len() >= maxOpen {
		t.shut(t.open.Back().Value.(*node))
	}
	n.fd, n.lru = fd, t.open.PushFront(n)
	return fd, nil
}

// inside are the flags for paths that are known to have no links in them.
const inside = sys.RESOLVE_BENEATH | sys.RESOLVE_NO_SYMLINKS | sys.RESOLVE_NO_MAGICLINKS | sys.RESOLVE_NO_XDEV
