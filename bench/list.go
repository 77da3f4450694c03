package main

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
)

// list is what a container's process does between its clone and the exec of its
// program, as the C limit repeats it: the memory image of a helper, with the
// supervisor's own descriptors taken out.
type list struct {
	image  []byte // header, data and ops; its own addresses stay
	base   uint64 // where image lies
	space  uint64 // bytes of memory from base on
	entry  uint64 // address of the first op
	flags  uint64 // of the clone: the namespaces
	ids    []int  // where the container's ID stands in image
	fds    []hole
	layer  string
	closed int // ops that closed the supervisor's descriptors
}

// hole is an argument that is an inherited descriptor.
type hole struct {
	at    int  // in the image
	role  byte // g cgroup, o output, n /dev/null, c the container's pidfd, x none
	which int
}

// The layout of a helper's memory is drawn in package script.
const (
	opSize    = 64
	pseudo    = 0xffff
	idLength  = 64
	exitChild = 17 // SIGCHLD, in the low byte of clone's flags
)

// op is a view of one op.
type op []byte

func (o op) nr() uint16       { return binary.LittleEndian.Uint16(o) }
func (o op) arg(n int) uint64 { return binary.LittleEndian.Uint64(o[8+8*n:]) }
func (o op) store() uint64    { return binary.LittleEndian.Uint64(o[56:]) }

// skip turns the op into one that does nothing.
func (o op) skip() {
	clear(o)
	binary.LittleEndian.PutUint16(o, pseudo)
}

var (
	errFormat = errors.New("the helper's file is not laid out as it should be")
	layerName = regexp.MustCompile(`layers/([0-9a-z]+)/fs`)
)

// readList takes the list out of a helper's file. id is the container's; exec says that
// the process joined a container that was there. In every path store becomes moved,
// which has as many bytes.
func readList(file io.ReaderAt, n numbers, id, store, moved string, exec bool) (*list, error) {
	f, err := elf.NewFile(file)
	if err != nil {
		return nil, err
	}
	if len(f.Progs) < 2 {
		return nil, errFormat
	}
	const most = 16 << 20
	p := f.Progs[1]
	if p.Filesz > most || p.Memsz > most || p.Filesz > p.Memsz {
		return nil, errFormat
	}
	l := &list{base: p.Vaddr, space: p.Memsz, image: make([]byte, p.Filesz)}
	if _, err := p.ReadAt(l.image, 0); err != nil {
		return nil, err
	}
	if len(l.image) < opSize || len(store) != len(moved) {
		return nil, errFormat
	}
	first := binary.LittleEndian.Uint64(l.image[24:]) - l.base
	if first%opSize != 0 || first >= uint64(len(l.image)) {
		return nil, errFormat
	}
	if err := l.cut(n, int(first), exec); err != nil {
		return nil, err
	}
	copy(l.image, bytes.ReplaceAll(l.image, []byte(store), []byte(moved)))
	for at := 0; ; at++ {
		i := bytes.Index(l.image[at:], []byte(id))
		if i < 0 {
			break
		}
		at += i
		l.ids = append(l.ids, at)
	}
	if m := layerName.FindSubmatch(l.image); m != nil {
		l.layer = string(m[1])
	}
	return l, nil
}

func (l *list) op(at int) op { return op(l.image[at : at+opSize]) }

// cut finds the part of the ops that is the process's own, and its descriptors.
func (l *list) cut(n numbers, first int, exec bool) error {
	from, to := -1, -1
	patched := map[uint64]bool{}
	for at := first; at+opSize <= len(l.image); at += opSize {
		o := l.op(at)
		patched[o.store()] = true
		switch {
		case from < 0 && o.nr() == n.clone && byte(o.arg(0)) == exitChild:
			l.flags, from = o.arg(0)&^0xff, at+opSize
		case from < 0 && o.nr() == n.clone3:
			args := o.arg(0) - l.base
			if args > uint64(len(l.image)-8) {
				return errFormat
			}
			l.flags, from = binary.LittleEndian.Uint64(l.image[args:]), at+opSize
		case exec && (o.nr() == n.clone || o.nr() == n.clone3):
			// The process that joined forks the one that goes on; the C side is one process.
			o.skip()
		case o.nr() == n.execve:
			to = at
		}
	}
	if from < 0 || to < from {
		return errFormat
	}
	l.entry = l.base + uint64(from)
	const namespaces = 0x7e020080 // CLONE_NEW..., sched.h
	l.flags &= namespaces
	return l.descriptors(n, from, to, patched, exec)
}

// descriptors finds the arguments that are inherited descriptors: numbers that no
// op fills in, where the call takes a descriptor.
func (l *list) descriptors(n numbers, from, to int, patched map[uint64]bool, exec bool) error {
	roles := map[uint64]hole{}
	var uses []int
	joined := 0
	for at := from; at <= to; at += opSize {
		o := l.op(at)
		fd := o.arg(0)
		if !n.takesFD[o.nr()] || fd < 3 || fd > 1<<20 || patched[l.base+uint64(at)+8] {
			continue
		}
		uses = append(uses, at)
		role, known := roles[fd]
		switch {
		case o.nr() == n.write && o.arg(2) == 1:
			role = hole{role: 'g', which: joined}
			joined++
		case o.nr() == n.dup3 && o.arg(1) == 0:
			role = hole{role: 'n'}
		case o.nr() == n.dup3:
			role = hole{role: 'o', which: int(o.arg(1)) - 1}
		case o.nr() == n.setns && exec:
			role = hole{role: 'c'}
		case o.nr() == n.sendmsg: // of a failure
			role = hole{role: 'x'}
		case o.nr() == n.close || o.nr() == n.fchown || known:
		default:
			return fmt.Errorf("call %d has a descriptor that the C side has not", o.nr())
		}
		if role.role != 0 {
			roles[fd] = role
		}
	}
	for _, at := range uses {
		o := l.op(at)
		role, known := roles[o.arg(0)]
		switch {
		case known:
			role.at = at + 8
			l.fds = append(l.fds, role)
		case o.nr() == n.close:
			o.skip()
			l.closed++
		default:
			return fmt.Errorf("call %d has a descriptor that the C side has not", o.nr())
		}
	}
	return nil
}

// plan is the first line that the C limit reads.
func (l *list) plan(container int, pidsMax string, groups []group) string {
	var s strings.Builder
	fmt.Fprintf(&s, "%d %d %d %d %d %d %s\n", l.base, l.space, l.entry, l.flags, 0, container, pidsMax)
	fmt.Fprintf(&s, "%d", len(l.ids))
	for _, at := range l.ids {
		fmt.Fprintf(&s, " %d", at)
	}
	fmt.Fprintf(&s, "\n%d", len(l.fds))
	for _, h := range l.fds {
		fmt.Fprintf(&s, " %d %c %d", h.at, h.role, h.which)
	}
	fmt.Fprintf(&s, "\n%d", len(groups))
	for _, g := range groups {
		fmt.Fprintf(&s, " %c %s", g.kind(), g.dir)
	}
	return s.String() + "\n"
}

// group is the cgroup of a container in one hierarchy.
type group struct {
	dir  string
	v2   bool
	pids bool // its file pids.max limits
}

// kind is the letter by which the C limit knows the hierarchy.
func (g group) kind() byte {
	switch {
	case g.v2 && g.pids:
		return 'P'
	case g.v2:
		return '2'
	case g.pids:
		return 'p'
	}
	return 'm'
}

// numbers are the system calls that a list is cut by.
type numbers struct {
	clone, clone3, execve, write, close, dup3, setns, sendmsg, fchown uint16

	takesFD map[uint16]bool // as their first argument
}

// numbersOf are those of an architecture, by its name in Go.
func numbersOf(arch string) (numbers, error) {
	var n numbers
	var read, ioctl, fchdir, openat, openat2 uint16
	switch arch {
	case "amd64":
		n = numbers{clone: 56, clone3: 435, execve: 59, write: 1, close: 3, dup3: 292, setns: 308, sendmsg: 46, fchown: 260}
		read, ioctl, fchdir, openat, openat2 = 0, 16, 81, 257, 437
	case "arm64":
		n = numbers{clone: 220, clone3: 435, execve: 221, write: 64, close: 57, dup3: 24, setns: 268, sendmsg: 211, fchown: 54}
		read, ioctl, fchdir, openat, openat2 = 63, 29, 50, 56, 437
	default:
		return n, fmt.Errorf("no system call numbers for %s", arch)
	}
	n.takesFD = map[uint16]bool{}
	for _, nr := range []uint16{n.write, n.close, n.dup3, n.setns, n.sendmsg, n.fchown, read, ioctl, fchdir, openat, openat2} {
		n.takesFD[nr] = true
	}
	return n, nil
}
