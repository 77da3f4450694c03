//go:build linux && (amd64 || arm64)

package launch

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"

	"github.com/coraclehq/coracle/internal/script"
	"github.com/coraclehq/coracle/internal/sys"
)

// Launcher starts helpers. The zero Launcher is ready; it is safe for concurrent
// use.
type Launcher struct {
	mu     sync.Mutex // guards what follows
	arenas []*arena
	closed bool

	noClone3   atomic.Bool // clone3 answered ENOSYS: an old kernel, or a seccomp filter around us
	noMemfdRun atomic.Bool // vm.memfd_noexec=2
}

// Helper is a started helper process.
type Helper struct {
	PID   int
	PIDFD *sys.FD // owned by whoever has the Helper

	launcher *Launcher
	arena    *arena
	start    *script.Program
	program  *script.Program
}

// Start starts a helper and returns at once: whether the helper came to run its
// program, and how that went, is told on o.Status. It needs Linux 5.9.
func (l *Launcher) Start(o Options) (*Helper, error) {
	image, err := l.image(o)
	if err != nil {
		return nil, err
	}
	defer image.Close()
	a, err := l.take()
	if err != nil {
		return nil, err
	}
	p, err := launcher(a, image, o)
	if err != nil {
		return nil, errors.Join(err, l.give(a))
	}
	copy(a.mem, p.Image())
	pid, err := l.clone(a, o.Into)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("clone the launcher: %w", err), l.give(a))
	}
	return &Helper{
		PID: pid, PIDFD: sys.NewFD(int(*a.pidfd()), "pidfd of the supervisor"),
		launcher: l, arena: a, start: p, program: o.Program,
	}, nil
}

// Failure turns what came over the status descriptor into the error of the op
// that failed; nil when the bytes are no failure.
func (h *Helper) Failure(status []byte) *script.Error {
	if e := h.program.Failure(status); e != nil {
		return e
	}
	return h.start.Failure(status)
}

// Release says that the status descriptor is at its end: the launcher is gone,
// and its memory can serve the next start.
func (h *Helper) Release() error {
	a := h.arena
	if a == nil {
		return nil
	}
	h.arena = nil
	return h.launcher.give(a)
}

// launcher writes the program that turns the child into the helper. It shares the
// host's memory, so it does as little as can be: no more calls than these.
func launcher(a *arena, image *sys.FD, o Options) (*script.Program, error) {
	b := script.New(host(), uint64(a.address()))
	b.Status(script.Num(o.Status.Int()))
	keep := []int{o.Status.Int()}
	for _, fd := range o.Keep {
		keep = append(keep, fd.Int())
	}
	slices.Sort(keep)
	keep = slices.Compact(keep)
	if keep[0] < 3 {
		return nil, fmt.Errorf("launch: descriptor %d cannot be kept", keep[0])
	}
	closeGaps(b, keep, image.Int())
	for _, n := range keep { // only here: in the host a fork elsewhere would inherit it
		b.Op(script.Fcntl, script.Num(n), script.Flags{N: syscall.F_SETFD, Text: "F_SETFD"}, script.Num(0)).
			Doing("keep a descriptor for the helper")
	}
	b.Op(script.Execveat, script.Num(image.Int()), script.Str(""), script.Strings{"coracle", o.Name}, script.Strings{},
		script.Flags{N: sys.AT_EMPTY_PATH, Text: "AT_EMPTY_PATH"}).Doing("run the helper")
	p, err := b.Link()
	if err == nil && len(p.Image()) > arenaArgs {
		err = fmt.Errorf("launch: %d descriptors are too many to keep", len(keep))
	}
	return p, err
}

// closeGaps closes every descriptor from 3 on that is not kept; keep is sorted.
// They are closed, not marked: a helper that fails to run must hold nothing.
func closeGaps(b *script.Builder, keep []int, image int) {
	from := 3
	gap := func(last uint32) {
		b.Op(script.CloseRange, script.Num(from), script.Num(last), script.Num(0)).Doing("close the host's descriptors")
	}
	all := append(slices.Clone(keep), image)
	slices.Sort(all)
	for _, n := range all {
		if n > from {
			gap(uint32(n - 1))
		}
		from = max(from, n+1)
	}
	gap(^uint32(0))
}

// clone makes the child that runs a's program. Its stack is not used.
func (l *Launcher) clone(a *arena, into *sys.FD) (int, error) {
	const stack = arenaSize - arenaStack
	flags := uint64(sys.CLONE_VM | sys.CLONE_PIDFD)
	base := uint64(a.address())
	if !l.noClone3.Load() {
		args := a.args()
		*args = cloneArgs{
			flags: flags | sys.CLONE_CLEAR_SIGHAND, exitSignal: uint64(syscall.SIGCHLD),
			pidfd: uint64(uintptr(unsafe.Pointer(a.pidfd()))),
			stack: base + arenaStack, stackSize: stack,
		}
		if into != nil {
			args.flags |= sys.CLONE_INTO_CGROUP
			args.cgroup = uint64(into.Int())
		}
		r := spawn(uintptr(host().Number(script.Clone3)), uintptr(unsafe.Pointer(args)), unsafe.Sizeof(*args), 0, 0, 0, a.address())
		if e := errno(r); e != syscall.ENOSYS {
			return int(r), asError(e)
		}
		l.noClone3.Store(true)
	}
	if into != nil {
		return 0, fmt.Errorf("join a cgroup: %w", syscall.ENOSYS)
	}
	// clone(2) leaves signal handlers in place, but every signal stays blocked
	// until the helper runs, and execve(2) resets them.
	r := spawn(syscall.SYS_CLONE, uintptr(flags|uint64(syscall.SIGCHLD)), a.address()+arenaSize, uintptr(unsafe.Pointer(a.pidfd())), 0, 0, a.address())
	return int(r), asError(errno(r))
}

// errno is the error in a raw system call result, 0 for none.
func errno(r uintptr) syscall.Errno {
	if int(r) < 0 && int(r) > -4096 {
		return syscall.Errno(-int(r))
	}
	return 0
}

func asError(e syscall.Errno) error {
	if e == 0 {
		return nil
	}
	return e
}
