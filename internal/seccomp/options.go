package seccomp

// Options say in what the built-in profile gives way. The zero Options are the
// strictest.
type Options struct {
	// Caps are the capabilities in the container's bounding set, "CAP_NET_RAW".
	// Calls that are of use only with a capability are allowed with it.
	Caps []string

	// Debug allows debuggers and tracers: ptrace(2), process_vm_readv(2),
	// process_vm_writev(2), and personality(2) to turn off address
	// randomisation.
	Debug bool

	// Compat32 allows programs of the 32-bit companion architecture, i386 on
	// amd64 and ARM on arm64, and modify_ldt(2), which some of them need.
	Compat32 bool

	// Socketcall, with Compat32, allows i386 programs to make sockets by
	// socketcall(2), as the C library of Debian does. The address family is
	// hidden from a filter there, so it opens all of them, AF_ALG and AF_VSOCK
	// included.
	Socketcall bool
}
