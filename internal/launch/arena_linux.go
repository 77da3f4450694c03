//go:build linux && (amd64 || arm64)

package launch

import (
	"fmt"
	"syscall"
	"unsafe"
)

// arena is the memory that a launcher works in: its program, clone3's arguments
// and a stack that no instruction uses. It is mapped outside the Go heap, because
// the launcher runs on beside the garbage collector.
type arena struct{ mem []byte }

const (
	arenaSize  = 64 << 10
	arenaArgs  = 48 << 10 // offset of the clone arguments
	arenaStack = 52 << 10 // offset of the stack
)

// cloneArgs is struct clone_args of clone3(2), version 2 (88 bytes).
type cloneArgs struct {
	flags, pidfd, childTID, parentTID, exitSignal uint64
	stack, stackSize, tls                         uint64
	setTID, setTIDSize, cgroup                    uint64
}

func newArena() (*arena, error) {
	mem, err := syscall.Mmap(-1, 0, arenaSize, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		return nil, fmt.Errorf("map memory for a launch: %w", err)
	}
	return &arena{mem}, nil
}

func (a *arena) address() uintptr { return uintptr(unsafe.Pointer(&a.mem[0])) }

func (a *arena) free() error { return syscall.Munmap(a.mem) }

// args and pidfd are where clone3 reads and writes.
func (a *arena) args() *cloneArgs { return (*cloneArgs)(unsafe.Pointer(&a.mem[arenaArgs])) }
func (a *arena) pidfd() *int32 {
	return (*int32)(unsafe.Pointer(&a.mem[arenaArgs+int(unsafe.Sizeof(cloneArgs{}))]))
}

// take returns a free arena or a new one.
func (l *Launcher) take() (*arena, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.arenas); n > 0 {
		a := l.arenas[n-1]
		l.arenas = l.arenas[:n-1]
		return a, nil
	}
	return newArena()
}

// give takes an arena back that no launcher uses any more.
func (l *Launcher) give(a *arena) error {
	const keep = 64
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || len(l.arenas) == keep {
		return a.free()
	}
	l.arenas = append(l.arenas, a)
	return nil
}

// Close frees the memory that no launch uses. What is still in use is freed when
// its Helper is released.
func (l *Launcher) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	for _, a := range l.arenas {
		if err := a.free(); err != nil {
			return err
		}
	}
	l.arenas = nil
	return nil
}
