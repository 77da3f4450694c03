package cred

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/coraclehq/coracle/internal/sys"
)

// format is what the beginning of a program says about how it is executed. The
// zero format is nothing that the kernel knows.
type format struct {
	script      bool
	elf         bool
	arch        sys.Arch // of an ELF program; "machine 20" if it has no name here
	interpreter string   // a script's, or an ELF program's loader; may be empty
	wrong       string   // why the kernel refuses it: "it is cut off"
}

// shebangSize is BINPRM_BUF_SIZE: what the kernel reads of a program to find out
// what it is. A script's first line counts up to here.
const shebangSize = 256

// inspect reads what a program is. The bytes are foreign: it reads no more than
// 70 KiB, in three pieces, and trusts no offset. Errors are those of reading.
func inspect(r io.ReaderAt) (format, error) {
	head := make([]byte, shebangSize)
	n, err := r.ReadAt(head, 0)
	if err != nil && err != io.EOF {
		return format{}, err
	}
	head = head[:n]
	switch {
	case n == 0:
		return format{wrong: "it is empty"}, nil
	case bytes.HasPrefix(head, []byte("#!")):
		return shebang(head), nil
	case bytes.HasPrefix(head, []byte(elf.ELFMAG)):
		return inspectELF(r, head)
	}
	return format{wrong: "it is neither a program nor a script that begins with #!"}, nil
}

// shebang reads the first line of a script by the rules of load_script in
// fs/binfmt_script.c, for which only blanks and tabs separate.
func shebang(head []byte) format {
	f := format{script: true}
	line, _, ended := bytes.Cut(head[2:], []byte("\n"))
	line = bytes.TrimLeft(line, " \t")
	at := bytes.IndexAny(line, " \t\x00")
	switch {
	case at >= 0:
		line = line[:at]
	case !ended && len(head) == shebangSize:
		f.wrong = fmt.Sprintf("its first line is longer than %d bytes", shebangSize)
		return f
	}
	if len(line) == 0 {
		f.wrong = "its first line names no interpreter"
		return f
	}
	f.interpreter = string(line)
	return f
}

// maxHeaders is what the kernel reads of program headers, ELF_MIN_ALIGN as large
// as it gets (load_elf_phdrs in fs/binfmt_elf.c).
const maxHeaders = 64 << 10

// inspectELF reads the header of an ELF program and PT_INTERP; see elf(5).
func inspectELF(r io.ReaderAt, head []byte) (format, error) {
	f := format{elf: true}
	const cutOff = "it is cut off"
	if len(head) < 52 {
		f.wrong = cutOff
		return f, nil
	}
	var order binary.ByteOrder = binary.LittleEndian
	if elf.Data(head[elf.EI_DATA]) == elf.ELFDATA2MSB {
		order = binary.BigEndian
	}
	f.arch = archOf(elf.Machine(order.Uint16(head[18:])), elf.Class(head[elf.EI_CLASS]))
	if t := elf.Type(order.Uint16(head[16:])); t != elf.ET_EXEC && t != elf.ET_DYN {
		f.wrong = "it is an object file, not a program"
		return f, nil
	}
	var offset uint64
	var entry, count, want int
	switch elf.Class(head[elf.EI_CLASS]) {
	case elf.ELFCLASS32:
		offset, entry, count, want = uint64(order.Uint32(head[28:])), int(order.Uint16(head[42:])), int(order.Uint16(head[44:])), 32
	case elf.ELFCLASS64:
		if len(head) < 64 {
			f.wrong = cutOff
			return f, nil
		}
		offset, entry, count, want = order.Uint64(head[32:]), int(order.Uint16(head[54:])), int(order.Uint16(head[56:])), 56
	}
	if want == 0 || entry != want || count < 1 || count*entry > maxHeaders {
		f.wrong = "its program headers make no sense"
		return f, nil
	}
	headers, err := readPiece(r, offset, count*entry)
	if err != nil || headers == nil {
		f.wrong = cutOff
		return f, err
	}
	for ; len(headers) > 0; headers = headers[entry:] {
		if elf.ProgType(order.Uint32(headers)) != elf.PT_INTERP {
			continue
		}
		from, size := uint64(order.Uint32(headers[4:])), uint64(order.Uint32(headers[16:]))
		if want == 56 {
			from, size = order.Uint64(headers[8:]), order.Uint64(headers[32:])
		}
		if size < 2 || size > sys.PATH_MAX {
			f.wrong = "the name of its loader makes no sense"
			return f, nil
		}
		name, err := readPiece(r, from, int(size))
		if err != nil || name == nil {
			f.wrong = cutOff
			return f, err
		}
		name, _, _ = bytes.Cut(name, []byte{0})
		f.interpreter = string(name)
		return f, nil
	}
	return f, nil
}

// readPiece reads n bytes at an offset; nil if the file does not have them.
func readPiece(r io.ReaderAt, at uint64, n int) ([]byte, error) {
	if at > 1<<62 {
		return nil, nil
	}
	piece := make([]byte, n)
	got, err := r.ReadAt(piece, int64(at))
	if got == n {
		return piece, nil
	}
	if err == io.EOF {
		err = nil
	}
	return nil, err
}

// archOf names a machine as Go does.
func archOf(m elf.Machine, c elf.Class) sys.Arch {
	switch m {
	case elf.EM_X86_64:
		if c == elf.ELFCLASS32 {
			return "x32"
		}
		return sys.AMD64
	case elf.EM_386:
		return sys.I386
	case elf.EM_AARCH64:
		return sys.ARM64
	case elf.EM_ARM:
		return sys.ARM
	case elf.EM_RISCV:
		return "riscv64"
	case elf.EM_PPC64:
		return "ppc64le"
	case elf.EM_S390:
		return "s390x"
	case elf.EM_LOONGARCH:
		return "loong64"
	case elf.EM_MIPS:
		return "mips"
	}
	return sys.Arch(fmt.Sprintf("machine %d", uint16(m)))
}
