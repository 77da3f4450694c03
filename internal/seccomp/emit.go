package seccomp

import "slices"

// near is the distance up to which a conditional jump is sure to reach. Offsets
// have 8 bits; what one test adds in between is taken off.
const near = 250

// label is a place in the program, counted from its end: jumps go forward only,
// so the program is written backwards, and what is jumped to exists already.
type label int

// assembler holds the program in reverse.
type assembler struct {
	code  []Insn
	nodes map[*node]label
	rets  map[uint32]label // the last instruction that returns the value
}

// emit writes a graph as a program.
func emit(root *node) Filter {
	a := &assembler{nodes: make(map[*node]label), rets: make(map[uint32]label)}
	start := a.node(root)
	if start != label(len(a.code)-1) {
		a.jump(start)
	}
	slices.Reverse(a.code)
	return a.code
}

// add writes an instruction before all others.
func (a *assembler) add(code uint16, k uint32) label {
	a.code = append(a.code, Insn{Code: code, K: k})
	return label(len(a.code) - 1)
}

// skip returns how many instructions lie between the next one written and l.
func (a *assembler) skip(l label) int { return len(a.code) - int(l) - 1 }

// jump writes an unconditional jump.
func (a *assembler) jump(l label) label { return a.add(opJump, uint32(a.skip(l))) }

// node writes what the node stands for, unless it is there already, and returns
// its first instruction.
func (a *assembler) node(n *node) label {
	if len(n.kids) == 0 {
		if l, ok := a.rets[n.ret]; ok && a.skip(l) < near {
			return l
		}
		a.rets[n.ret] = a.add(opRet, n.ret)
		return a.rets[n.ret]
	}
	if l, ok := a.nodes[n]; ok {
		return l
	}
	a.tree(n, 0, len(n.kids))
	// The tree is what was written last, unless it is a single kid, which a
	// node never is.
	if n.mask != 1<<32-1 {
		a.add(opAnd, n.mask)
	}
	a.nodes[n] = a.add(opLoad, n.off)
	return a.nodes[n]
}

// tree writes the comparisons that lead A to kids lo to hi-1 of n.
func (a *assembler) tree(n *node, lo, hi int) label {
	switch {
	case hi-lo == 1:
		return a.node(n.kids[lo])
	case hi-lo == 3 && n.kids[lo] == n.kids[lo+2] && n.from[lo+1]+1 == n.from[lo+2]:
		// One value among others.
		no := a.node(n.kids[lo])
		yes := a.node(n.kids[lo+1])
		return a.test(opJEQ, n.from[lo+1], yes, no)
	}
	mid := (lo + hi) / 2
	yes := a.tree(n, mid, hi)
	no := a.tree(n, lo, mid)
	return a.test(opJGE, n.from[mid], yes, no)
}

// test writes a conditional jump.
func (a *assembler) test(code uint16, k uint32, yes, no label) label {
	yes = a.reach(yes)
	no = a.reach(no)
	i := Insn{Code: code, JT: uint8(a.skip(yes)), JF: uint8(a.skip(no)), K: k}
	a.code = append(a.code, i)
	return label(len(a.code) - 1)
}

// reach returns a place that continues at l and that a conditional jump reaches.
func (a *assembler) reach(l label) label {
	if a.skip(l) < near {
		return l
	}
	if i := a.code[l]; i.Code == opRet {
		if r := a.rets[i.K]; a.skip(r) < near {
			return r
		}
		a.rets[i.K] = a.add(opRet, i.K)
		return a.rets[i.K]
	}
	return a.jump(l)
}
