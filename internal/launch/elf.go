package launch

import (
	"encoding/binary"

	"github.com/coraclehq/coracle/internal/script"
)

const codeBase = 0x400000

// elf writes the front of a helper's file: ELF header, program headers, the
// entry and the interpreter. The program follows at the returned length. See
// elf(5).
//
// The code is one read-only segment; header, data, ops and space are the second,
// writable and not executable.
func elf(arch script.Arch, code []byte, p *script.Program) []byte {
	const (
		headerSize  = 64
		segmentSize = 56
		segments    = 3
		entry       = headerSize + segments*segmentSize
		load        = 1
		gnuStack    = 0x6474e551
		execRead    = 5
		readWrite   = 6
	)
	machine, page := uint16(62), uint64(4096) // EM_X86_64
	if arch == script.ARM64 {
		machine, page = 183, 65536 // EM_AARCH64; its pages may be 64 KiB
	}
	b := make([]byte, page)
	le := binary.LittleEndian
	copy(b, "\x7fELF\x02\x01\x01")
	le.PutUint16(b[16:], 2) // ET_EXEC
	le.PutUint16(b[18:], machine)
	le.PutUint32(b[20:], 1)
	le.PutUint64(b[24:], codeBase+entry)
	le.PutUint64(b[32:], headerSize)
	le.PutUint16(b[52:], headerSize)
	le.PutUint16(b[54:], segmentSize)
	le.PutUint16(b[56:], segments)
	segment := func(i int, kind, flags uint32, offset, address, file, memory uint64) {
		h := b[headerSize+i*segmentSize:]
		le.PutUint32(h, kind)
		le.PutUint32(h[4:], flags)
		for j, v := range []uint64{offset, address, address, file, memory, page} {
			le.PutUint64(h[8+8*j:], v)
		}
	}
	front := append(enter(arch, p.Entry()), code...)
	segment(0, load, execRead, 0, codeBase, entry+uint64(len(front)), entry+uint64(len(front)))
	segment(1, load, readWrite, page, p.Entry(), uint64(len(p.Image())), uint64(p.Memory()))
	segment(2, gnuStack, readWrite, 0, 0, 0, 0)
	copy(b[entry:], front)
	return b
}

// enter is the instruction or two that give the interpreter its header.
func enter(arch script.Arch, header uint64) []byte {
	le := binary.LittleEndian
	if arch == script.ARM64 {
		// movz x19, #low; movk x19, #high, lsl #16
		b := le.AppendUint32(nil, 0xd2800013|uint32(header&0xffff)<<5)
		return le.AppendUint32(b, 0xf2a00013|uint32(header>>16&0xffff)<<5)
	}
	return le.AppendUint32([]byte{0x41, 0xbc}, uint32(header)) // mov r12d, header
}
