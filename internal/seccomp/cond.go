package seccomp

import (
	"math"
	"math/bits"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// axis is what a condition looks at: the bits of one argument.
type axis struct {
	arg  uint8
	mask uint64
}

// cond is a condition on one axis: its value lies between first and last, both
// included, or outside of them if not is set. If first > last, nothing lies
// between.
type cond struct {
	axis
	first, last uint64
	not         bool
}

// holds says whether the condition is true of a value that is masked already.
func (c cond) holds(v uint64) bool {
	return (v >= c.first && v <= c.last) != c.not
}

// starts appends the values at which the condition may change its answer.
func (c cond) starts(to []uint64) []uint64 {
	if c.first > c.last {
		return to
	}
	if c.first > 0 {
		to = append(to, c.first)
	}
	if c.last < c.mask {
		to = append(to, c.last+1)
	}
	return to
}

// newCond translates one condition of a profile, for an architecture whose
// arguments have 64 bits, or narrow: 32 bits, which the kernel extends with zeros.
func newCond(a specs.LinuxSeccompArg, narrow bool) (c cond, known bool) {
	v, two := a.Value, a.ValueTwo
	if narrow {
		v, two = unsign(v), unsign(two)
	}
	c = cond{axis: axis{uint8(a.Index), math.MaxUint64}, first: v, last: v}
	switch a.Op {
	case specs.OpEqualTo:
	case specs.OpNotEqual:
		c.not = true
	case specs.OpLessThan:
		c.first, c.last = 0, v-1
		if v == 0 {
			c.last, c.not = math.MaxUint64, true // not anything
		}
	case specs.OpLessEqual:
		c.first = 0
	case specs.OpGreaterThan:
		c.first, c.not = 0, true
	case specs.OpGreaterEqual:
		c.last = math.MaxUint64
	case specs.OpMaskedEqual:
		return masked(c.arg, a.Value, two), true
	default:
		return cond{}, false
	}
	return c, true
}

// unsign makes the 32-bit number of one that was written as a negative 64-bit
// number.
func unsign(v uint64) uint64 {
	if n := int64(v); n < 0 && n >= math.MinInt32 {
		return v & math.MaxUint32
	}
	return v
}

// masked is the condition arg&mask == value&mask. Where the mask leaves out low
// bits only, the matching values are a range.
func masked(arg uint8, mask, value uint64) cond {
	value &= mask
	if low := ^mask; low&(low+1) == 0 && bits.OnesCount64(mask) > 0 {
		return cond{axis: axis{arg, math.MaxUint64}, first: value, last: value | low}
	}
	return cond{axis: axis{arg, mask}, first: value, last: value}
}
