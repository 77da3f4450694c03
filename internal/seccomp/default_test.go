package seccomp

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coraclehq/coracle/internal/sys"
)

var update = flag.Bool("update", false, "rewrite the files in testdata")

// needProfiles skips where Docker's profile, and so ours, is not compiled in.
func needProfiles(t testing.TB) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("the built-in profiles exist on Linux only")
	}
}

func mustDefault(t testing.TB, host sys.Arch, o Options) Filter {
	t.Helper()
	needProfiles(t)
	p, err := Default(host, o)
	require.NoError(t, err)
	f, err := Compile(p, host)
	require.NoError(t, err)
	return f
}

// answers returns all that the filter can answer to a number, whatever the
// arguments, as words.
func (f Filter) answers(d Data) string {
	seen := make(map[place]bool)
	found := make(map[string]bool)
	for todo := []place{{}}; len(todo) > 0; {
		p := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if seen[p] {
			continue
		}
		seen[p] = true
		next, ret, ended := f.step(d, p)
		if ended {
			found[answer(ret)] = true
		}
		todo = append(todo, next...)
	}
	var words []string
	for w := range found {
		words = append(words, w)
	}
	sort.Strings(words)
	return strings.Join(words, " or ")
}

func answer(ret uint32) string {
	switch ret & sys.SECCOMP_RET_ACTION_FULL {
	case sys.SECCOMP_RET_ALLOW:
		return "allow"
	case sys.SECCOMP_RET_LOG:
		return "log"
	case sys.SECCOMP_RET_TRAP:
		return "trap"
	case sys.SECCOMP_RET_KILL_PROCESS:
		return "kill process"
	case sys.SECCOMP_RET_KILL_THREAD:
		return "kill thread"
	case sys.SECCOMP_RET_ERRNO:
		for _, e := range []struct {
			n    uint32
			name string
		}{{1, "EPERM"}, {38, "ENOSYS"}, {97, "EAFNOSUPPORT"}, {93, "EPROTONOSUPPORT"}} {
			if e.n == ret&sys.SECCOMP_RET_DATA {
				return e.name
			}
		}
	}
	return fmt.Sprintf("%#x", ret)
}

// table lists what a filter answers to the numbers 0 to 600 of the ways into an
// amd64 kernel, equal neighbours without a name joined.
func table(f Filter) string {
	var b strings.Builder
	for _, a := range abisOf(sys.AMD64) {
		names := make(map[uint32]string)
		for _, name := range a.arch.Calls() {
			if nr, ok := a.number(name); ok {
				names[nr&^x32Bit] = name
			}
		}
		fmt.Fprintf(&b, "# %s\n", a.name)
		first, last := uint32(0), ""
		flush := func(next uint32) {
			switch {
			case last == "":
			case next-1 == first:
				fmt.Fprintf(&b, "%d: %s\n", first, last)
			default:
				fmt.Fprintf(&b, "%d-%d: %s\n", first, next-1, last)
			}
		}
		for nr := range uint32(601) {
			d := Data{NR: nr, Arch: a.arch.AuditArch()}
			if a.x32 {
				d.NR |= x32Bit
			}
			line := f.answers(d)
			if name := names[nr]; name != "" && line != "kill process" && !(a.x32 && line == "ENOSYS") {
				line = name + " " + line
			}
			if line != last {
				flush(nr)
				first, last = nr, line
			}
		}
		flush(601)
	}
	return b.String()
}

func TestDefaultForEveryNumber(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		file string
		o    Options
	}{
		{"default.txt", Options{}},
		{"default-compat32.txt", Options{Compat32: true}},
		{"default-all.txt", Options{Compat32: true, Socketcall: true, Debug: true, Caps: []string{
			"CAP_SYS_ADMIN", "CAP_SYS_CHROOT", "CAP_SYS_PTRACE", "CAP_DAC_READ_SEARCH", "CAP_AUDIT_WRITE", "CAP_SYS_TIME", "CAP_SYSLOG",
		}}},
	} {
		t.Run(tt.file, func(t *testing.T) {
			t.Parallel()
			got := table(mustDefault(t, sys.AMD64, tt.o))
			path := filepath.Join("testdata", tt.file)
			if *update {
				require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
			}
			want, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, string(want), got)
		})
	}
}

func TestDefaultConditions(t *testing.T) {
	t.Parallel()
	f := mustDefault(t, sys.AMD64, Options{})
	compat := mustDefault(t, sys.AMD64, Options{Compat32: true})
	open := mustDefault(t, sys.AMD64, Options{Compat32: true, Socketcall: true})
	debug := mustDefault(t, sys.AMD64, Options{Debug: true})
	audit := mustDefault(t, sys.AMD64, Options{Caps: []string{"CAP_AUDIT_WRITE"}})
	admin := mustDefault(t, sys.AMD64, Options{Caps: []string{"CAP_SYS_ADMIN"}})
	const wide = 1 << 32
	for _, tt := range []struct {
		name string
		f    Filter
		arch sys.Arch
		call string
		args [6]uint64
		want string
	}{
		{"unix", f, sys.AMD64, "socket", [6]uint64{1, 1}, "allow"},
		{"inet", f, sys.AMD64, "socket", [6]uint64{2, 2, 17}, "allow"},
		{"inet6", f, sys.AMD64, "socket", [6]uint64{10, 2, 17}, "allow"},
		{"unspec", f, sys.AMD64, "socket", [6]uint64{0}, "EAFNOSUPPORT"},
		{"packet", f, sys.AMD64, "socket", [6]uint64{17}, "EAFNOSUPPORT"},
		{"alg", f, sys.AMD64, "socket", [6]uint64{38}, "EAFNOSUPPORT"},
		{"vsock", f, sys.AMD64, "socket", [6]uint64{40}, "EAFNOSUPPORT"},
		{"alg in a wide register", f, sys.AMD64, "socket", [6]uint64{wide | 38}, "EAFNOSUPPORT"},
		{"negative", f, sys.AMD64, "socket", [6]uint64{1<<64 - 1}, "EAFNOSUPPORT"},
		{"route", f, sys.AMD64, "socket", [6]uint64{16, 3, 0}, "allow"},
		{"uevent", f, sys.AMD64, "socket", [6]uint64{16, 3, 15}, "allow"},
		{"audit", f, sys.AMD64, "socket", [6]uint64{16, 3, 9}, "EPROTONOSUPPORT"},
		{"audit in a wide register", f, sys.AMD64, "socket", [6]uint64{16, 3, wide | 9}, "EPROTONOSUPPORT"},
		{"audit with the capability", audit, sys.AMD64, "socket", [6]uint64{16, 3, 9}, "allow"},
		{"protocol 9 of another family", f, sys.AMD64, "socket", [6]uint64{2, 3, 9}, "allow"},
		{"pair", f, sys.AMD64, "socketpair", [6]uint64{1, 1}, "allow"},
		{"pair of another family", f, sys.AMD64, "socketpair", [6]uint64{30, 1}, "EAFNOSUPPORT"},

		{"thread", f, sys.AMD64, "clone", [6]uint64{0x3d0f00}, "allow"},
		{"user namespace", f, sys.AMD64, "clone", [6]uint64{0x10000011}, "EPERM"},
		{"user namespace as admin", admin, sys.AMD64, "clone", [6]uint64{0x10000011}, "allow"},
		{"clone3", f, sys.AMD64, "clone3", [6]uint64{}, "ENOSYS"},
		{"clone3 as admin", admin, sys.AMD64, "clone3", [6]uint64{}, "allow"},
		{"unshare", f, sys.AMD64, "unshare", [6]uint64{0x10000000}, "EPERM"},

		{"personality", f, sys.AMD64, "personality", [6]uint64{0}, "allow"},
		{"personality asked for", f, sys.AMD64, "personality", [6]uint64{0xffffffff}, "allow"},
		{"personality asked for with -1", f, sys.AMD64, "personality", [6]uint64{1<<64 - 1}, "allow"},
		{"READ_IMPLIES_EXEC", f, sys.AMD64, "personality", [6]uint64{0x400000}, "EPERM"},
		{"READ_IMPLIES_EXEC in a wide register", f, sys.AMD64, "personality", [6]uint64{wide | 0x400000}, "EPERM"},
		{"ADDR_NO_RANDOMIZE", f, sys.AMD64, "personality", [6]uint64{0x40000}, "EPERM"},
		{"ADDR_NO_RANDOMIZE for a debugger", debug, sys.AMD64, "personality", [6]uint64{0x40000}, "allow"},
		{"ptrace", f, sys.AMD64, "ptrace", [6]uint64{}, "EPERM"},
		{"ptrace for a debugger", debug, sys.AMD64, "ptrace", [6]uint64{}, "allow"},

		{"i386", f, sys.I386, "getpid", [6]uint64{}, "kill process"},
		{"i386 allowed", compat, sys.I386, "getpid", [6]uint64{}, "allow"},
		{"i386 socket", compat, sys.I386, "socket", [6]uint64{2}, "allow"},
		{"i386 vsock", compat, sys.I386, "socket", [6]uint64{40}, "EAFNOSUPPORT"},
		{"socketcall socket", compat, sys.I386, "socketcall", [6]uint64{1}, "EAFNOSUPPORT"},
		{"socketcall socketpair", compat, sys.I386, "socketcall", [6]uint64{8}, "EAFNOSUPPORT"},
		{"socketcall bind", compat, sys.I386, "socketcall", [6]uint64{2}, "allow"},
		{"socketcall sendmmsg", compat, sys.I386, "socketcall", [6]uint64{20}, "allow"},
		{"socketcall socket allowed", open, sys.I386, "socketcall", [6]uint64{1}, "allow"},
		{"arm on amd64", compat, sys.ARM64, "getpid", [6]uint64{}, "kill process"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			nr, ok := tt.arch.Number(tt.call)
			require.True(t, ok)
			require.Equal(t, tt.want, answer(tt.f.Run(Data{NR: uint32(nr), Arch: tt.arch.AuditArch(), Args: tt.args})))
		})
	}
}

// What Docker's profile has conditions for, Default knows about: a rule for
// another call would pass unseen.
func TestDefaultKnowsDockersConditions(t *testing.T) {
	t.Parallel()
	needProfiles(t)
	for _, host := range []sys.Arch{sys.AMD64, sys.ARM64} {
		rules, err := dockerRules(host, nil)
		require.NoError(t, err)
		var names []string
		for _, r := range rules {
			if len(r.Args) > 0 || r.Action != specs.ActAllow {
				names = append(names, r.Names...)
			}
		}
		slices.Sort(names)
		assert.Equal(t, []string{"clone", "clone3", "personality", "socket"}, slices.Compact(names))
	}
}

// Default takes from Docker's profile and adds nothing, whatever the arguments.
func TestDefaultAllowsNoMoreThanDocker(t *testing.T) {
	t.Parallel()
	needProfiles(t)
	caps := []string{"CAP_SYS_CHROOT", "CAP_NET_RAW"}
	for _, host := range []sys.Arch{sys.AMD64, sys.ARM64} {
		p, err := Docker(host, caps)
		require.NoError(t, err)
		docker, err := Compile(p, host)
		require.NoError(t, err)
		ours := mustDefault(t, host, Options{Caps: caps, Compat32: true})
		for _, a := range abisOf(host) {
			for _, nr := range a.numbers() {
				d := Data{NR: nr, Arch: a.arch.AuditArch()}
				if ours.allows(d) {
					assert.True(t, docker.allows(d), "%s %d", a.name, nr)
				}
			}
		}
	}
}

func TestDefaultIsSmall(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		host sys.Arch
		o    Options
		most int
	}{
		{sys.AMD64, Options{}, 110},
		{sys.AMD64, Options{Compat32: true}, 250},
		{sys.ARM64, Options{}, 110},
	} {
		f := mustDefault(t, tt.host, tt.o)
		requireValid(t, f)
		assert.LessOrEqual(t, len(f), tt.most, "%s %+v", tt.host, tt.o)
		t.Logf("%s %+v: %d instructions", tt.host, tt.o, len(f))
	}
}

// The last calls of a start go through the filter.
func TestBuiltInProfilesLetAContainerStart(t *testing.T) {
	t.Parallel()
	needProfiles(t)
	for _, host := range []sys.Arch{sys.AMD64, sys.ARM64} {
		calls := []string{"execve", "execveat", "capset", "write", "exit_group", "read", "close"}
		assert.Empty(t, mustDefault(t, host, Options{}).Denied(host, calls...))
		p, err := Docker(host, nil)
		require.NoError(t, err)
		f, err := Compile(p, host)
		require.NoError(t, err)
		assert.Empty(t, f.Denied(host, calls...))
	}
}

func TestDefaultForUnknownHost(t *testing.T) {
	t.Parallel()
	needProfiles(t)
	_, err := Default("mips", Options{})
	require.ErrorContains(t, err, `none built in for "mips"`)
	_, err = Docker("mips", nil)
	require.Error(t, err)
}

func BenchmarkDefault(b *testing.B) {
	needProfiles(b)
	for b.Loop() {
		_, err := Default(sys.AMD64, Options{})
		require.NoError(b, err)
	}
}

func BenchmarkCompile(b *testing.B) {
	needProfiles(b)
	for _, tt := range []struct {
		name string
		of   func() (*specs.LinuxSeccomp, error)
	}{
		{"default", func() (*specs.LinuxSeccomp, error) { return Default(sys.AMD64, Options{}) }},
		{"docker", func() (*specs.LinuxSeccomp, error) { return Docker(sys.AMD64, nil) }},
	} {
		p, err := tt.of()
		require.NoError(b, err)
		b.Run(tt.name, func(b *testing.B) {
			for b.Loop() {
				f, err := Compile(p, sys.AMD64)
				require.NoError(b, err)
				b.ReportMetric(float64(len(f)), "insns")
			}
		})
		b.Run(tt.name+" cached", func(b *testing.B) {
			var c Cache
			for b.Loop() {
				_, err := c.Compile(p, sys.AMD64)
				require.NoError(b, err)
			}
		})
	}
}
