package seccomp

import (
	"encoding/binary"
	"sync"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/coraclehq/coracle/internal/sys"
)

// maxCached is how many filters a Cache keeps. Programs use a handful.
const maxCached = 32

// Cache keeps compiled filters by what their profile says, so that a profile
// which many containers share is compiled once. The zero Cache is empty and
// ready. It may be used concurrently and must not be copied.
type Cache struct {
	mu      sync.Mutex // guards filters
	filters map[string]Filter
}

// Compile is like the function Compile, except that for a profile seen before
// it takes microseconds. The caller must not change the filter.
func (c *Cache) Compile(p *specs.LinuxSeccomp, host sys.Arch) (Filter, error) {
	if p == nil {
		return Compile(p, host)
	}
	key := profileKey(p, host)
	c.mu.Lock()
	f, ok := c.filters[key]
	c.mu.Unlock()
	if ok {
		return f, nil
	}
	// Two who ask at once both compile; the results are equal.
	f, err := Compile(p, host)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.filters == nil || len(c.filters) >= maxCached {
		c.filters = make(map[string]Filter)
	}
	c.filters[key] = f
	return f, nil
}

// profileKey is equal for profiles that compile to the same only. It holds all
// that Compile reads: a hash could be made to collide by whoever writes
// profiles.
func profileKey(p *specs.LinuxSeccomp, host sys.Arch) string {
	b := make([]byte, 0, 8192)
	str := func(s string) {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	errno := func(e *uint) {
		if e == nil {
			b = append(b, 0)
			return
		}
		b = binary.AppendUvarint(append(b, 1), uint64(*e))
	}
	count := func(n int) { b = binary.AppendUvarint(b, uint64(n)) }

	str(string(host))
	str(string(p.DefaultAction))
	errno(p.DefaultErrnoRet)
	str(p.ListenerPath)
	str(p.ListenerMetadata)
	count(len(p.Architectures))
	for _, a := range p.Architectures {
		str(string(a))
	}
	for i := range p.Syscalls {
		s := &p.Syscalls[i]
		str(string(s.Action))
		errno(s.ErrnoRet)
		count(len(s.Names))
		for _, n := range s.Names {
			str(n)
		}
		count(len(s.Args))
		for _, a := range s.Args {
			b = binary.AppendUvarint(b, uint64(a.Index))
			b = binary.LittleEndian.AppendUint64(b, a.Value)
			b = binary.LittleEndian.AppendUint64(b, a.ValueTwo)
			str(string(a.Op))
		}
	}
	return string(b)
}
