// Package script writes programs of system calls: a list of ops that a few
// instructions of machine code (package launch) can carry out with no Go
// runtime, no stack and no allocation, as the last code before a container's
// own program.
//
// Everything is decided while the program is written, in ordinary Go. What an
// op can do at run time is little on purpose: make one system call, store the
// result, tolerate one errno or every one, and jump. That is enough for a
// container's set-up and for its supervisor's loop, and short enough to be
// printed and read.
//
//	b := script.New(script.AMD64, script.Base)
//	fd := b.Cell("fd", 0)
//	b.Op(script.Openat, script.CWD, script.Str("/etc/hosts"), script.Num(0)).Into(fd).Doing("open the hosts file")
//	b.Op(script.Fchdir, script.Load{From: fd}).AllowAny()
//	b.Op(script.ExitGroup, script.Num(0))
//	p, err := b.Link()
//
// # The image
//
// A linked program is one block of memory at a fixed address, all numbers
// little endian:
//
//	header   64 bytes   +0  descriptor that a failure is written to
//	                    +8  address of the op that failed   } the 16 bytes
//	                    +16 its errno                       } that are written
//	                    +24 address of the first op
//	data                strings, structures, cells
//	ops      64 each    +0  number of the call, u16; 0xffff: the pseudo-op
//	                    +2  tolerated errno, u8; 0 none, 255 every one
//	                    +3  flags: bits 0-1 condition (1 result == 0,
//	                        2 result > 0, 3 result == arg5); bit 2: store 64
//	                        bits instead of 32
//	                    +4  jump on the condition, i16, in ops, relative to
//	                        the next one
//	                    +6  jump on the tolerated errno, likewise
//	                    +8  six arguments
//	                    +56 address where the result is stored; 0: nowhere
//	space               zeroes, not part of the file
//
// A failure that is not tolerated is written to the descriptor and ends the
// process with status 127. Nothing is stored when a call fails.
package script
