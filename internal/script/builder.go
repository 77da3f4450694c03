package script

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"
)

// Base is where the image of a helper process lies. It is near the code, so
// that one page table serves both, and below 4 GiB, so that an address fits a
// 32-bit cell.
const Base = 0x410000

// Builder writes a program, op by op. It is not safe for concurrent use.
type Builder struct {
	arch    Arch
	base    uint64
	ops     []*Op
	slab    []Op   // ops are made in bulk
	data    []byte // with room for the header in front
	texts   map[string]int
	vectors map[string]int
	blobs   map[string]int
	words   []words
	labels  map[string]int
	status  Arg
	space   int
	fail    int // number of the op that is made to fail; -1: none
	err     error

	opsAt, spaceAt uint64 // addresses, known while linking
}

// words are data that hold addresses, filled in when the program is linked.
type words struct {
	off  int
	args []Arg
}

// New returns an empty program for an architecture, to be loaded at base.
func New(arch Arch, base uint64) *Builder {
	return &Builder{
		arch: arch, base: base, fail: -1,
		data:  make([]byte, headerSize, 8<<10),
		texts: map[string]int{}, vectors: map[string]int{}, blobs: map[string]int{}, labels: map[string]int{},
	}
}

// Status sets the descriptor that a failure is written to.
func (b *Builder) Status(fd Arg) { b.status = fd }

// StatusFD is the descriptor that failures are written to, for ops that write
// there too; the zero FD when none was set as such.
func (b *Builder) StatusFD() FD {
	fd, _ := b.status.(FD)
	return fd
}

// Op appends a call. A Load among the arguments becomes a pseudo-op before it,
// so a label set before Op covers both.
func (b *Builder) Op(c Call, args ...Arg) *Op {
	o := b.newOp(c)
	if len(args) > len(o.args) {
		b.fault("%s has %d arguments", c, len(args))
		args = args[:len(o.args)]
	}
	copy(o.args[:], args)
	at := len(b.ops)
	for _, a := range args {
		if _, ok := a.(Load); ok {
			at++
		}
	}
	for i, a := range args {
		if l, ok := a.(Load); ok {
			load := b.newOp(Add)
			load.args = [6]Arg{Num(l.Plus), Num(0), l.From}
			load.flags, load.patch, load.patchAt = store64, at+1, i
			b.ops = append(b.ops, load)
		}
	}
	b.ops = append(b.ops, o)
	return o
}

func (b *Builder) newOp(c Call) *Op {
	const bulk = 64
	if len(b.slab) == 0 {
		b.slab = make([]Op, bulk)
	}
	o := &b.slab[0]
	b.slab = b.slab[1:]
	o.call = c
	return o
}

// Sum appends the pseudo-op: its result is n plus the 32-bit value of a cell (0
// for the zero Cell).
func (b *Builder) Sum(n int64, load Cell) *Op {
	if load.off == 0 {
		return b.Op(Add, Num(n), Num(0))
	}
	return b.Op(Add, Num(n), Num(0), load)
}

// Set stores a number in a cell, 32 bits.
func (b *Builder) Set(c Cell, n int64) { b.Sum(n, Cell{}).Into(c) }

// Copy stores one cell's 32-bit value in another.
func (b *Builder) Copy(to, from Cell) { b.Sum(0, from).Into(to) }

// Goto goes on at a label.
func (b *Builder) Goto(label string) { b.Sum(0, Cell{}).IfZero(label) }

// Label names the next op.
func (b *Builder) Label(name string) {
	if _, ok := b.labels[name]; ok {
		b.fault("label %s stands twice", name)
	}
	b.labels[name] = len(b.ops)
}

// Cell makes 8 bytes of data that hold n until the program changes them.
func (b *Builder) Cell(name string, n uint64) Cell {
	return b.Data(name, binary.LittleEndian.AppendUint64(nil, n))
}

// Data makes a place of its own for bytes that the program may change, aligned
// to 8.
func (b *Builder) Data(name string, bytes []byte) Cell {
	return Cell{name, b.blob(bytes)}
}

// Words makes a place for 64-bit words, which may be addresses.
func (b *Builder) Words(name string, args ...Arg) Cell {
	c := b.Data(name, make([]byte, 8*len(args)))
	b.words = append(b.words, words{c.off, args})
	return c
}

// Reserve makes the program's space n bytes larger and returns the place of the
// first.
func (b *Builder) Reserve(n int) Space {
	s := Space(b.space)
	b.space += (n + 7) &^ 7
	return s
}

// FailAt makes op number n (as Program.Ops counts) fail with ENOSYS, for tests.
func (b *Builder) FailAt(n int) { b.fail = n }

// Arch is the architecture that the program is for.
func (b *Builder) Arch() Arch { return b.arch }

func (b *Builder) fault(format string, args ...any) {
	if b.err == nil {
		b.err = fmt.Errorf("script: "+format, args...)
	}
}

// str returns where a string lies; equal strings share one place.
func (b *Builder) str(s string) int {
	at, ok := b.texts[s]
	if !ok {
		if strings.IndexByte(s, 0) >= 0 {
			b.fault("the string %q has a NUL byte", s)
		}
		at = len(b.data)
		b.data = append(append(b.data, s...), 0)
		b.texts[s] = at
	}
	return at
}

func (b *Builder) blob(bytes []byte) int {
	for len(b.data)%8 != 0 {
		b.data = append(b.data, 0)
	}
	at := len(b.data)
	b.data = append(b.data, bytes...)
	return at
}

func (b *Builder) address(off int) uint64 { return b.base + uint64(off) }

func (b *Builder) opAddress(i int) uint64 { return b.opsAt + uint64(i)*opSize }

// distance is the jump from op number i to a label.
func (b *Builder) distance(i int, label string) (int16, error) {
	to, ok := b.labels[label]
	if !ok {
		return 0, fmt.Errorf("script: no label %s", label)
	}
	d := to - i - 1
	if d < math.MinInt16 || d > math.MaxInt16 {
		return 0, fmt.Errorf("script: the jump to %s is too long", label)
	}
	return int16(d), nil
}
