package seccomp

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coraclehq/coracle/internal/probe"
	"github.com/coraclehq/coracle/internal/sys"
	"github.com/coraclehq/coracle/internal/testenv"
)

// int80 is a program that makes one call without arguments by int $0x80, which
// enters the kernel as an i386 program does, and exits in the same way with the
// number of the error.
func int80(t *testing.T, class elf.Class, nr uint32) string {
	t.Helper()
	code := []byte{0xb8}                              // mov $nr, %eax
	code = binary.LittleEndian.AppendUint32(code, nr) //
	code = append(code, 0xcd, 0x80)                   // int $0x80
	code = append(code, 0xf7, 0xd8)                   // neg %eax
	code = append(code, 0x89, 0xc3)                   // mov %eax, %ebx
	code = append(code, 0xb8, 1, 0, 0, 0, 0xcd, 0x80) // exit
	const base = 0x10000
	ident := [elf.EI_NIDENT]byte{0: '\x7f', 1: 'E', 2: 'L', 3: 'F', elf.EI_CLASS: byte(class), elf.EI_DATA: byte(elf.ELFDATA2LSB), elf.EI_VERSION: 1}
	var b bytes.Buffer
	write := func(v any) { require.NoError(t, binary.Write(&b, binary.LittleEndian, v)) }
	if class == elf.ELFCLASS32 {
		size := uint32(84 + len(code))
		write(elf.Header32{Ident: ident, Type: uint16(elf.ET_EXEC), Machine: uint16(elf.EM_386), Version: 1, Entry: base + 84, Phoff: 52, Ehsize: 52, Phentsize: 32, Phnum: 1})
		write(elf.Prog32{Type: uint32(elf.PT_LOAD), Vaddr: base, Paddr: base, Filesz: size, Memsz: size, Flags: uint32(elf.PF_R | elf.PF_X), Align: 4096})
	} else {
		size := uint64(120 + len(code))
		write(elf.Header64{Ident: ident, Type: uint16(elf.ET_EXEC), Machine: uint16(elf.EM_X86_64), Version: 1, Entry: base + 120, Phoff: 64, Ehsize: 64, Phentsize: 56, Phnum: 1})
		write(elf.Prog64{Type: uint32(elf.PT_LOAD), Vaddr: base, Paddr: base, Filesz: size, Memsz: size, Flags: uint32(elf.PF_R | elf.PF_X), Align: 4096})
	}
	b.Write(code)
	path := filepath.Join(t.TempDir(), "int80")
	require.NoError(t, os.WriteFile(path, b.Bytes(), 0o755))
	return path
}

// The other way into the kernel is closed to i386 programs and to native ones that
// take it, and with Compat32 it has the same rules.
func TestI386OnThisKernel(t *testing.T) {
	t.Parallel()
	testenv.Need(t, probe.SeccompFilter)
	number := func(name string) uint32 {
		nr, ok := sys.I386.Number(name)
		require.True(t, ok)
		return uint32(nr)
	}
	for class, name := range map[elf.Class]string{elf.ELFCLASS32: "i386 program", elf.ELFCLASS64: "native program"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			keyctl, getpid := int80(t, class, number("keyctl")), int80(t, class, number("getppid"))
			_, end := inChild(t, childOrder{Exec: keyctl})
			if !end.Exited() || end.ExitStatus() != int(sys.EOPNOTSUPP) { // keyctl(0, ...) works
				if _, end := inChild(t, childOrder{Exec: getpid}); !end.Exited() {
					t.Skip("this kernel has no IA32 emulation")
				}
			}
			t.Logf("control: exit status %d", end.ExitStatus())
			assert.NotEqual(t, 1, end.ExitStatus(), "the call is open without a filter")

			strict := mustDefault(t, sys.AMD64, Options{}).Bytes()
			for _, program := range []string{keyctl, getpid} {
				_, end = inChild(t, childOrder{Filter: strict, Exec: program})
				require.True(t, end.Signaled(), "exit status %d", end.ExitStatus())
				require.Equal(t, syscall.SIGSYS, end.Signal())
			}
			compat := mustDefault(t, sys.AMD64, Options{Compat32: true}).Bytes()
			for program, want := range map[string]int{
				keyctl:                                   int(sys.EPERM),
				int80(t, class, number("mount")):         int(sys.EPERM),
				int80(t, class, number("unshare")):       int(sys.EPERM),
				int80(t, class, number("clone3")):        int(sys.ENOSYS),
				int80(t, class, x32Bit|1):                int(sys.ENOSYS),
				int80(t, class, number("getpgrp")|1<<20): int(sys.ENOSYS),
			} {
				_, end = inChild(t, childOrder{Filter: compat, Exec: program})
				require.True(t, end.Exited(), "%v", end)
				assert.Equal(t, want, end.ExitStatus(), program)
			}
		})
	}
}
