#include "textflag.h"

// The interpreter: carries out a linked program (package script draws the
// layout). It needs R12 = address of the header and nothing else: no stack, no g,
// no relocation, so it runs in a child of clone3 as well as in a process of its
// own, wherever it is loaded.
//
// BX is the current op. Linux returns -4095..-1 for an errno; see syscall(2).
TEXT ·interp(SB),NOSPLIT|NOFRAME,$0-0
	MOVQ	24(R12), BX
loop:
	MOVWLZX	0(BX), AX
	MOVQ	8(BX), DI
	MOVQ	16(BX), SI
	MOVQ	24(BX), DX
	CMPL	AX, $0xffff
	JEQ	pseudo
	MOVQ	32(BX), R10
	MOVQ	40(BX), R8
	MOVQ	48(BX), R9
	SYSCALL
	CMPQ	AX, $-4095
	JCC	failed
done:
	MOVBLZX	3(BX), CX
	MOVQ	56(BX), DX
	TESTQ	DX, DX
	JZ	condition
	MOVL	AX, (DX)
	TESTB	$4, CX
	JZ	condition
	MOVQ	AX, (DX)
condition:
	ANDL	$3, CX
	JZ	next
	CMPL	CX, $2
	JHI	equal
	JEQ	positive
	TESTQ	AX, AX
	JZ	take
	JMP	next
equal:
	CMPQ	AX, 48(BX)
	JEQ	take
	JMP	next
positive:
	TESTQ	AX, AX
	JLE	next
take:
	MOVWQSX	4(BX), DX
jump:
	SHLQ	$6, DX
	ADDQ	DX, BX
next:
	ADDQ	$64, BX
	JMP	loop
pseudo:
	LEAQ	(DI)(SI*1), AX
	TESTQ	DX, DX
	JZ	done
	MOVL	(DX), DX
	ADDQ	DX, AX
	JMP	done
failed:
	NEGQ	AX
	MOVBLZX	2(BX), CX
	MOVWQSX	6(BX), DX
	CMPL	CX, $255
	JEQ	jump
	CMPL	CX, AX
	JEQ	jump
	MOVQ	BX, 8(R12)
	MOVQ	AX, 16(R12)
	MOVQ	0(R12), DI
	LEAQ	8(R12), SI
	MOVL	$16, DX
	MOVL	$1, AX		// write
	SYSCALL
die:
	MOVL	$127, DI
	MOVL	$231, AX	// exit_group
	SYSCALL
	JMP	die
	// The end mark, read by code(). Inside the symbol: the linker may order
	// symbols as it likes.
	BYTE $0x63; BYTE $0x72; BYTE $0x6c; BYTE $0x2d; BYTE $0x65; BYTE $0x6e; BYTE $0x64; BYTE $0x2e

// func interpAddress() *byte
TEXT ·interpAddress(SB),NOSPLIT,$0-8
	LEAQ	·interp(SB), AX
	MOVQ	AX, ret+0(FP)
	RET

// func spawn(number, a0, a1, a2, a3, a4, header uintptr) uintptr
//
// Blocks every signal of this thread, makes the clone call, restores the mask in
// the parent. The child never returns: it goes to the interpreter, with every
// signal blocked.
TEXT ·spawn(SB),NOSPLIT,$16-64
	MOVQ	$-1, AX
	MOVQ	AX, all-8(SP)
	MOVL	$14, AX		// rt_sigprocmask
	MOVL	$2, DI		// SIG_SETMASK
	LEAQ	all-8(SP), SI
	LEAQ	old-16(SP), DX
	MOVL	$8, R10
	SYSCALL
	MOVQ	number+0(FP), AX
	MOVQ	a0+8(FP), DI
	MOVQ	a1+16(FP), SI
	MOVQ	a2+24(FP), DX
	MOVQ	a3+32(FP), R10
	MOVQ	a4+40(FP), R8
	MOVQ	header+48(FP), R12
	SYSCALL
	TESTQ	AX, AX
	JNZ	parent
	JMP	·interp(SB)
parent:
	MOVQ	AX, ret+56(FP)
	MOVL	$14, AX		// rt_sigprocmask
	MOVL	$2, DI
	LEAQ	old-16(SP), SI
	XORL	DX, DX
	MOVL	$8, R10
	SYSCALL
	RET
