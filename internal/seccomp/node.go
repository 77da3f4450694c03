package seccomp

import (
	"encoding/binary"
	"math"
)

// node is a part of the graph that a profile becomes: a return value, or a
// partition of one word of struct seccomp_data. Equal nodes are the same node.
type node struct {
	id   uint32
	ret  uint32   // of a leaf
	off  uint32   // offset of the word
	mask uint32   // bits of the word that count
	from []uint32 // from[i] is the first value of kids[i]; from[0] is 0
	kids []*node  // none in a leaf
}

// graph makes nodes and knows those that exist.
type graph struct {
	nodes map[string]*node
	key   []byte // scratch
	work  int    // how much is left to spend on partitions
}

// leaf returns the node that answers ret.
func (g *graph) leaf(ret uint32) *node {
	g.key = binary.LittleEndian.AppendUint32(g.key[:0], ret)
	return g.node(node{ret: ret})
}

// split returns the node that leads masked values of the word at off to kids.
// Neighbours that are equal are joined, and what remains of one kid is that kid.
func (g *graph) split(off, mask uint32, from []uint32, kids []*node) *node {
	n := node{off: off, mask: mask}
	for i, k := range kids {
		if i > 0 && from[i] > mask {
			break
		}
		if i == 0 || k != n.kids[len(n.kids)-1] {
			n.from, n.kids = append(n.from, from[i]), append(n.kids, k)
		}
	}
	if len(n.kids) == 1 {
		return n.kids[0]
	}
	g.key = binary.LittleEndian.AppendUint32(g.key[:0], off)
	g.key = binary.LittleEndian.AppendUint32(g.key, mask)
	for i := range n.kids {
		g.key = binary.LittleEndian.AppendUint32(g.key, n.from[i])
		g.key = binary.LittleEndian.AppendUint32(g.key, n.kids[i].id)
	}
	return g.node(n)
}

// node returns the node that g.key stands for.
func (g *graph) node(n node) *node {
	if have, ok := g.nodes[string(g.key)]; ok {
		return have
	}
	n.id = uint32(len(g.nodes))
	g.nodes[string(g.key)] = &n
	return &n
}

// split64 is split for a whole argument: by its high word, and where that does
// not decide, by its low word.
func (g *graph) split64(a axis, from []uint64, kids []*node) *node {
	off := uint32(offArgs + 8*int(a.arg)) // of the low word: little-endian
	var highs []uint32
	var parts []*node
	for i := 0; i < len(from); {
		high := from[i] >> 32
		// The values with this high word: from[i:j], after the tail of what
		// came before, unless from[i] is the first of them.
		lows, part := []uint32{0}, []*node{kids[max(i-1, 0)]}
		j := i
		for ; j < len(from) && from[j]>>32 == high; j++ {
			if uint32(from[j]) == 0 {
				part[0] = kids[j]
				continue
			}
			lows, part = append(lows, uint32(from[j])), append(part, kids[j])
		}
		highs = append(highs, uint32(high))
		parts = append(parts, g.split(off, uint32(a.mask), lows, part))
		// Beyond it, up to the next start, the last of them holds.
		if high < math.MaxUint32 && (j == len(from) || from[j]>>32 > high+1) {
			highs = append(highs, uint32(high)+1)
			parts = append(parts, kids[j-1])
		}
		i = j
	}
	return g.split(off+4, uint32(a.mask>>32), highs, parts)
}
