package seccomp

import (
	"encoding/binary"

	"github.com/coraclehq/coracle/internal/sys"
)

// maxInsns is BPF_MAXINSNS, what seccomp(2) accepts in one filter.
const maxInsns = 4096

// The classic BPF instructions that filters here consist of, from
// linux/bpf_common.h. They are also the ones that the kernel's own emulator
// understands, which lets it skip the filter for calls that are always allowed.
const (
	opLoad = 0x20 // BPF_LD|BPF_W|BPF_ABS: A = word at byte K of struct seccomp_data
	opAnd  = 0x54 // BPF_ALU|BPF_AND|BPF_K
	opJump = 0x05 // BPF_JMP|BPF_JA: skip K instructions
	opJEQ  = 0x15 // BPF_JMP|BPF_JEQ|BPF_K: skip JT if A == K, else JF
	opJGT  = 0x25
	opJGE  = 0x35
	opJSet = 0x45 // skip JT if A&K != 0
	opRet  = 0x06 // BPF_RET|BPF_K
)

// Insn is one instruction of classic BPF, struct sock_filter.
type Insn struct {
	Code   uint16
	JT, JF uint8
	K      uint32
}

// Filter is a program for seccomp(2). Compile returns valid ones of at most 4096
// instructions. A Filter is not changed once made, so it may be shared.
type Filter []Insn

// Bytes returns the filter as the array of struct sock_filter that seccomp(2)
// expects, 8 bytes for each instruction, little-endian.
func (f Filter) Bytes() []byte {
	b := make([]byte, 0, 8*len(f))
	for _, i := range f {
		b = binary.LittleEndian.AppendUint16(b, i.Code)
		b = append(b, i.JT, i.JF)
		b = binary.LittleEndian.AppendUint32(b, i.K)
	}
	return b
}

// Data is a system call as a filter sees it, struct seccomp_data. Arch is an
// AUDIT_ARCH_* value.
type Data struct {
	NR   uint32
	Arch uint32
	IP   uint64
	Args [6]uint64
}

// The offsets of struct seccomp_data.
const (
	offNR   = 0
	offArch = 4
	offIP   = 8
	offArgs = 16
	endData = 64
)

// word returns the 32 bits at an offset, and whether there are such.
func (d *Data) word(off uint32) (uint32, bool) {
	half := func(v uint64) uint32 {
		if off%8 == 4 {
			return uint32(v >> 32)
		}
		return uint32(v)
	}
	switch {
	case off%4 != 0 || off >= endData:
		return 0, false
	case off == offNR:
		return d.NR, true
	case off == offArch:
		return d.Arch, true
	case off < offArgs:
		return half(d.IP), true
	}
	return half(d.Args[(off-offArgs)/8]), true
}

// Run returns what the filter answers to a call, SECCOMP_RET_* with its data. It
// is for tests and for Allows. Where the kernel would refuse the filter, it is
// SECCOMP_RET_KILL_PROCESS.
func (f Filter) Run(d Data) uint32 {
	var a uint32
	// All jumps go forward, so this ends.
	for pc := 0; pc < len(f); pc++ {
		i := f[pc]
		switch i.Code {
		case opLoad:
			w, ok := d.word(i.K)
			if !ok {
				return sys.SECCOMP_RET_KILL_PROCESS
			}
			a = w
		case opAnd:
			a &= i.K
		case opRet:
			return i.K
		case opJump:
			if i.K >= uint32(len(f)) {
				return sys.SECCOMP_RET_KILL_PROCESS
			}
			pc += int(i.K)
		case opJEQ, opJGT, opJGE, opJSet:
			pc += i.skip(a)
		default:
			return sys.SECCOMP_RET_KILL_PROCESS
		}
	}
	return sys.SECCOMP_RET_KILL_PROCESS
}

// skip returns how many instructions a conditional jump leaves out for A.
func (i Insn) skip(a uint32) int {
	var yes bool
	switch i.Code {
	case opJEQ:
		yes = a == i.K
	case opJGT:
		yes = a > i.K
	case opJGE:
		yes = a >= i.K
	case opJSet:
		yes = a&i.K != 0
	}
	if yes {
		return int(i.JT)
	}
	return int(i.JF)
}
