package seccomp

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/require"

	"github.com/coraclehq/coracle/internal/sys"
	"github.com/coraclehq/coracle/internal/testenv"
)

// libseccomp is the program testdata/libseccomp.c.
type libseccomp struct{ path string }

func newLibseccomp(t *testing.T) libseccomp {
	t.Helper()
	path := filepath.Join(t.TempDir(), "libseccomp")
	out, err := exec.Command("gcc", "-o", path, "testdata/libseccomp.c", "-lseccomp").CombinedOutput()
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("needs gcc and libseccomp-dev: %v\n%s", err, out)
		}
		t.Skipf("needs gcc and libseccomp-dev (make deps): %v", err)
	}
	return libseccomp{path}
}

func (l libseccomp) run(t *testing.T, in string, args ...string) []byte {
	t.Helper()
	cmd := exec.Command(l.path, args...)
	cmd.Stdin = strings.NewReader(in)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, "%s\n%s", stderr.String(), in)
	return out
}

// scmpArch is how seccomp_arch_resolve_name calls it.
func scmpArch(a specs.Arch) string {
	return strings.ToLower(strings.TrimPrefix(string(a), "SCMP_ARCH_"))
}

// scmpAction is a return value as SCMP_ACT_* has it: the same, but for these.
func scmpAction(ret uint32) string { return strconv.FormatUint(uint64(ret), 10) }

// compile returns libseccomp's filter for a profile, by the rules after which
// runc hands profiles to it.
func (l libseccomp) compile(t *testing.T, p *specs.LinuxSeccomp, host sys.Arch) Filter {
	t.Helper()
	var in strings.Builder
	abis := abisOf(host)
	if host != sys.HostArch() {
		fmt.Fprintf(&in, "only %s\n", scmpArch(abis[0].name))
	}
	for _, a := range abis[1:] {
		if slices.Contains(p.Architectures, a.name) {
			fmt.Fprintf(&in, "arch %s\n", scmpArch(a.name))
		}
	}
	fallback, err := returnValue(p.DefaultAction, p.DefaultErrnoRet, "", "")
	require.NoError(t, err)
	for i := range p.Syscalls {
		rules, err := readRules(&p.Syscalls[i], "")
		require.NoError(t, err)
		for _, name := range p.Syscalls[i].Names {
			l.rules(&in, name, p.Syscalls[i].Args, len(rules) > 1, rules[0].ret)
		}
	}
	out := l.run(t, in.String(), scmpAction(fallback))
	require.Zero(t, len(out)%8)
	var f Filter
	for ; len(out) > 0; out = out[8:] {
		f = append(f, Insn{binary.LittleEndian.Uint16(out), out[2], out[3], binary.LittleEndian.Uint32(out[4:])})
	}
	return f
}

func (l libseccomp) rules(in *strings.Builder, name string, args []specs.LinuxSeccompArg, alternatives bool, ret uint32) {
	if alternatives {
		for i := range args {
			l.rules(in, name, args[i:i+1], false, ret)
		}
		return
	}
	fmt.Fprintf(in, "rule %s %s %d", scmpAction(ret), name, len(args))
	for _, a := range args {
		op := map[specs.LinuxSeccompOperator]int{
			specs.OpNotEqual: 1, specs.OpLessThan: 2, specs.OpLessEqual: 3, specs.OpEqualTo: 4,
			specs.OpGreaterEqual: 5, specs.OpGreaterThan: 6, specs.OpMaskedEqual: 7,
		}[a.Op]
		fmt.Fprintf(in, " %d %d %#x %#x", a.Index, op, a.Value, a.ValueTwo)
	}
	in.WriteByte('\n')
}

// named returns the calls that a profile names, by architecture and number.
func named(p *specs.LinuxSeccomp, host sys.Arch) map[[2]uint32]bool {
	calls := make(map[[2]uint32]bool)
	for _, s := range p.Syscalls {
		for _, a := range abisOf(host) {
			for _, n := range s.Names {
				if nr, ok := a.number(n); ok {
					calls[[2]uint32{a.arch.AuditArch(), nr}] = true
				}
			}
		}
	}
	return calls
}

// intended says whether a difference from libseccomp is one that the package
// comment promises: the whole process is killed for an architecture that is not
// listed, and calls that the profile does not know give ENOSYS, as does x32 where
// it is not listed.
func intended(known map[[2]uint32]bool, d Data, ours, theirs uint32) bool {
	if ours == sys.SECCOMP_RET_KILL_PROCESS {
		return theirs == sys.SECCOMP_RET_KILL_THREAD
	}
	return ours == sys.SECCOMP_RET_ERRNO|uint32(sys.ENOSYS) &&
		(!known[[2]uint32{d.Arch, d.NR}] || d.Arch == sys.AMD64.AuditArch() && d.NR >= x32Bit)
}

// differ compares both filters on n calls.
func differ(t *testing.T, l libseccomp, p *specs.LinuxSeccomp, host sys.Arch, n int, data func() Data) {
	t.Helper()
	ours, err := Compile(p, host)
	require.NoError(t, err)
	theirs := l.compile(t, p, host)
	known := named(p, host)
	same := 0
	for range n {
		d := data()
		// Elsewhere the kernel extends arguments with zeros; the library compares
		// 32 bits for x32, too, though the kernel takes 64 there.
		if d.Arch != host.AuditArch() || host == sys.AMD64 && d.NR >= x32Bit {
			for i := range d.Args {
				d.Args[i] = uint64(uint32(d.Args[i]))
			}
		}
		got, want := ours.Run(d), theirs.Run(d)
		if got == want {
			same++
		} else if !intended(known, d, got, want) {
			require.Equal(t, answer(want), answer(got), "%s: %#v: %+v", host, d, p)
		}
	}
	require.Greater(t, same, n/10, "hardly anything compared: %+v", p)
}

// prune removes from a profile the calls that are newer than the library.
func (l libseccomp) prune(t *testing.T, p *specs.LinuxSeccomp, host sys.Arch) {
	t.Helper()
	var in strings.Builder
	for i := range p.Syscalls {
		for _, name := range p.Syscalls[i].Names {
			fmt.Fprintf(&in, "%s %s\n", scmpArch(abisOf(host)[0].name), name)
		}
	}
	answers := strings.Fields(string(l.run(t, in.String(), "names")))
	for i := range p.Syscalls {
		s := &p.Syscalls[i]
		all := s.Names
		s.Names = nil
		for j, name := range all {
			if answers[j] != "-1" && name != "sync_file_range2" {
				s.Names = append(s.Names, name)
			}
		}
		answers = answers[len(all):]
	}
	p.Syscalls = slices.DeleteFunc(p.Syscalls, func(s specs.LinuxSyscall) bool { return len(s.Names) == 0 })
}

// plainProfile returns a random profile of the shapes that libseccomp 2.5.4 gets
// right: it misses or invents matches where rules that use ranges share a call,
// or a rule has a range and other conditions. ("Argument 1 > 1<<32-1, or
// argument 1 <= 255" allows 1<<31+1 there.) There is one action besides the
// default's, and no number that 32-bit architectures cut.
//
// Nor are there calls that an architecture lacks: where one of them has a rule
// without conditions, it can forget to load the number.
func plainProfile(r *rand.Rand, host sys.Arch) *specs.LinuxSeccomp {
	p := &specs.LinuxSeccomp{DefaultAction: specs.ActErrno}
	action := specs.ActAllow
	if r.IntN(2) == 0 {
		p.DefaultAction, action = specs.ActAllow, specs.ActErrno
	}
	for _, a := range []specs.Arch{specs.ArchX86, specs.ArchX32, specs.ArchARM} {
		if r.IntN(2) == 0 {
			p.Architectures = append(p.Architectures, a)
		}
	}
	for _, name := range someCalls {
		if slices.ContainsFunc(abisOf(host), func(a abi) bool { _, ok := a.number(name); return !ok }) {
			continue
		}
		rules, conds, kinds := 1, 0, ops
		switch r.IntN(4) {
		case 0:
			conds = 1
		case 1:
		case 2:
			rules, conds, kinds = 1+r.IntN(4), 1+r.IntN(3), []specs.LinuxSeccompOperator{specs.OpEqualTo}
		default:
			continue
		}
		for range rules {
			s := specs.LinuxSyscall{Names: []string{name}, Action: action}
			for i := range conds {
				a := specs.LinuxSeccompArg{Index: uint(i), Op: pick(r, kinds), Value: pick(r, someValues), ValueTwo: pick(r, someValues)}
				if len(p.Architectures) > 0 {
					a.Value, a.ValueTwo = a.Value&0xffffffff, a.ValueTwo&0xffffffff
				}
				s.Args = append(s.Args, a)
			}
			p.Syscalls = append(p.Syscalls, s)
		}
	}
	return p
}

func TestCompileAgreesWithLibseccomp(t *testing.T) {
	t.Parallel()
	l := newLibseccomp(t)
	n := testenv.Scale(t, 5000)
	for seed := range uint64(n) {
		r := rand.New(rand.NewPCG(seed, 3))
		host := pick(r, []sys.Arch{sys.AMD64, sys.ARM64})
		p := plainProfile(r, host)
		differ(t, l, p, host, 500, func() Data { return randomData(r, host) })
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func TestBuiltInProfilesAgreeWithLibseccomp(t *testing.T) {
	t.Parallel()
	l := newLibseccomp(t)
	calls := testenv.Scale(t, 1_000_000) / 5 // there are five profiles
	docker, err := Docker(sys.AMD64, []string{"CAP_SYS_CHROOT"})
	require.NoError(t, err)
	strict, err := Default(sys.AMD64, Options{})
	require.NoError(t, err)
	compat, err := Default(sys.AMD64, Options{Compat32: true, Caps: []string{"CAP_AUDIT_WRITE"}})
	require.NoError(t, err)
	// It adds all rules for socket to socketcall, too, and refuses what
	// contradicts there.
	compat.Syscalls = slices.DeleteFunc(compat.Syscalls, func(s specs.LinuxSyscall) bool { return s.Names[0] == "socket" })
	debug, err := Default(sys.AMD64, Options{Debug: true, Caps: []string{"CAP_SYS_ADMIN"}})
	require.NoError(t, err)
	arm, err := Default(sys.ARM64, Options{Compat32: true})
	require.NoError(t, err)
	for i, p := range []*specs.LinuxSeccomp{docker, strict, compat, debug, arm} {
		host := sys.AMD64
		if p == arm {
			host = sys.ARM64
		}
		l.prune(t, p, host)
		r := rand.New(rand.NewPCG(uint64(i), 4))
		differ(t, l, p, host, calls, func() Data { return likelyData(r, host, p) })
	}
}

func TestNumbersAgreeWithLibseccomp(t *testing.T) {
	t.Parallel()
	l := newLibseccomp(t)
	type query struct {
		abi  abi
		name string
	}
	var queries []query
	var in strings.Builder
	for _, a := range append(abisOf(sys.AMD64), abisOf(sys.ARM64)...) {
		for _, of := range []sys.Arch{sys.AMD64, sys.I386, sys.ARM64, sys.ARM} {
			for _, name := range of.Calls() {
				queries = append(queries, query{a, name})
				fmt.Fprintf(&in, "%s %s\n", scmpArch(a.name), name)
			}
		}
		for _, name := range []string{"breakpoint", "cacheflush", "set_tls"} {
			queries = append(queries, query{a, name})
			fmt.Fprintf(&in, "%s %s\n", scmpArch(a.name), name)
		}
	}
	answers := strings.Fields(string(l.run(t, in.String(), "names")))
	require.Len(t, answers, len(queries))
	known := 0
	for i, q := range queries {
		theirs, err := strconv.Atoi(answers[i])
		require.NoError(t, err)
		ours, ok := q.abi.number(q.name)
		switch {
		case theirs >= 0 && ok:
			require.EqualValues(t, theirs, ours, "%s %s", q.abi.name, q.name)
			known++
		case theirs >= 0:
			t.Errorf("%s %s is %d", q.abi.name, q.name, theirs)
		case theirs == -1 || !ok:
			// Newer than the library, or a call that neither has.
		default:
			if _, muxed := muxes()[0].code(q.name); !muxed {
				if _, muxed = muxes()[1].code(q.name); !muxed {
					t.Errorf("%s has no %s, but here it is %d", q.abi.name, q.name, ours)
				}
			}
		}
	}
	require.Greater(t, known, 1500)
}
