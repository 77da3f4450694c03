// Package launch starts a process that carries out a program of package script,
// from inside a Go program, without running any of that program's own code.
//
// Nothing of the host may reach the new process: not its memory (a child that
// shares it would make the host non-dumpable, let the container's OOM kill it and
// show its memory map), not its binary (CVE-2019-5736), not its descriptors. And
// nothing of the host may grow with it: a copying fork costs 100 ms at 2 GB of
// heap. So there are three images:
//
//	host      clone3(CLONE_VM|CLONE_PIDFD|CLONE_CLEAR_SIGHAND), one assembler
//	 |        function with every signal blocked, and goes on at once
//	launcher  shares the host's memory for some 100 us; close_range, fcntl and
//	 |        execveat, nothing else
//	helper    a sealed file made for this start: ELF header, the interpreter's
//	          code, the program as its second segment; it needs 30 KB
//
// The interpreter is the same function in launcher and helper; see
// interp_linux_amd64.s and interp_linux_arm64.s.
package launch
