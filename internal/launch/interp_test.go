//go:build linux && (amd64 || arm64)

package launch

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coraclehq/coracle/internal/script"
)

// emulator, when set in the environment, runs helpers that this machine's kernel
// cannot: the tests of another architecture run so.
const emulator = "CORACLE_TEST_EMULATOR"

// run runs a program as a helper and returns what it wrote to its standard
// output, where its status goes too.
func run(t *testing.T, write func(*script.Builder)) (out []byte, status int, p *script.Program) {
	b := script.New(host(), script.Base)
	b.Status(script.Num(1))
	write(b)
	p, err := b.Link()
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "helper")
	require.NoError(t, os.WriteFile(file, append(elf(host(), code(), p), p.Image()...), 0o700))
	argv := []string{file}
	if e := os.Getenv(emulator); e != "" {
		argv = []string{e, file}
	}
	out, err = exec.Command(argv[0], argv[1:]...).Output()
	if err != nil {
		exit, ok := err.(*exec.ExitError)
		require.True(t, ok, "%v", err)
		status = exit.ExitCode()
	}
	return out, status, p
}

func say(b *script.Builder, s string) {
	b.Op(script.Write, script.Num(1), script.Str(s), script.Num(len(s)))
}

func exit(b *script.Builder, code int) { b.Op(script.ExitGroup, script.Num(code)) }

func TestInterpreterJumps(t *testing.T) {
	out, code, _ := run(t, func(b *script.Builder) {
		n := b.Cell("n", 0)
		b.Label("loop")
		say(b, "x")
		b.Sum(1, n).Into(n)
		b.Sum(-5, n).IfZero("five")
		b.Goto("loop")

		b.Label("five")
		b.Sum(0, n).IfPositive("positive") // 5 > 0
		say(b, "not positive")
		b.Label("positive")
		b.Sum(-7, n).IfPositive("wrong") // -2: as 64 bits, not as 32
		b.Op(script.Write, script.Num(1), script.Str("ab"), script.Num(2), script.Num(0), script.Num(0), script.Num(2)).IfArg5("equal")
		b.Label("wrong")
		say(b, "wrong")
		b.Label("equal")
		b.Op(script.Write, script.Num(1), script.Str("c"), script.Num(1), script.Num(0), script.Num(0), script.Num(2)).IfArg5("wrong")
		exit(b, 7)
	})
	require.Equal(t, "xxxxxabc", string(out))
	require.Equal(t, 7, code)
}

func TestInterpreterStores(t *testing.T) {
	out, code, _ := run(t, func(b *script.Builder) {
		narrow := b.Data("narrow", bytes.Repeat([]byte{0xff}, 16))
		wide := b.Data("wide", bytes.Repeat([]byte{0xff}, 16))
		b.Sum(0x41424344, script.Cell{}).Into(narrow)
		b.Sum(0x41424344, script.Cell{}).Into64(wide)
		b.Op(script.Write, script.Num(1), narrow, script.Num(9))
		b.Op(script.Write, script.Num(1), wide, script.Num(9))
		length := b.Cell("length", 3)
		b.Op(script.Write, script.Num(1), script.Str("abcdef"), script.Load{From: length, Plus: 2})
		text := b.Words("address", script.Str("there"))
		b.Op(script.Write, script.Num(1), script.Load{From: text}, script.Num(5))
		space := b.Reserve(100)
		b.Op(script.Getcwd, space, script.Num(100)).Into(length)
		b.Op(script.Write, script.Num(1), script.Num(0), script.Num(0))
		exit(b, 0)
	})
	want := "DCBA\xff\xff\xff\xff\xff" + "DCBA\x00\x00\x00\x00\xff" + "abcde" + "there"
	require.Equal(t, want, string(out))
	require.Equal(t, 0, code)
}

func TestInterpreterErrors(t *testing.T) {
	missing := func(b *script.Builder) *script.Op {
		return b.Op(script.Openat, script.CWD, script.Str("/nowhere/at/all"), script.Num(0))
	}
	out, code, p := run(t, func(b *script.Builder) {
		kept := b.Cell("kept", 'k')
		missing(b).Allow(syscall.ENOENT).Into(kept)
		missing(b).OnErrno(syscall.ENOENT, "jumped")
		say(b, "wrong")
		b.Label("jumped")
		missing(b).AllowAny().IfZero("wrong").IfPositive("wrong")
		missing(b).OnAnyErrno("again")
		b.Label("wrong")
		say(b, "wrong")
		b.Label("again")
		b.Op(script.Write, script.Num(1), kept, script.Num(1))
		missing(b).Allow(syscall.EPERM).Doing("open nothing")
		say(b, "wrong")
	})
	require.Equal(t, 127, code)
	require.Equal(t, byte('k'), out[0])
	failed := p.Failure(out[1:])
	require.NotNil(t, failed)
	require.EqualError(t, failed, "open nothing: no such file or directory")
	require.Equal(t, script.Openat, failed.Call)
}

func TestInterpreterFailAt(t *testing.T) {
	out, code, p := run(t, func(b *script.Builder) {
		say(b, "x")
		say(b, "y")
		exit(b, 0)
		b.FailAt(1)
	})
	require.Equal(t, 127, code)
	require.Equal(t, syscall.ENOSYS, p.Failure(out[1:]).Errno)
}

// The interpreter is carried into another process: it may not refer to anything
// outside of itself, and must stay small.
func TestInterpreterSize(t *testing.T) {
	require.Less(t, len(code()), 400)
	t.Logf("%d bytes", len(code()))
}
