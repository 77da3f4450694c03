package script

import (
	"encoding/binary"
	"syscall"
)

const (
	headerSize = 64
	opSize     = 64

	condZero     = 1
	condPositive = 2
	condArg5     = 3
	store64      = 4

	everyErrno = 255
)

// Op is one op of a program. Its methods say what happens with the result; they
// return the op, so that they can be chained.
type Op struct {
	call  Call
	args  [6]Arg
	doing string

	store   Cell
	patch   int // 1 + the number of the op whose argument is stored instead
	patchAt int

	flags    byte
	condJump string

	errno     byte
	errnoJump string
}

// Doing says what the op is for, in the words of an error message: `mount proc
// on /proc`. Without it the call's name is used.
func (o *Op) Doing(what string) *Op { o.doing = what; return o }

// Into stores the low 32 bits of the result.
func (o *Op) Into(c Cell) *Op { o.store = c; return o }

// Into64 stores all 64 bits of the result.
func (o *Op) Into64(c Cell) *Op { o.store = c; o.flags |= store64; return o }

// IfZero goes to a label when the result is 0, else on to the next op.
func (o *Op) IfZero(label string) *Op { return o.jump(condZero, label) }

// IfPositive goes to a label when the result is greater than 0.
func (o *Op) IfPositive(label string) *Op { return o.jump(condPositive, label) }

// IfArg5 goes to a label when the result equals the sixth argument.
func (o *Op) IfArg5(label string) *Op { return o.jump(condArg5, label) }

func (o *Op) jump(cond byte, label string) *Op {
	o.flags |= cond
	o.condJump = label
	return o
}

// Allow tolerates one errno and goes on with the next op.
func (o *Op) Allow(e syscall.Errno) *Op { return o.OnErrno(e, "") }

// AllowAny tolerates every errno and goes on with the next op.
func (o *Op) AllowAny() *Op { return o.OnAnyErrno("") }

// OnErrno tolerates one errno and goes to a label ("": the next op).
func (o *Op) OnErrno(e syscall.Errno, label string) *Op {
	o.errno, o.errnoJump = byte(e), label
	return o
}

// OnAnyErrno tolerates every errno and goes to a label ("": the next op).
func (o *Op) OnAnyErrno(label string) *Op {
	o.errno, o.errnoJump = everyErrno, label
	return o
}

// encode writes the op number i of the program.
func (o *Op) encode(b *Builder, i int, out []byte) error {
	le := binary.LittleEndian
	number := b.arch.Number(o.call)
	if i == b.fail {
		number = invalid
	}
	le.PutUint16(out[0:], number)
	out[2], out[3] = o.errno, o.flags
	for _, j := range []struct {
		label string
		at    int
	}{{o.condJump, 4}, {o.errnoJump, 6}} {
		if j.label == "" {
			continue
		}
		to, err := b.distance(i, j.label)
		if err != nil {
			return err
		}
		le.PutUint16(out[j.at:], uint16(to))
	}
	for n, a := range o.args {
		if a != nil {
			le.PutUint64(out[8+8*n:], a.word(b))
		}
	}
	switch {
	case o.patch > 0:
		le.PutUint64(out[56:], b.opAddress(o.patch-1)+8+8*uint64(o.patchAt))
	case o.store.off > 0:
		le.PutUint64(out[56:], o.store.word(b))
	}
	return nil
}
