package script

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// Arg is an argument of an op or a word of its data.
type Arg interface {
	// word is the value once the program is linked.
	word(*Builder) uint64
	// print is how Explain shows it.
	print(*Builder) string
}

// Num is a plain number.
type Num int64

// Flags is a number with the names that make it up.
type Flags struct {
	N    uint64
	Text string
}

// FD is an inherited descriptor; the name stands for it where the program is
// printed.
type FD struct {
	N    int
	Name string
}

// CWD is AT_FDCWD: paths are relative to the current directory.
var CWD = Flags{N: ^uint64(99), Text: "AT_FDCWD"}

// Str is the address of a NUL-terminated string.
type Str string

// Blob is the address of data that stays as it is, aligned to 8.
type Blob struct {
	Data []byte
	Text string // shown instead of the bytes
}

// Strings is the address of a NULL-terminated vector of strings (argv, envp).
type Strings []string

// Cell is the address of a place in the program's data. The zero Cell is no
// place: address 0.
type Cell struct {
	name string
	off  int // in the image; 0 never is a cell
}

// At is the place n bytes further on.
func (c Cell) At(n int) Cell { return Cell{fmt.Sprintf("%s+%d", c.name, n), c.off + n} }

// Load is the 32-bit value that a cell has at run time, plus a number. As an
// argument it costs one pseudo-op before the call.
type Load struct {
	From Cell
	Plus int64
}

// Space is the address of byte N of the program's space: memory that is zero
// and not in the file.
type Space int

func (n Num) word(*Builder) uint64     { return uint64(n) }
func (n Num) print(*Builder) string    { return fmt.Sprint(int64(n)) }
func (f Flags) word(*Builder) uint64   { return f.N }
func (f Flags) print(*Builder) string  { return f.Text }
func (f FD) word(*Builder) uint64      { return uint64(f.N) }
func (f FD) print(*Builder) string     { return "<" + f.Name + ">" }
func (s Str) word(b *Builder) uint64   { return b.address(b.str(string(s))) }
func (s Str) print(*Builder) string    { return fmt.Sprintf("%q", string(s)) }
func (c Cell) word(b *Builder) uint64  { return b.address(c.off) }
func (c Cell) print(*Builder) string   { return "&" + c.name }
func (Load) word(*Builder) uint64      { return 0 } // a pseudo-op fills it in
func (s Space) word(b *Builder) uint64 { return b.spaceAt + uint64(s) }
func (s Space) print(*Builder) string  { return fmt.Sprintf("&space+%d", int(s)) }

func (l Load) print(*Builder) string {
	if l.Plus != 0 {
		return fmt.Sprintf("%s%+d", l.From.name, l.Plus)
	}
	return l.From.name
}

func (d Blob) word(b *Builder) uint64 {
	at, ok := b.blobs[string(d.Data)]
	if !ok {
		at = b.blob(d.Data)
		b.blobs[string(d.Data)] = at
	}
	return b.address(at)
}

func (d Blob) print(*Builder) string {
	if d.Text != "" {
		return d.Text
	}
	return fmt.Sprintf("<%d bytes>", len(d.Data))
}

func (v Strings) word(b *Builder) uint64 {
	at, ok := b.vectors[strings.Join(v, "\x00")]
	if !ok {
		words := make([]byte, 8*(len(v)+1))
		for i, s := range v {
			binary.LittleEndian.PutUint64(words[8*i:], b.address(b.str(s)))
		}
		at = b.blob(words)
		b.vectors[strings.Join(v, "\x00")] = at
	}
	return b.address(at)
}

func (v Strings) print(*Builder) string {
	const most = 8
	if len(v) > most {
		return fmt.Sprintf("[%d strings]", len(v))
	}
	return fmt.Sprintf("%q", []string(v))
}
