package seccomp

import (
	"math"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/coraclehq/coracle/internal/sys"
)

// The arguments that conditions look at are int or unsigned int, of which the
// kernel sees the low half of a register only. Where something is permitted, all
// 64 bits are compared, or the high ones are masked out: a rule like "greater
// than 40" would let 1<<32 + 38 through, which the kernel takes for 38.

// personalityRules permit PER_LINUX, 0, and to ask with 0xffffffff. Others bring
// old ways of mapping memory back, at page 0 or all of it executable.
func personalityRules(debug bool) []specs.LinuxSyscall {
	const noRandomize = 0x40000 // ADDR_NO_RANDOMIZE
	values := []uint64{0, math.MaxUint32}
	if debug {
		values = append(values, noRandomize)
	}
	var rules []specs.LinuxSyscall
	for _, v := range values {
		rules = append(rules, allow("personality", when(0, specs.OpMaskedEqual, math.MaxUint32, v)))
	}
	return rules
}

// The address families and the protocol that socketRules know.
const (
	afUnix, afInet, afInet6, afNetlink = 1, 2, 10, 16
	netlinkAudit                       = 9
	small                              = 31 // below it, all families and protocols that matter are told apart
)

// socketRules permit the families that containers need. What is refused is
// refused with the error of a kernel that lacks it.
func socketRules(o Options) []specs.LinuxSyscall {
	calls := []string{"socket", "socketpair"}
	family := func(op specs.LinuxSeccompOperator, mask, v uint64) specs.LinuxSeccompArg { return when(0, op, mask, v) }
	netlink := family(specs.OpEqualTo, afNetlink, 0)

	var rules []specs.LinuxSyscall
	add := func(action specs.LinuxSeccompAction, errno *uint, args ...specs.LinuxSeccompArg) {
		rules = append(rules, specs.LinuxSyscall{Names: calls, Action: action, ErrnoRet: errno, Args: args})
	}
	for _, f := range []uint64{afUnix, afInet, afInet6} {
		add(specs.ActAllow, nil, family(specs.OpEqualTo, f, 0))
	}
	noFamily, noProtocol := uint(sys.EAFNOSUPPORT), uint(sys.EPROTONOSUPPORT)
	for _, c := range others(afUnix, afInet, afInet6, afNetlink) {
		add(specs.ActErrno, &noFamily, family(specs.OpMaskedEqual, c.mask, c.value))
	}
	add(specs.ActErrno, &noFamily, family(specs.OpGreaterThan, small, 0))

	if holdsAny(o.Caps, []string{"CAP_AUDIT_WRITE", "CAP_AUDIT_CONTROL", "CAP_AUDIT_READ"}) {
		add(specs.ActAllow, nil, netlink)
	} else {
		for _, c := range others(netlinkAudit) {
			add(specs.ActAllow, nil, netlink, when(2, specs.OpMaskedEqual, c.mask, c.value))
		}
		// MAX_LINKS of linux/netlink.h is 32: the kernel's own answer above.
		add(specs.ActErrno, &noProtocol, netlink, when(2, specs.OpEqualTo, netlinkAudit, 0))
		add(specs.ActErrno, &noProtocol, netlink, when(2, specs.OpGreaterThan, small, 0))
	}
	return rules
}

// socketcallRules permit the calls on sockets that exist, and to make new ones
// if all is set.
func socketcallRules(all bool) []specs.LinuxSyscall {
	if all {
		return []specs.LinuxSyscall{{Names: []string{"socketcall"}, Action: specs.ActAllow}}
	}
	const sysSocket, sysSocketpair = 1, 8 // linux/net.h
	noFamily := uint(sys.EAFNOSUPPORT)
	var rules []specs.LinuxSyscall
	for _, v := range []uint64{sysSocket, sysSocketpair} {
		rules = append(rules, specs.LinuxSyscall{
			Names: []string{"socketcall"}, Action: specs.ActErrno, ErrnoRet: &noFamily,
			Args: []specs.LinuxSeccompArg{when(0, specs.OpEqualTo, v, 0)},
		})
	}
	for _, c := range others(sysSocket, sysSocketpair) {
		rules = append(rules, allow("socketcall", when(0, specs.OpMaskedEqual, c.mask, c.value)))
	}
	return rules
}

func allow(name string, args ...specs.LinuxSeccompArg) specs.LinuxSyscall {
	return specs.LinuxSyscall{Names: []string{name}, Action: specs.ActAllow, Args: args}
}

func when(arg uint, op specs.LinuxSeccompOperator, value, two uint64) specs.LinuxSeccompArg {
	return specs.LinuxSeccompArg{Index: arg, Op: op, Value: value, ValueTwo: two}
}

// block is an aligned range of values: those that equal value under mask.
type block struct{ mask, value uint64 }

// others covers the numbers from 0 to small without the given ones by blocks. A
// profile has no other way to say "neither this nor that" about one argument:
// several conditions on it are alternatives.
func others(except ...uint64) []block {
	var out []block
	var cover func(first, size uint64)
	cover = func(first, size uint64) {
		for _, e := range except {
			if e < first || e >= first+size {
				continue
			}
			if size > 1 {
				cover(first, size/2)
				cover(first+size/2, size/2)
			}
			return
		}
		out = append(out, block{^(size - 1), first})
	}
	cover(0, small+1)
	return out
}
