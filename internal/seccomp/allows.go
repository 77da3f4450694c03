package seccomp

import "github.com/coraclehq/coracle/internal/sys"

// Denied returns those of the named calls that the filter does not allow
// whatever their arguments are, in the order given. Allowed is
// SECCOMP_RET_ALLOW or SECCOMP_RET_LOG. Calls that the architecture lacks are
// denied.
//
// A process that loads a filter has still to make a few calls before and at the
// end of exec; with a filter that denies one of them it would die or hang.
func (f Filter) Denied(arch sys.Arch, calls ...string) []string {
	var denied []string
	for _, name := range calls {
		nr, ok := arch.Number(name)
		if !ok || !f.allows(Data{NR: uint32(nr), Arch: arch.AuditArch()}) {
			denied = append(denied, name)
		}
	}
	return denied
}

// place is a state of a run in which only architecture and number are known.
type place struct {
	pc    int
	a     uint32
	known bool // A does not depend on arguments
}

// allows says whether every run of the filter for calls of that number ends in
// permission. Arguments and the instruction pointer are unknown, so conditional
// jumps on them go both ways. An answer of false may be too strict, for ways
// that no arguments lead to.
func (f Filter) allows(d Data) bool {
	seen := make(map[place]bool)
	todo := []place{{}}
	for len(todo) > 0 {
		p := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if seen[p] {
			continue
		}
		seen[p] = true
		next, ret, ended := f.step(d, p)
		if ended && strictness(ret) > strictness(sys.SECCOMP_RET_LOG) {
			return false
		}
		todo = append(todo, next...)
	}
	return true
}

// step returns the places that may follow p, or the return value where it ends.
func (f Filter) step(d Data, p place) (next []place, ret uint32, ended bool) {
	if p.pc >= len(f) {
		return nil, sys.SECCOMP_RET_KILL_PROCESS, true
	}
	i := f[p.pc]
	p.pc++
	switch i.Code {
	case opLoad:
		w, ok := d.word(i.K)
		if !ok {
			return nil, sys.SECCOMP_RET_KILL_PROCESS, true
		}
		p.known, p.a = i.K < offIP, 0
		if p.known {
			p.a = w
		}
	case opAnd:
		p.a &= i.K
	case opRet:
		return nil, i.K, true
	case opJump:
		p.pc = int(min(int64(p.pc)+int64(i.K), int64(len(f))))
	case opJEQ, opJGT, opJGE, opJSet:
		if p.known {
			p.pc += i.skip(p.a)
			break
		}
		yes, no := p, p
		yes.pc += int(i.JT)
		no.pc += int(i.JF)
		return []place{yes, no}, 0, false
	default:
		return nil, sys.SECCOMP_RET_KILL_PROCESS, true
	}
	return []place{p}, 0, false
}
