package seccomp

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coraclehq/coracle/internal/sys"
)

// model answers what a profile says to a call by reading it from top to bottom,
// as the package comment has it.
type model struct {
	p     *specs.LinuxSeccomp
	host  sys.Arch
	known map[specs.Arch][]uint32 // the numbers of each ABI
}

func newModel(p *specs.LinuxSeccomp, host sys.Arch) model {
	m := model{p, host, make(map[specs.Arch][]uint32)}
	for _, a := range abisOf(host) {
		m.known[a.name] = a.numbers()
	}
	return m
}

func (m model) verdict(t testing.TB, d Data) uint32 {
	for i, a := range abisOf(m.host) {
		if a.arch.AuditArch() != d.Arch || i > 0 && !slices.Contains(m.p.Architectures, a.name) {
			continue
		}
		if a.arch == sys.AMD64 && a.x32 != (d.NR >= x32Bit) {
			continue
		}
		return m.within(t, a, d)
	}
	if m.host == sys.AMD64 && d.Arch == sys.AMD64.AuditArch() {
		return sys.SECCOMP_RET_ERRNO | uint32(sys.ENOSYS)
	}
	return sys.SECCOMP_RET_KILL_PROCESS
}

func (m model) within(t testing.TB, a abi, d Data) uint32 {
	fallback, err := returnValue(m.p.DefaultAction, m.p.DefaultErrnoRet, "", "")
	require.NoError(t, err)
	best, found, named := fallback, false, uint32(0)
	for _, s := range m.p.Syscalls {
		ret, err := returnValue(s.Action, s.ErrnoRet, "", "")
		require.NoError(t, err)
		for _, name := range s.Names {
			nr, ok := a.number(name)
			if !ok {
				continue
			}
			named = max(named, nr)
			if nr != d.NR || len(s.Args) == 0 && ret == fallback || !matches(s.Args, d, a.narrow) {
				continue
			}
			if !found || strictness(ret) > strictness(best) {
				best, found = ret, true
			}
		}
	}
	_, known := slices.BinarySearch(m.known[a.name], d.NR)
	if !found && (!known || d.NR > named) && strictness(fallback) >= strictness(sys.SECCOMP_RET_ERRNO) {
		return sys.SECCOMP_RET_ERRNO | uint32(sys.ENOSYS)
	}
	return best
}

func matches(args []specs.LinuxSeccompArg, d Data, narrow bool) bool {
	if len(args) == 0 {
		return true
	}
	count := make(map[uint]int)
	all, any, twice := true, false, false
	for _, a := range args {
		count[a.Index]++
		twice = twice || count[a.Index] > 1
		yes := compare(a, d.Args[a.Index], narrow)
		all, any = all && yes, any || yes
	}
	if twice {
		return any
	}
	return all
}

func compare(a specs.LinuxSeccompArg, v uint64, narrow bool) bool {
	want, two := a.Value, a.ValueTwo
	if narrow && int64(want) < 0 && int64(want) >= math.MinInt32 {
		want = uint64(uint32(want))
	}
	if narrow && int64(two) < 0 && int64(two) >= math.MinInt32 {
		two = uint64(uint32(two))
	}
	switch a.Op {
	case specs.OpNotEqual:
		return v != want
	case specs.OpLessThan:
		return v < want
	case specs.OpLessEqual:
		return v <= want
	case specs.OpEqualTo:
		return v == want
	case specs.OpGreaterEqual:
		return v >= want
	case specs.OpGreaterThan:
		return v > want
	}
	return v&a.Value == two&a.Value
}

// The calls of random profiles: low, high, twice in i386's tables, with numbers
// of their own in x32, of one architecture only. None hides in a mux.
var someCalls = []string{
	"read", "write", "openat", "ioctl", "execve", "personality", "clone", "futex", "statx", "clone3",
	"openat2", "faccessat2", "arch_prctl", "readv", "select", "_newselect", "fcntl64", "getrandom", "umount2", "prlimit64",
}

var someValues = []uint64{
	0, 1, 2, 3, 7, 8, 9, 31, 32, 0xff, 0x7fffffff, 0x80000000, 0xfffffffe, math.MaxUint32, 1 << 32, 1<<32 | 1, 1<<32 | 38,
	5<<32 | 7, 6 << 32, 1<<63 - 1, 1 << 63, math.MaxUint64 - 1, math.MaxUint64, 0xffffffff80000000, 0x7e020000, 0x10000000,
}

var ops = []specs.LinuxSeccompOperator{
	specs.OpNotEqual, specs.OpLessThan, specs.OpLessEqual, specs.OpEqualTo,
	specs.OpGreaterEqual, specs.OpGreaterThan, specs.OpMaskedEqual,
}

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

// randomArgs returns conditions on arguments that are all different unless twice
// is set.
func randomArgs(r *rand.Rand, n int, twice bool) []specs.LinuxSeccompArg {
	var args []specs.LinuxSeccompArg
	for i, index := range r.Perm(6)[:n] {
		if twice && i > 0 {
			index = int(args[0].Index)
		}
		args = append(args, specs.LinuxSeccompArg{
			Index: uint(index), Op: pick(r, ops), Value: pick(r, someValues), ValueTwo: pick(r, someValues),
		})
	}
	return args
}

// randomProfile returns a profile that is allowed to be odd, not to be wrong.
func randomProfile(r *rand.Rand) *specs.LinuxSeccomp {
	errnos := []uint{1, 22, 38, 97}
	actions := []specs.LinuxSeccompAction{
		specs.ActAllow, specs.ActAllow, specs.ActAllow, specs.ActErrno, specs.ActErrno,
		specs.ActLog, specs.ActTrap, specs.ActKill, specs.ActKillProcess, specs.ActTrace, specs.ActNotify,
	}
	act := func() (specs.LinuxSeccompAction, *uint) {
		a := pick(r, actions)
		if a == specs.ActErrno || a == specs.ActTrace {
			e := pick(r, errnos)
			return a, &e
		}
		return a, nil
	}
	p := &specs.LinuxSeccomp{}
	p.DefaultAction, p.DefaultErrnoRet = act()
	for _, a := range []specs.Arch{specs.ArchX86, specs.ArchX32, specs.ArchARM, specs.ArchS390X} {
		if r.IntN(2) == 0 {
			p.Architectures = append(p.Architectures, a)
		}
	}
	for range r.IntN(30) {
		s := specs.LinuxSyscall{}
		s.Action, s.ErrnoRet = act()
		for range 1 + r.IntN(3) {
			s.Names = append(s.Names, pick(r, someCalls))
		}
		if n := r.IntN(6); n > 1 {
			s.Args = randomArgs(r, n-1, r.IntN(4) == 0)
		}
		p.Syscalls = append(p.Syscalls, s)
	}
	return p
}

// randomData returns calls, some of which the profile has rules for.
func randomData(r *rand.Rand, host sys.Arch) Data {
	a := pick(r, abisOf(host))
	d := Data{Arch: a.arch.AuditArch(), IP: r.Uint64()}
	switch r.IntN(8) {
	case 0:
		d.NR = uint32(r.IntN(600))
	case 1:
		d.NR = x32Bit | uint32(r.IntN(600))
	case 2:
		d.NR = r.Uint32()
		if r.IntN(8) == 0 {
			d.Arch = r.Uint32()
		}
	default:
		d.NR, _ = a.number(pick(r, someCalls))
	}
	for i := range d.Args {
		d.Args[i] = pick(r, someValues) + uint64(r.IntN(3)) - 1
		if r.IntN(8) == 0 {
			d.Args[i] = r.Uint64()
		}
		if a.narrow {
			d.Args[i] = uint64(uint32(d.Args[i]))
		}
	}
	return d
}

func TestCompileAgreesWithTheRules(t *testing.T) {
	t.Parallel()
	for seed := range uint64(100) {
		r := rand.New(rand.NewPCG(seed, 1))
		for _, host := range []sys.Arch{sys.AMD64, sys.ARM64} {
			p := randomProfile(r)
			f, err := Compile(p, host)
			require.NoError(t, err, "seed %d", seed)
			requireValid(t, f)
			m := newModel(p, host)
			for range 300 {
				d := randomData(r, host)
				if want, got := m.verdict(t, d), f.Run(d); want != got {
					require.Equal(t, want, got, "seed %d: %s: %+v: %+v", seed, host, d, p)
				}
			}
		}
	}
}

// A filter that is too large when each argument is looked at once is made the
// other way.
func TestCompileOfOverlappingRules(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	p := &specs.LinuxSeccomp{DefaultAction: specs.ActErrno}
	for range 150 {
		s := specs.LinuxSyscall{Names: []string{"ioctl"}, Action: specs.ActAllow}
		for arg := range uint(3) {
			s.Args = append(s.Args, specs.LinuxSeccompArg{
				Index: arg, Op: pick(r, []specs.LinuxSeccompOperator{specs.OpLessEqual, specs.OpGreaterEqual}), Value: uint64(r.IntN(1000)),
			})
		}
		p.Syscalls = append(p.Syscalls, s)
	}
	f, err := Compile(p, sys.AMD64)
	require.NoError(t, err)
	requireValid(t, f)
	nr, _ := sys.AMD64.Number("ioctl")
	m := newModel(p, sys.AMD64)
	for range 2000 {
		d := Data{NR: uint32(nr), Arch: sys.AMD64.AuditArch()}
		for i := range 3 {
			d.Args[i] = uint64(r.IntN(1000))
		}
		require.Equal(t, m.verdict(t, d), f.Run(d), "%+v", d)
	}
}

// requireValid checks what seccomp_check_filter and bpf_check_classic of the
// kernel check.
func requireValid(t testing.TB, f Filter) {
	t.Helper()
	require.NotEmpty(t, f)
	require.LessOrEqual(t, len(f), maxInsns)
	for pc, i := range f {
		left := len(f) - pc - 1
		switch i.Code {
		case opRet, opAnd:
		case opLoad:
			require.Zero(t, i.K%4)
			require.Less(t, i.K, uint32(endData))
		case opJump:
			require.Less(t, i.K, uint32(left))
		case opJEQ, opJGT, opJGE, opJSet:
			require.Less(t, int(max(i.JT, i.JF)), left)
		default:
			require.Fail(t, "unknown instruction", "%#x at %d", i.Code, pc)
		}
	}
	require.EqualValues(t, opRet, f[len(f)-1].Code)
}

func TestModelComparesLikeTheSpecification(t *testing.T) {
	t.Parallel()
	d := Data{Args: [6]uint64{5}}
	arg := func(op specs.LinuxSeccompOperator, v, two uint64) []specs.LinuxSeccompArg {
		return []specs.LinuxSeccompArg{{Op: op, Value: v, ValueTwo: two}}
	}
	assert.True(t, matches(arg(specs.OpMaskedEqual, 4, 4), d, false))
	assert.False(t, matches(arg(specs.OpMaskedEqual, 2, 2), d, false))
	assert.True(t, matches(arg(specs.OpGreaterThan, 4, 0), d, false))
	assert.False(t, matches(arg(specs.OpGreaterThan, 5, 0), d, false))
}
