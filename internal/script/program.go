package script

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"syscall"
)

// Program is a linked program. It does not change.
type Program struct {
	image  []byte
	memory int
	opsAt  uint64
	b      *Builder
}

// Link lays out the program. A mistake made while it was written (an unknown
// label, too many arguments) comes out here.
func (b *Builder) Link() (*Program, error) {
	// Strings and vectors join the data when they are first asked for, and must
	// all be there before the ops have an address.
	b.place()
	if b.err != nil {
		return nil, b.err
	}
	for len(b.data)%opSize != 0 {
		b.data = append(b.data, 0)
	}
	ops := len(b.data)
	b.opsAt = b.address(ops)
	size := ops + len(b.ops)*opSize
	const page = 4096
	memory := (size+page-1)&^(page-1) + b.space
	b.spaceAt = b.base + uint64((size+page-1)&^(page-1))

	image := make([]byte, size)
	copy(image, b.data)
	le := binary.LittleEndian
	if b.status != nil {
		le.PutUint64(image[0:], b.status.word(b))
	}
	le.PutUint64(image[24:], b.opsAt)
	for _, w := range b.words {
		for i, a := range w.args {
			le.PutUint64(image[w.off+8*i:], a.word(b))
		}
	}
	for i, o := range b.ops {
		if err := o.encode(b, i, image[ops+i*opSize:ops+(i+1)*opSize]); err != nil {
			return nil, err
		}
	}
	return &Program{image: image, memory: memory, opsAt: b.opsAt, b: b}, nil
}

// place asks for every word once, which puts strings, vectors and blobs into the
// data.
func (b *Builder) place() {
	for _, w := range b.words {
		for _, a := range w.args {
			a.word(b)
		}
	}
	for _, o := range b.ops {
		for _, a := range o.args {
			if a != nil {
				a.word(b)
			}
		}
	}
}

// Image is what is loaded: header, data, ops.
func (p *Program) Image() []byte { return p.image }

// Memory is the size of the image and the space behind it, in bytes.
func (p *Program) Memory() int { return p.memory }

// Entry is the address of the header.
func (p *Program) Entry() uint64 { return p.b.base }

// Ops is the number of ops.
func (p *Program) Ops() int { return len(p.b.ops) }

// Error is an op that failed.
type Error struct {
	Index int    // number of the op
	Call  Call   // the system call
	Doing string // what was attempted
	Errno syscall.Errno
}

func (e *Error) Error() string {
	if e.Doing == "" {
		return fmt.Sprintf("%s: %v", e.Call, e.Errno)
	}
	return fmt.Sprintf("%s: %v", e.Doing, e.Errno)
}

// Unwrap returns the errno.
func (e *Error) Unwrap() error { return e.Errno }

// Failure turns the 16 bytes that a failing program wrote into its error. It
// returns nil when they name no op of this program.
func (p *Program) Failure(status []byte) *Error {
	if len(status) != 16 {
		return nil
	}
	at := binary.LittleEndian.Uint64(status)
	i := (at - p.opsAt) / opSize
	if at < p.opsAt || i >= uint64(len(p.b.ops)) {
		return nil
	}
	o := p.b.ops[i]
	return &Error{int(i), o.call, o.doing, syscall.Errno(binary.LittleEndian.Uint64(status[8:]))}
}

// Line is one op as it is printed.
type Line struct {
	Labels []string // labels that stand before it
	Call   Call     // Add: no system call
	Args   []string
	Doing  string
	Store  string // cell that takes the result; "": none
	Errno  string // "": none is tolerated; "any"; or its name
	OnErr  string // label to go to then; "": the next op
	If     string // "", "0", ">0" or the sixth argument
	Then   string // label to go to then
}

// Lines describes the program op by op, in order.
func (p *Program) Lines() []Line {
	labels := map[int][]string{}
	for name, at := range p.b.labels {
		labels[at] = append(labels[at], name)
	}
	for _, names := range labels {
		slices.Sort(names)
	}
	var lines []Line
	for i, o := range p.b.ops {
		l := Line{Labels: labels[i], Call: o.call, Doing: o.doing, OnErr: o.errnoJump, Then: o.condJump}
		last := len(o.args)
		for last > 0 && o.args[last-1] == nil {
			last--
		}
		for _, a := range o.args[:last] {
			if a == nil {
				a = Num(0)
			}
			l.Args = append(l.Args, a.print(p.b))
		}
		switch {
		case o.patch > 0:
			l.Store = fmt.Sprintf("argument %d of the next call", o.patchAt)
		case o.store.off > 0:
			l.Store = o.store.name
		}
		switch o.errno {
		case 0:
		case everyErrno:
			l.Errno = "any"
		default:
			l.Errno = syscall.Errno(o.errno).Error()
		}
		switch o.flags & 3 {
		case condZero:
			l.If = "0"
		case condPositive:
			l.If = ">0"
		case condArg5:
			l.If = l.Args[len(l.Args)-1]
		}
		lines = append(lines, l)
	}
	return lines
}

// String prints the program for a reader: one line for each system call; the
// pseudo-ops that only move values are left out.
func (p *Program) String() string {
	var s strings.Builder
	for _, l := range p.Lines() {
		for _, name := range l.Labels {
			fmt.Fprintf(&s, "%s:\n", name)
		}
		if l.Call == Add && l.Then == "" {
			continue
		}
		s.WriteString("\t")
		if l.Call == Add {
			s.WriteString("goto " + l.Then)
			if len(l.Args) == 3 {
				fmt.Fprintf(&s, " if %s%+s is %s", strings.TrimPrefix(l.Args[2], "&"), l.Args[0], l.If)
			}
			s.WriteString("\n")
			continue
		}
		if l.Store != "" {
			s.WriteString(l.Store + " = ")
		}
		fmt.Fprintf(&s, "%s(%s)", l.Call, strings.Join(l.Args, ", "))
		if l.Then != "" {
			fmt.Fprintf(&s, "; if %s goto %s", l.If, l.Then)
		}
		if l.Errno != "" {
			fmt.Fprintf(&s, "; on %s go on", l.Errno)
			if l.OnErr != "" {
				s.WriteString(" at " + l.OnErr)
			}
		}
		if l.Doing != "" {
			s.WriteString("\t# " + l.Doing)
		}
		s.WriteString("\n")
	}
	return s.String()
}
