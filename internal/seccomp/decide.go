package seccomp

import (
	"encoding/binary"
	"slices"
)

// decide returns the node for a call with these rules, strictest first: the
// first rule of which all conditions hold answers, else fallback does.
func (g *graph) decide(rules []rule, fallback *node) *node {
	if n := g.partition(rules, fallback, make(map[string]*node)); n != nil {
		return n
	}
	return g.chain(rules, fallback)
}

// chain asks one condition after the other. Its size is that of the rules.
func (g *graph) chain(rules []rule, fallback *node) *node {
	next := fallback
	for _, r := range slices.Backward(rules) {
		yes := g.leaf(r.ret)
		for _, c := range slices.Backward(r.conds) {
			yes = g.test(c, yes, next)
		}
		next = yes
	}
	return next
}

// test asks one condition.
func (g *graph) test(c cond, yes, no *node) *node {
	from := c.starts([]uint64{0})
	kids := make([]*node, len(from))
	for i, v := range from {
		kids[i] = no
		if c.holds(v) {
			kids[i] = yes
		}
	}
	return g.split64(c.axis, from, kids)
}

// partition cuts the axis of the first condition into ranges in which every
// condition on it is decided, and goes on with what remains of the rules in each
// range. That asks about each word once, but can grow faster than the rules: it
// returns nil when g.work is spent.
func (g *graph) partition(rules []rule, fallback *node, seen map[string]*node) *node {
	if len(rules) == 0 {
		return fallback
	}
	if len(rules[0].conds) == 0 {
		return g.leaf(rules[0].ret)
	}
	key := rulesKey(rules)
	if n, ok := seen[key]; ok {
		return n
	}
	on := rules[0].conds[0].axis
	from := []uint64{0}
	for _, r := range rules {
		for _, c := range r.conds {
			if c.axis == on {
				from = c.starts(from)
			}
		}
	}
	slices.Sort(from)
	from = slices.Compact(from)

	if g.work -= len(from) * len(rules); g.work < 0 {
		return nil
	}
	kids := make([]*node, len(from))
	for i, v := range from {
		if kids[i] = g.partition(remain(rules, on, v), fallback, seen); kids[i] == nil {
			return nil
		}
	}
	n := g.split64(on, from, kids)
	seen[key] = n
	return n
}

// remain returns what is left of the rules once it is known that v lies on the
// axis: without the rules that cannot hold any more, the conditions that do, and
// all that follows a rule without conditions.
func remain(rules []rule, on axis, v uint64) []rule {
	var left []rule
next:
	for _, r := range rules {
		for i, c := range r.conds {
			if c.axis != on {
				continue
			}
			if !c.holds(v) {
				continue next
			}
			r.conds = slices.Delete(slices.Clone(r.conds), i, i+1)
			break
		}
		left = append(left, r)
		if len(r.conds) == 0 {
			break
		}
	}
	return left
}

// rulesKey is equal for equal lists of rules only.
func rulesKey(rules []rule) string {
	var b []byte
	for _, r := range rules {
		b = binary.LittleEndian.AppendUint32(b, r.ret)
		b = append(b, byte(len(r.conds)))
		for _, c := range r.conds {
			b = append(b, c.arg, 0)
			if c.not {
				b[len(b)-1] = 1
			}
			b = binary.LittleEndian.AppendUint64(b, c.mask)
			b = binary.LittleEndian.AppendUint64(b, c.first)
			b = binary.LittleEndian.AppendUint64(b, c.last)
		}
	}
	return string(b)
}
