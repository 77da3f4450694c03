package seccomp

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/coraclehq/coracle/internal/sys"
)

// maxWork bounds the time spent on finding small filters, to a few milliseconds.
const maxWork = 1 << 18

// Compile returns the filter for a profile on a host of that architecture. What
// is wrong in the profile is a *FieldError. The package comment says what a
// profile means. Docker's default takes about half a millisecond: see [Cache].
func Compile(p *specs.LinuxSeccomp, host sys.Arch) (Filter, error) {
	abis := abisOf(host)
	if len(abis) == 0 {
		return nil, fmt.Errorf("seccomp profile: no system call numbers known for %q", host)
	}
	prof, err := read(p)
	if err != nil {
		return nil, err
	}
	// What looks at each argument once is smaller as a rule, but not always.
	f := prof.filter(abis, maxWork)
	if len(f) > maxInsns {
		f = prof.filter(abis, 0)
	}
	if len(f) > maxInsns {
		return nil, fmt.Errorf("seccomp profile: needs %d instructions, of which the kernel accepts %d", len(f), maxInsns)
	}
	return f, nil
}

// section is the part of one ABI in the range of numbers that it starts at.
type section struct {
	from []uint32
	kids []*node
}

// filter builds the graph and emits it.
func (p *profile) filter(abis []abi, work int) Filter {
	g := &graph{nodes: make(map[string]*node), work: work}
	kill := g.leaf(sys.SECCOMP_RET_KILL_PROCESS)
	byArch := make(map[uint32]*section)
	for i, a := range abis {
		audit := a.arch.AuditArch()
		listed := i == 0 || slices.Contains(p.arches, a.name)
		switch {
		case listed && a.x32:
			s := byArch[audit]
			x := p.section(g, a)
			s.from, s.kids = append(s.from, x.from...), append(s.kids, x.kids...)
		case a.x32:
			// Kernels without x32 answer so, and programs that try expect it.
			s := byArch[audit]
			s.from, s.kids = append(s.from, x32Bit), append(s.kids, g.leaf(sys.SECCOMP_RET_ERRNO|uint32(sys.ENOSYS)))
		case listed:
			byArch[audit] = p.section(g, a)
		}
	}
	audits := make([]uint32, 0, len(byArch))
	for audit := range byArch {
		audits = append(audits, audit)
	}
	slices.Sort(audits)
	from, kids := []uint32{0}, []*node{kill}
	for _, audit := range audits {
		s := byArch[audit]
		from = append(from, audit, audit+1)
		kids = append(kids, g.split(offNR, math.MaxUint32, s.from, s.kids), kill)
	}
	return emit(g.split(offArch, math.MaxUint32, from, kids))
}

// section answers for every number of an ABI, from its first on.
func (p *profile) section(g *graph, a abi) *section {
	rules, last := p.byNumber(a)
	fallback, gap := g.leaf(p.fallback), g.leaf(p.unknown())
	s := &section{}
	put := func(nr uint32, n *node) {
		s.from, s.kids = append(s.from, nr), append(s.kids, n)
	}
	next := uint32(0)
	if a.x32 {
		next = x32Bit
	}
	decided := make(map[string]*node) // most calls share their rules with many
	for _, nr := range a.numbers() {
		if nr > next {
			put(next, gap)
		}
		next = nr + 1
		if nr > last {
			put(nr, gap)
			continue
		}
		list := order(rules[nr], p.fallback, a.narrow)
		key := rulesKey(list)
		n, ok := decided[key]
		if !ok {
			n = g.decide(list, fallback)
			decided[key] = n
		}
		put(nr, n)
	}
	put(next, gap)
	return s
}

// unknown returns the answer to calls that the author of the profile could not
// know: where the profile denies what it does not name, ENOSYS, on which
// programs try an older call.
func (p *profile) unknown() uint32 {
	if strictness(p.fallback) >= strictness(sys.SECCOMP_RET_ERRNO) {
		return sys.SECCOMP_RET_ERRNO | uint32(sys.ENOSYS)
	}
	return p.fallback
}

// byNumber returns the rules of each number of an ABI, and the last number that
// the profile names.
func (p *profile) byNumber(a abi) (rules map[uint32][]rule, last uint32) {
	rules = make(map[uint32][]rule, len(p.names))
	for _, name := range p.names {
		if nr, ok := a.number(name); ok {
			rules[nr] = append(rules[nr], p.rules[name]...)
			last = max(last, nr)
		}
	}
	if a.arch != sys.I386 {
		return rules, last
	}
	for _, m := range muxes() {
		if _, ok := p.rules[m.name]; ok {
			continue
		}
		nr, _ := a.number(m.name)
		for _, name := range p.names {
			if code, ok := m.code(name); ok {
				rules[nr] = append(rules[nr], m.within(code, p.rules[name], p.fallback)...)
				last = max(last, nr)
			}
		}
	}
	return rules, last
}

// order brings the rules of one call into the order in which they are asked,
// strictest first, without what cannot matter.
func order(rules []rule, fallback uint32, narrow bool) []rule {
	var out []rule
next:
	for _, r := range rules {
		all := r.conds
		if narrow {
			all = r.narrow
		}
		var conds []cond
		for _, c := range all {
			if len(c.starts(nil)) > 0 {
				conds = append(conds, c)
			} else if !c.holds(0) {
				continue next
			}
		}
		if len(r.conds) == 0 && r.ret == fallback {
			continue
		}
		out = append(out, rule{ret: r.ret, conds: conds})
	}
	slices.SortStableFunc(out, func(a, b rule) int {
		return cmp.Compare(strictness(b.ret), strictness(a.ret))
	})
	for i, r := range out {
		if len(r.conds) == 0 {
			return out[:i+1]
		}
	}
	return out
}
