#include "textflag.h"

// The interpreter: carries out a linked program (package script draws the
// layout). It needs R19 = address of the header and nothing else: no stack, no g,
// no relocation. R20 is the current op; the kernel keeps R19 and R20 across SVC.
TEXT ·interp(SB),NOSPLIT|NOFRAME,$0-0
	MOVD	24(R19), R20
loop:
	MOVHU	0(R20), R8
	MOVD	8(R20), R0
	MOVD	16(R20), R1
	MOVD	24(R20), R2
	MOVD	$0xffff, R9
	CMPW	R9, R8
	BEQ	pseudo
	MOVD	32(R20), R3
	MOVD	40(R20), R4
	MOVD	48(R20), R5
	SVC
	CMN	$4095, R0
	BCS	failed
done:
	MOVBU	3(R20), R9
	MOVD	56(R20), R10
	CBZ	R10, condition
	TBNZ	$2, R9, wide
	MOVW	R0, (R10)
	B	condition
wide:
	MOVD	R0, (R10)
condition:
	AND	$3, R9, R9
	CBZ	R9, next
	CMP	$2, R9
	BHI	equal
	BEQ	positive
	CBZ	R0, take
	B	next
equal:
	MOVD	48(R20), R10
	CMP	R10, R0
	BEQ	take
	B	next
positive:
	CMP	$0, R0
	BLE	next
take:
	MOVH	4(R20), R10
jump:
	ADD	R10<<6, R20, R20
next:
	ADD	$64, R20
	B	loop
pseudo:
	ADD	R1, R0, R0
	CBZ	R2, done
	MOVWU	(R2), R2
	ADD	R2, R0, R0
	B	done
failed:
	NEG	R0, R0
	MOVBU	2(R20), R9
	MOVH	6(R20), R10
	CMP	$255, R9
	BEQ	jump
	CMP	R0, R9
	BEQ	jump
	MOVD	R20, 8(R19)
	MOVD	R0, 16(R19)
	MOVD	0(R19), R0
	ADD	$8, R19, R1
	MOVD	$16, R2
	MOVD	$64, R8		// write
	SVC
die:
	MOVD	$127, R0
	MOVD	$94, R8		// exit_group
	SVC
	B	die
	// The end mark, read by code().
	WORD $0x2d6c7263
	WORD $0x2e646e65

// func interpAddress() *byte
TEXT ·interpAddress(SB),NOSPLIT,$0-8
	MOVD	$·interp(SB), R0
	MOVD	R0, ret+0(FP)
	RET

// func spawn(number, a0, a1, a2, a3, a4, header uintptr) uintptr
//
// Blocks every signal of this thread, makes the clone call, restores the mask in
// the parent. The child never returns: it goes to the interpreter, with every
// signal blocked.
TEXT ·spawn(SB),NOSPLIT,$16-64
	MOVD	$-1, R9
	MOVD	R9, all-8(SP)
	MOVD	$2, R0		// SIG_SETMASK
	MOVD	$all-8(SP), R1
	MOVD	$old-16(SP), R2
	MOVD	$8, R3
	MOVD	$135, R8	// rt_sigprocmask
	SVC
	MOVD	a0+8(FP), R0
	MOVD	a1+16(FP), R1
	MOVD	a2+24(FP), R2
	MOVD	a3+32(FP), R3
	MOVD	a4+40(FP), R4
	MOVD	header+48(FP), R19
	MOVD	number+0(FP), R8
	SVC
	CBNZ	R0, parent
	B	·interp(SB)
parent:
	MOVD	R0, ret+56(FP)
	MOVD	$2, R0
	MOVD	$old-16(SP), R1
	MOVD	$0, R2
	MOVD	$8, R3
	MOVD	$135, R8
	SVC
	RET
