package launch

import (
	"github.com/coraclehq/coracle/internal/script"
	"github.com/coraclehq/coracle/internal/sys"
)

// Options say what to start.
type Options struct {
	// Program is what the helper carries out, linked at script.Base for this
	// machine's architecture.
	Program *script.Program

	// Keep are the descriptors that the helper inherits, under the numbers that
	// they have here, which must be 3 or more. 0, 1 and 2 are the host's until the
	// program changes them. Everything else is closed. The caller goes on owning
	// them.
	Keep []*sys.FD

	// Status is the descriptor that the program reports failures on; the launcher
	// reports its own there too. It is kept as well.
	Status *sys.FD

	// Name is the helper's argument: what ps shows after "coracle".
	Name string

	// Into, when not nil, is the cgroup v2 directory that the helper is born in.
	// It needs Linux 5.7 and clone3.
	Into *sys.FD

	// Dir is a directory on a file system that programs can be run from. It is used
	// only where the kernel refuses to run memory files (vm.memfd_noexec=2): the
	// helper is then a file there, unlinked before it is written.
	Dir *sys.FD
}
