package sys

import (
	"runtime"
	"strconv"
	"sync"
	"syscall"
)

// Arch is a processor architecture under Go's name for it. The pure packages
// compile for the one they are given; [HostArch] is the one that runs.
type Arch string

// The architectures whose system calls are known by number. Containers run on
// AMD64 and ARM64; I386 and ARM are their 32-bit companions.
const (
	AMD64 Arch = "amd64"
	ARM64 Arch = "arm64"
	I386  Arch = "386"
	ARM   Arch = "arm"
)

// HostArch returns the architecture this program was built for.
func HostArch() Arch { return Arch(runtime.GOARCH) }

// OpenFlags are the flags of open(2) that have a value of their own on each
// architecture.
type OpenFlags struct{ Direct, Directory, Nofollow, Tmpfile int }

// OpenFlags returns the architecture's own open(2) flags.
func (a Arch) OpenFlags() OpenFlags {
	if a == ARM64 || a == ARM {
		return OpenFlags{Direct: 0x10000, Directory: 0x4000, Nofollow: 0x8000, Tmpfile: 0x404000}
	}
	return OpenFlags{Direct: 0x4000, Directory: 0x10000, Nofollow: 0x20000, Tmpfile: 0x410000}
}

// AuditArch returns the AUDIT_ARCH_* value that seccomp(2) shows a filter, or 0
// for an unknown architecture.
func (a Arch) AuditArch() uint32 {
	switch a {
	case AMD64:
		return AUDIT_ARCH_X86_64
	case ARM64:
		return AUDIT_ARCH_AARCH64
	case I386:
		return AUDIT_ARCH_I386
	case ARM:
		return AUDIT_ARCH_ARM
	}
	return 0
}

// Number returns the number of the system call of that name ("openat2"), and
// whether the architecture has it.
func (a Arch) Number(name string) (int, bool) {
	n, ok := a.tables().byName[name]
	return n, ok
}

// Call returns the name of system call nr, "" if it has none.
func (a Arch) Call(nr int) string { return a.tables().byNumber[nr] }

// Calls returns the names of all system calls by number. The caller must not
// change the map.
func (a Arch) Calls() map[int]string { return a.tables().byNumber }

// ErrnoName returns the symbol of a Linux error number, "ENOENT", or its decimal
// digits where there is none.
func ErrnoName(e syscall.Errno) string {
	if s, ok := errnos().byNumber[int(e)]; ok {
		return s
	}
	return strconv.Itoa(int(e))
}

// ErrnoByName returns the Linux error number of a symbol, ENOTSUP and the other
// second names too.
func ErrnoByName(name string) (syscall.Errno, bool) {
	switch name {
	case "EWOULDBLOCK":
		return EWOULDBLOCK, true
	case "EDEADLOCK":
		return EDEADLOCK, true
	case "ENOTSUP":
		return ENOTSUP, true
	}
	n, ok := errnos().byName[name]
	return syscall.Errno(n), ok
}

// numbered is one line of a table of names by number.
type numbered struct {
	n    int
	name string
}

// lookup is a table in both directions.
type lookup struct {
	byName   map[string]int
	byNumber map[int]string
}

func newLookup(rows []numbered) lookup {
	l := lookup{make(map[string]int, len(rows)), make(map[int]string, len(rows))}
	for _, r := range rows {
		l.byName[r.name] = r.n
		if _, dup := l.byNumber[r.n]; !dup {
			l.byNumber[r.n] = r.name
		}
	}
	return l
}

func (a Arch) tables() lookup {
	switch a {
	case AMD64:
		return lookupAMD64()
	case ARM64:
		return lookupARM64()
	case I386:
		return lookup386()
	case ARM:
		return lookupARM()
	}
	return lookup{}
}

// Tables that are built once, by the first who asks.
var (
	lookupAMD64 = sync.OnceValue(func() lookup { return newLookup(numbersAMD64()) })
	lookupARM64 = sync.OnceValue(func() lookup { return newLookup(numbersARM64()) })
	lookup386   = sync.OnceValue(func() lookup { return newLookup(numbers386()) })
	lookupARM   = sync.OnceValue(func() lookup { return newLookup(numbersARM()) })
	errnos      = sync.OnceValue(func() lookup { return newLookup(errnoNames()) })
)
