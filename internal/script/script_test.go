package script

import (
	"encoding/binary"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func link(t *testing.T, write func(*Builder)) *Program {
	b := New(AMD64, Base)
	write(b)
	p, err := b.Link()
	require.NoError(t, err)
	return p
}

func TestLinkRefuses(t *testing.T) {
	for _, tt := range []struct {
		name, want string
		write      func(*Builder)
	}{
		{"unknown label", "no label nowhere", func(b *Builder) { b.Goto("nowhere") }},
		{"label twice", "label a stands twice", func(b *Builder) { b.Label("a"); b.Label("a") }},
		{"seven arguments", "mount has 7 arguments", func(b *Builder) { b.Op(Mount, Num(1), Num(2), Num(3), Num(4), Num(5), Num(6), Num(7)) }},
		{"NUL in a string", "has a NUL byte", func(b *Builder) { b.Op(Chdir, Str("a\x00b")) }},
		{"NUL in a vector", "has a NUL byte", func(b *Builder) { b.Op(Execve, Str("a"), Strings{"a", "b\x00"}, Strings{}) }},
		{"jump too long", "is too long", func(b *Builder) {
			b.Goto("end")
			for range 1 << 15 {
				b.Op(Getpid)
			}
			b.Label("end")
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := New(AMD64, Base)
			tt.write(b)
			_, err := b.Link()
			require.ErrorContains(t, err, tt.want)
		})
	}
}

// The image is laid out as the package says.
func TestImage(t *testing.T) {
	var cell Cell
	p := link(t, func(b *Builder) {
		b.Status(FD{N: 9, Name: "status"})
		cell = b.Cell("cell", 0x1122334455667788)
		b.Label("again")
		b.Op(Openat, CWD, Str("/x"), Num(-1)).Into64(cell).OnErrno(syscall.ENOENT, "again").IfPositive("end")
		b.Label("end")
		b.Op(Close, Load{From: cell})
	})
	le := binary.LittleEndian
	image := p.Image()
	require.Equal(t, uint64(9), le.Uint64(image))
	first := le.Uint64(image[24:])
	ops := image[first-Base:]
	require.Len(t, ops, 3*opSize, "a Load is a pseudo-op of its own")
	require.Equal(t, 3, p.Ops())

	require.Equal(t, uint16(257), le.Uint16(ops))
	require.Equal(t, byte(syscall.ENOENT), ops[2])
	require.Equal(t, byte(condPositive|store64), ops[3])
	require.Equal(t, int16(0), int16(le.Uint16(ops[4:])), "end is the next op")
	require.Equal(t, int16(-1), int16(le.Uint16(ops[6:])), "again is this one")
	require.Equal(t, ^uint64(99), le.Uint64(ops[8:]))
	require.Equal(t, "/x\x00", string(image[le.Uint64(ops[16:])-Base:][:3]))
	require.Equal(t, ^uint64(0), le.Uint64(ops[24:]))
	require.Equal(t, cell.word(p.b), le.Uint64(ops[56:]))
	require.Equal(t, uint64(0x1122334455667788), le.Uint64(image[cell.word(p.b)-Base:]))

	load := ops[opSize:]
	require.Equal(t, uint16(pseudo), le.Uint16(load))
	require.Equal(t, cell.word(p.b), le.Uint64(load[24:]), "it reads the cell")
	require.Equal(t, first+2*opSize+8, le.Uint64(load[56:]), "into the first argument of the next op")
}

func TestSharedData(t *testing.T) {
	count := func(s string, n int) int {
		p := link(t, func(b *Builder) {
			for range n {
				b.Op(Chdir, Str(s))
				b.Op(Execve, Str(s), Strings{s}, Strings{})
				b.Op(Seccomp, Num(0), Num(0), Blob{Data: []byte(s)})
			}
		})
		return strings.Count(string(p.Image()), s)
	}
	require.Equal(t, count("a string", 1), count("a string", 5), "equal data lie in one place")
}

func TestSpace(t *testing.T) {
	p := link(t, func(b *Builder) {
		require.Equal(t, Space(0), b.Reserve(5))
		s := b.Reserve(100)
		require.Equal(t, Space(8), s)
		b.Op(Getcwd, s, Num(100))
	})
	le := binary.LittleEndian
	op := p.Image()[le.Uint64(p.Image()[24:])-Base:]
	at := le.Uint64(op[8:])
	require.Greater(t, at, uint64(Base+len(p.Image())), "it is behind the file's end")
	require.LessOrEqual(t, at+100, uint64(Base+p.Memory()))
}

func TestFailure(t *testing.T) {
	p := link(t, func(b *Builder) {
		b.Op(Chdir, Str("/")).Doing("go home")
		b.Op(Setsid)
	})
	status := func(at uint64, e syscall.Errno) []byte {
		return binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, at), uint64(e))
	}
	require.EqualError(t, p.Failure(status(p.opsAt, syscall.EACCES)), "go home: permission denied")
	require.EqualError(t, p.Failure(status(p.opsAt+opSize, syscall.EPERM)), "setsid: operation not permitted")
	require.ErrorIs(t, p.Failure(status(p.opsAt, syscall.EACCES)), syscall.EACCES)
	for _, foreign := range [][]byte{nil, {'r'}, make([]byte, 16), status(p.opsAt-1, 1), status(p.opsAt+2*opSize, 1), status(^uint64(0), 1)} {
		require.Nil(t, p.Failure(foreign))
	}
}

func TestString(t *testing.T) {
	p := link(t, func(b *Builder) {
		log := FD{N: 7, Name: "log"}
		n := b.Cell("n", 0)
		b.Op(Openat, CWD, Str("/dev/null"), Flags{N: 2, Text: "O_RDWR"}).Into(n).Doing("open the null device")
		b.Label("loop")
		b.Op(Dup3, Load{From: n, Plus: 1}, log, Num(0)).OnErrno(syscall.EINTR, "loop").IfZero("done")
		b.Sum(-3, n).IfZero("done")
		b.Goto("loop")
		b.Label("done")
		b.Op(Execve, Str("/bin/true"), Strings{"true"}, Strings(slices.Repeat([]string{"A=1"}, 9))).AllowAny()
	})
	require.Equal(t, `	n = openat(AT_FDCWD, "/dev/null", O_RDWR)	# open the null device
loop:
	dup3(n+1, <log>, 0); if 0 goto done; on interrupted system call go on at loop
	goto done if n-3 is 0
	goto loop
done:
	execve("/bin/true", ["true"], [9 strings]); on any go on
`, p.String())
}

// Every call has a name and a number of its own on each architecture.
func TestCalls(t *testing.T) {
	for _, arch := range []Arch{AMD64, ARM64} {
		seen := map[uint16]Call{}
		for c := range Call(len(calls)) {
			assert.NotEmpty(t, c.String())
			n := arch.Number(c)
			assert.NotContains(t, seen, n, "%s and %s", c, seen[n])
			assert.True(t, c == Add || n < invalid)
			seen[n] = c
		}
	}
}
