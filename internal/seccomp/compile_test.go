package seccomp

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coraclehq/coracle/internal/sys"
)

// parse reads a profile from JSON in which the SCMP_ prefixes are left out.
func parse(t testing.TB, text string) *specs.LinuxSeccomp {
	t.Helper()
	for _, kind := range []string{"ACT_", "CMP_", "ARCH_"} {
		text = strings.ReplaceAll(text, `"`+kind, `"SCMP_`+kind)
	}
	var p specs.LinuxSeccomp
	require.NoError(t, json.Unmarshal([]byte(text), &p))
	return &p
}

// call is a call with its arguments, by name.
func call(t testing.TB, arch sys.Arch, name string, args ...uint64) Data {
	t.Helper()
	nr, ok := abi{arch: arch}.number(name)
	require.True(t, ok, "%s has no %s", arch, name)
	d := Data{NR: nr, Arch: arch.AuditArch()}
	copy(d.Args[:], args)
	return d
}

func TestWhatProfilesMean(t *testing.T) {
	t.Parallel()
	const minus1 = math.MaxUint64
	for _, tt := range []struct {
		name, profile string
		data          Data
		want          uint32
	}{
		{"errno of the default", `{"defaultAction": "ACT_ERRNO", "defaultErrnoRet": 22, "syscalls": [{"names": ["mseal"], "action": "ACT_ALLOW"}]}`,
			call(t, sys.AMD64, "read"), sys.SECCOMP_RET_ERRNO | 22},
		{"errno is EPERM if not given", `{"defaultAction": "ACT_ALLOW", "syscalls": [{"names": ["read"], "action": "ACT_ERRNO"}]}`,
			call(t, sys.AMD64, "read"), sys.SECCOMP_RET_ERRNO | 1},
		{"errno 0", `{"defaultAction": "ACT_ALLOW", "syscalls": [{"names": ["read"], "action": "ACT_ERRNO", "errnoRet": 0}]}`,
			call(t, sys.AMD64, "read"), sys.SECCOMP_RET_ERRNO},
		{"kill is of the thread", `{"defaultAction": "ACT_ALLOW", "syscalls": [{"names": ["read"], "action": "ACT_KILL"}]}`,
			call(t, sys.AMD64, "read"), sys.SECCOMP_RET_KILL_THREAD},
		{"trace with data", `{"defaultAction": "ACT_ALLOW", "syscalls": [{"names": ["read"], "action": "ACT_TRACE", "errnoRet": 65535}]}`,
			call(t, sys.AMD64, "read"), sys.SECCOMP_RET_TRACE | 65535},
		{"notify", `{"defaultAction": "ACT_ALLOW", "syscalls": [{"names": ["read"], "action": "ACT_NOTIFY"}]}`,
			call(t, sys.AMD64, "read"), sys.SECCOMP_RET_USER_NOTIF},

		{"newer than the profile", `{"defaultAction": "ACT_KILL", "syscalls": [{"names": ["openat2"], "action": "ACT_ALLOW"}]}`,
			call(t, sys.AMD64, "faccessat2"), sys.SECCOMP_RET_ERRNO | 38},
		{"older than the profile", `{"defaultAction": "ACT_KILL", "syscalls": [{"names": ["openat2"], "action": "ACT_ALLOW"}]}`,
			call(t, sys.AMD64, "clone3"), sys.SECCOMP_RET_KILL_THREAD},
		{"number without a call", `{"defaultAction": "ACT_KILL", "syscalls": [{"names": ["openat2"], "action": "ACT_ALLOW"}]}`,
			Data{NR: 400, Arch: sys.AMD64.AuditArch()}, sys.SECCOMP_RET_ERRNO | 38},
		{"newer than a list of what is denied", `{"defaultAction": "ACT_ALLOW", "syscalls": [{"names": ["read"], "action": "ACT_KILL"}]}`,
			Data{NR: 1000, Arch: sys.AMD64.AuditArch()}, sys.SECCOMP_RET_ALLOW},
		{"newer than a profile that logs", `{"defaultAction": "ACT_LOG"}`,
			Data{NR: 1000, Arch: sys.AMD64.AuditArch()}, sys.SECCOMP_RET_LOG},

		{"another architecture", `{"defaultAction": "ACT_ALLOW"}`, call(t, sys.I386, "read"), sys.SECCOMP_RET_KILL_PROCESS},
		{"another architecture, listed", `{"defaultAction": "ACT_ALLOW", "architectures": ["ARCH_X86"]}`,
			call(t, sys.I386, "read"), sys.SECCOMP_RET_ALLOW},
		{"native, not listed", `{"defaultAction": "ACT_ALLOW", "architectures": ["ARCH_X86"]}`,
			call(t, sys.AMD64, "read"), sys.SECCOMP_RET_ALLOW},
		{"x32", `{"defaultAction": "ACT_ALLOW"}`, Data{NR: x32Bit, Arch: sys.AMD64.AuditArch()}, sys.SECCOMP_RET_ERRNO | 38},
		{"x32, listed", `{"defaultAction": "ACT_ALLOW", "architectures": ["ARCH_X32"], "syscalls": [{"names": ["read"], "action": "ACT_TRAP"}]}`,
			Data{NR: x32Bit, Arch: sys.AMD64.AuditArch()}, sys.SECCOMP_RET_TRAP},
		{"x32, a number of its own", `{"defaultAction": "ACT_ALLOW", "architectures": ["ARCH_X32"], "syscalls": [{"names": ["execve"], "action": "ACT_TRAP"}]}`,
			Data{NR: x32Bit + 520, Arch: sys.AMD64.AuditArch()}, sys.SECCOMP_RET_TRAP},

		{"alternatives, first", `{"defaultAction": "ACT_ERRNO", "syscalls": [{"names": ["read"], "action": "ACT_ALLOW",
			"args": [{"index": 0, "op": "CMP_EQ", "value": 1}, {"index": 0, "op": "CMP_EQ", "value": 8}, {"index": 1, "op": "CMP_EQ", "value": 5}]}]}`,
			call(t, sys.AMD64, "read", 8), sys.SECCOMP_RET_ALLOW},
		{"alternatives, another argument", `{"defaultAction": "ACT_ERRNO", "syscalls": [{"names": ["read"], "action": "ACT_ALLOW",
			"args": [{"index": 0, "op": "CMP_EQ", "value": 1}, {"index": 0, "op": "CMP_EQ", "value": 8}, {"index": 1, "op": "CMP_EQ", "value": 5}]}]}`,
			call(t, sys.AMD64, "read", 3, 5), sys.SECCOMP_RET_ALLOW},
		{"all conditions", `{"defaultAction": "ACT_ERRNO", "syscalls": [{"names": ["read"], "action": "ACT_ALLOW",
			"args": [{"index": 0, "op": "CMP_EQ", "value": 1}, {"index": 1, "op": "CMP_EQ", "value": 5}]}]}`,
			call(t, sys.AMD64, "read", 1, 4), sys.SECCOMP_RET_ERRNO | 1},
		{"masked value has bits outside", `{"defaultAction": "ACT_ERRNO", "syscalls": [{"names": ["read"], "action": "ACT_ALLOW",
			"args": [{"index": 0, "op": "CMP_MASKED_EQ", "value": 15, "valueTwo": 18}]}]}`,
			call(t, sys.AMD64, "read", 0xf2), sys.SECCOMP_RET_ALLOW},
		{"empty mask", `{"defaultAction": "ACT_ERRNO", "syscalls": [{"names": ["read"], "action": "ACT_ALLOW",
			"args": [{"index": 0, "op": "CMP_MASKED_EQ", "value": 0, "valueTwo": 0}]}]}`,
			call(t, sys.AMD64, "read", 0xf2), sys.SECCOMP_RET_ALLOW},
		{"nothing is less than 0", `{"defaultAction": "ACT_ERRNO", "syscalls": [{"names": ["read"], "action": "ACT_ALLOW",
			"args": [{"index": 0, "op": "CMP_LT", "value": 0}]}]}`, call(t, sys.AMD64, "read", 0), sys.SECCOMP_RET_ERRNO | 1},

		{"strictest of two with conditions", `{"defaultAction": "ACT_KILL", "syscalls": [
			{"names": ["read"], "action": "ACT_ALLOW", "args": [{"index": 0, "op": "CMP_GE", "value": 5}]},
			{"names": ["read"], "action": "ACT_ERRNO", "args": [{"index": 0, "op": "CMP_LE", "value": 9}]}]}`,
			call(t, sys.AMD64, "read", 7), sys.SECCOMP_RET_ERRNO | 1},
		{"exception from a rule without", `{"defaultAction": "ACT_KILL", "syscalls": [
			{"names": ["socket"], "action": "ACT_ALLOW"},
			{"names": ["socket"], "action": "ACT_ERRNO", "args": [{"index": 0, "op": "CMP_EQ", "value": 38}]}]}`,
			call(t, sys.AMD64, "socket", 38), sys.SECCOMP_RET_ERRNO | 1},
		{"first of equals", `{"defaultAction": "ACT_ALLOW", "syscalls": [
			{"names": ["read"], "action": "ACT_ERRNO", "errnoRet": 5}, {"names": ["read"], "action": "ACT_ERRNO", "errnoRet": 6}]}`,
			call(t, sys.AMD64, "read"), sys.SECCOMP_RET_ERRNO | 5},
		{"a rule that repeats the default", `{"defaultAction": "ACT_ERRNO", "syscalls": [
			{"names": ["read"], "action": "ACT_ERRNO"},
			{"names": ["read"], "action": "ACT_ALLOW", "args": [{"index": 0, "op": "CMP_EQ", "value": 1}]}]}`,
			call(t, sys.AMD64, "read", 1), sys.SECCOMP_RET_ALLOW},
		{"unknown name that would be allowed", `{"defaultAction": "ACT_ERRNO", "syscalls": [{"names": ["read", "fly"], "action": "ACT_ALLOW"}]}`,
			call(t, sys.AMD64, "read"), sys.SECCOMP_RET_ALLOW},
		{"name of another architecture that would be denied", `{"defaultAction": "ACT_ALLOW", "syscalls": [{"names": ["s390_sthyi", "read"], "action": "ACT_ERRNO"}]}`,
			call(t, sys.AMD64, "read"), sys.SECCOMP_RET_ERRNO | 1},

		{"-1 on 64 bits", `{"defaultAction": "ACT_ALLOW", "syscalls": [{"names": ["kill"], "action": "ACT_ERRNO",
			"args": [{"index": 0, "op": "CMP_EQ", "value": 18446744073709551615}]}]}`,
			call(t, sys.AMD64, "kill", minus1), sys.SECCOMP_RET_ERRNO | 1},
		{"-1 on 32 bits", `{"defaultAction": "ACT_ALLOW", "architectures": ["ARCH_X86"], "syscalls": [{"names": ["kill"], "action": "ACT_ERRNO",
			"args": [{"index": 0, "op": "CMP_EQ", "value": 18446744073709551615}]}]}`,
			call(t, sys.I386, "kill", math.MaxUint32), sys.SECCOMP_RET_ERRNO | 1},
		{"out of range on 32 bits", `{"defaultAction": "ACT_ERRNO", "architectures": ["ARCH_X86"], "syscalls": [{"names": ["kill"], "action": "ACT_ALLOW",
			"args": [{"index": 0, "op": "CMP_GE", "value": 4294967296}]}]}`,
			call(t, sys.I386, "kill", 7), sys.SECCOMP_RET_ERRNO | 1},

		{"denied in socketcall, too", `{"defaultAction": "ACT_ALLOW", "architectures": ["ARCH_X86"], "syscalls": [{"names": ["socket"], "action": "ACT_ERRNO",
			"args": [{"index": 0, "op": "CMP_EQ", "value": 38}]}]}`,
			call(t, sys.I386, "socketcall", 1), sys.SECCOMP_RET_ERRNO | 1},
		{"other calls in socketcall", `{"defaultAction": "ACT_ALLOW", "architectures": ["ARCH_X86"], "syscalls": [{"names": ["socket"], "action": "ACT_ERRNO"}]}`,
			call(t, sys.I386, "socketcall", 2), sys.SECCOMP_RET_ALLOW},
		{"allowed in socketcall", `{"defaultAction": "ACT_ERRNO", "architectures": ["ARCH_X86"], "syscalls": [{"names": ["connect"], "action": "ACT_ALLOW"}]}`,
			call(t, sys.I386, "socketcall", 3), sys.SECCOMP_RET_ALLOW},
		{"on conditions not in socketcall", `{"defaultAction": "ACT_ERRNO", "architectures": ["ARCH_X86"], "syscalls": [{"names": ["socket"], "action": "ACT_ALLOW",
			"args": [{"index": 0, "op": "CMP_EQ", "value": 1}]}]}`,
			call(t, sys.I386, "socketcall", 1), sys.SECCOMP_RET_ERRNO | 1},
		{"socketcall named", `{"defaultAction": "ACT_ERRNO", "architectures": ["ARCH_X86"], "syscalls": [
			{"names": ["socket"], "action": "ACT_ERRNO", "errnoRet": 97, "args": [{"index": 0, "op": "CMP_EQ", "value": 38}]},
			{"names": ["socketcall"], "action": "ACT_ALLOW"}]}`,
			call(t, sys.I386, "socketcall", 1), sys.SECCOMP_RET_ALLOW},
		{"denied in ipc with a version", `{"defaultAction": "ACT_ALLOW", "architectures": ["ARCH_X86"], "syscalls": [{"names": ["shmat"], "action": "ACT_ERRNO"}]}`,
			call(t, sys.I386, "ipc", 1<<16|21), sys.SECCOMP_RET_ERRNO | 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f, err := Compile(parse(t, tt.profile), sys.AMD64)
			require.NoError(t, err)
			requireValid(t, f)
			got := f.Run(tt.data)
			require.Equal(t, tt.want, got, "want %#x, got %#x", tt.want, got)
		})
	}
}

func TestProfilesThatAreRefused(t *testing.T) {
	t.Parallel()
	many := func(n int) string {
		one := `{"names": ["read"], "action": "ACT_ALLOW", "args": [{"index": 0, "op": "CMP_EQ", "value": 1}]}`
		return `{"defaultAction": "ACT_ERRNO", "syscalls": [` + strings.Repeat(one+",", n) + one + `]}`
	}
	for _, tt := range []struct{ name, profile, pointer, text string }{
		{"empty", `{}`, "/defaultAction", `unknown action ""`},
		{"unknown default", `{"defaultAction": "ALLOW"}`, "/defaultAction", `unknown action "ALLOW"`},
		{"errno of allow", `{"defaultAction": "ACT_ALLOW", "defaultErrnoRet": 1}`, "/defaultErrnoRet", "SCMP_ACT_ALLOW takes no errno"},
		{"large errno", `{"defaultAction": "ACT_ERRNO", "defaultErrnoRet": 4096}`, "/defaultErrnoRet", "4096 is above 4095, the largest errno"},
		{"huge errno", `{"defaultAction": "ACT_ERRNO", "defaultErrnoRet": 4294967297}`, "/defaultErrnoRet", "4294967297 is above 4095, the largest errno"},
		{"large trace", `{"defaultAction": "ACT_TRACE", "defaultErrnoRet": 65536}`, "/defaultErrnoRet", "65536 is above 65535"},
		{"unknown architecture", `{"defaultAction": "ACT_ALLOW", "architectures": ["ARCH_X86", "ARCH_VAX"]}`, "/architectures/1", `unknown architecture "SCMP_ARCH_VAX"`},
		{"metadata alone", `{"defaultAction": "ACT_ALLOW", "listenerMetadata": "x"}`, "/listenerMetadata", "without listenerPath"},
		{"no names", `{"defaultAction": "ACT_ALLOW", "syscalls": [{"action": "ACT_KILL"}]}`, "/syscalls/0/names", "names no system call"},
		{"unknown action", `{"defaultAction": "ACT_ALLOW", "syscalls": [{"names": ["read"], "action": "KILL"}]}`, "/syscalls/0/action", `unknown action "KILL"`},
		{"errno of kill", `{"defaultAction": "ACT_ALLOW", "syscalls": [{"names": ["read"], "action": "ACT_KILL", "errnoRet": 2}]}`, "/syscalls/0/errnoRet", "takes no errno"},
		{"unknown operator", `{"defaultAction": "ACT_ALLOW", "syscalls": [{"names": ["read"], "action": "ACT_KILL"}, {"names": ["read"], "action": "ACT_KILL",
			"args": [{"index": 0, "op": "CMP_EQ", "value": 1}, {"index": 1, "op": "=="}]}]}`, "/syscalls/1/args/1/op", `unknown operator "=="`},
		{"argument 6", `{"defaultAction": "ACT_ALLOW", "syscalls": [{"names": ["read"], "action": "ACT_KILL", "args": [{"index": 6, "op": "CMP_EQ"}]}]}`,
			"/syscalls/0/args/0/index", "argument 6"},
		{"unknown name that would be denied", `{"defaultAction": "ACT_ALLOW", "syscalls": [{"names": ["read", "reed"], "action": "ACT_ERRNO"}]}`,
			"/syscalls/0/names/1", `unknown system call "reed"`},
		{"name with spaces", `{"defaultAction": "ACT_ALLOW", "syscalls": [{"names": ["spu_create spu_run"], "action": "ACT_ERRNO"}]}`,
			"/syscalls/0/names/0", "unknown system call"},
		{"too many", many(maxRules), "/syscalls/32768", "more than 32768 rules"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Compile(parse(t, tt.profile), sys.AMD64)
			var field *FieldError
			require.ErrorAs(t, err, &field)
			assert.Equal(t, tt.pointer, field.Pointer)
			assert.Contains(t, field.Reason, tt.text)
			assert.Equal(t, "seccomp profile: "+field.Pointer+": "+field.Reason, err.Error())
		})
	}
}

func TestCompileOfWhatIsNoProfile(t *testing.T) {
	t.Parallel()
	_, err := Compile(nil, sys.AMD64)
	require.ErrorContains(t, err, "none given")
	_, err = Compile(&specs.LinuxSeccomp{DefaultAction: specs.ActAllow}, "vax")
	require.ErrorContains(t, err, `"vax"`)
	var c Cache
	_, err = c.Compile(nil, sys.AMD64)
	require.Error(t, err)
}

// A profile can ask for more than the kernel takes.
func TestCompileOfTooLargeAFilter(t *testing.T) {
	t.Parallel()
	p := &specs.LinuxSeccomp{DefaultAction: specs.ActErrno}
	for i := range uint64(3000) {
		p.Syscalls = append(p.Syscalls, specs.LinuxSyscall{Names: []string{"ioctl"}, Action: specs.ActAllow, Args: []specs.LinuxSeccompArg{
			{Index: 0, Op: specs.OpEqualTo, Value: 7 * i}, {Index: 1, Op: specs.OpEqualTo, Value: 5 * i},
		}})
	}
	_, err := Compile(p, sys.AMD64)
	require.ErrorContains(t, err, "of which the kernel accepts 4096")
}

func TestFlags(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, profile string
		want          uint32
		err           string
	}{
		{"none", `{"defaultAction": "ACT_ALLOW"}`, 0, ""},
		{"all", `{"defaultAction": "ACT_ALLOW", "flags": ["SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW"]}`, 2 | 4, ""},
		{"listener", `{"defaultAction": "ACT_ALLOW", "syscalls": [{"names": ["mkdir"], "action": "ACT_NOTIFY"}], "flags": ["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"]}`, 8 | 0x20, ""},
		{"wait without a listener", `{"defaultAction": "ACT_ALLOW", "flags": ["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"]}`, 0, "/flags/0"},
		{"unknown", `{"defaultAction": "ACT_ALLOW", "flags": ["SECCOMP_FILTER_FLAG_LOG", "LOG"]}`, 0, `/flags/1: unknown flag "LOG"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Flags(parse(t, tt.profile))
			if tt.err != "" {
				require.ErrorContains(t, err, tt.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, tt.want, got)
		})
	}
}

func TestCache(t *testing.T) {
	t.Parallel()
	var c Cache
	text := `{"defaultAction": "ACT_ERRNO", "syscalls": [{"names": ["read", "write"], "action": "ACT_ALLOW"}]}`
	first, err := c.Compile(parse(t, text), sys.AMD64)
	require.NoError(t, err)
	again, err := c.Compile(parse(t, text), sys.AMD64)
	require.NoError(t, err)
	assert.Same(t, &first[0], &again[0], "compiled again")

	for _, other := range []string{
		strings.Replace(text, "read", "open", 1),
		strings.Replace(text, `"read", "write"`, `"readwrite"`, 1),
		strings.Replace(text, "ACT_ALLOW", "ACT_LOG", 1),
		strings.Replace(text, `"ACT_ERRNO"`, `"ACT_ERRNO", "defaultErrnoRet": 1`, 1),
		strings.Replace(text, `"ACT_ERRNO"`, `"ACT_ERRNO", "architectures": ["ARCH_X86"]`, 1),
		strings.Replace(text, `"ACT_ALLOW"`, `"ACT_ALLOW", "args": [{"index": 0, "op": "CMP_EQ", "value": 0}]`, 1),
	} {
		f, err := c.Compile(parse(t, other), sys.AMD64)
		require.NoError(t, err)
		assert.NotSame(t, &first[0], &f[0], other)
	}
	f, err := c.Compile(parse(t, text), sys.ARM64)
	require.NoError(t, err)
	assert.NotEqual(t, first, f)

	for i := range 3 * maxCached {
		p := parse(t, text)
		errno := uint(i)
		p.DefaultErrnoRet = &errno
		_, err := c.Compile(p, sys.AMD64)
		require.NoError(t, err)
	}
	assert.LessOrEqual(t, len(c.filters), maxCached)

	_, err = c.Compile(parse(t, `{"defaultAction": "no"}`), sys.AMD64)
	require.Error(t, err)
}

func TestDenied(t *testing.T) {
	t.Parallel()
	f, err := Compile(parse(t, `{"defaultAction": "ACT_ERRNO", "syscalls": [
		{"names": ["read", "exit_group"], "action": "ACT_ALLOW"},
		{"names": ["capset"], "action": "ACT_LOG"},
		{"names": ["execve"], "action": "ACT_NOTIFY"},
		{"names": ["write"], "action": "ACT_ALLOW", "args": [{"index": 0, "op": "CMP_GE", "value": 3}]}]}`), sys.AMD64)
	require.NoError(t, err)
	assert.Equal(t, []string{"execve", "write", "openat", "fly"},
		f.Denied(sys.AMD64, "read", "execve", "capset", "write", "exit_group", "openat", "fly"))
	assert.Equal(t, []string{"read"}, f.Denied(sys.I386, "read"))
	assert.Equal(t, []string{"read"}, Filter(nil).Denied(sys.AMD64, "read"))
}

func TestBytes(t *testing.T) {
	t.Parallel()
	f := Filter{{Code: opJGE, JT: 3, JF: 7, K: 0x01020304}, {Code: opRet, K: sys.SECCOMP_RET_ALLOW}}
	assert.Equal(t, []byte{0x35, 0, 3, 7, 4, 3, 2, 1, 6, 0, 0, 0, 0, 0, 0xff, 0x7f}, f.Bytes())
	assert.Empty(t, Filter(nil).Bytes())
}

func TestRunOfWhatTheKernelRefuses(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]Filter{
		"empty":        nil,
		"no return":    {{Code: opLoad}},
		"unaligned":    {{Code: opLoad, K: 3}, {Code: opRet}},
		"beyond":       {{Code: opLoad, K: 64}, {Code: opRet}},
		"unknown":      {{Code: 0xffff}, {Code: opRet}},
		"jump outside": {{Code: opJump, K: math.MaxUint32}, {Code: opRet}},
		"skip outside": {{Code: opJEQ, JT: 9}, {Code: opRet}},
	} {
		assert.EqualValues(t, sys.SECCOMP_RET_KILL_PROCESS, f.Run(Data{}), name)
		assert.False(t, f.allows(Data{}), name)
	}
	f := Filter{{Code: opLoad, K: 20}, {Code: opJSet, K: 2, JT: 1}, {Code: opRet, K: 1}, {Code: opRet, K: 2}}
	assert.EqualValues(t, 2, f.Run(Data{Args: [6]uint64{3 << 32}}))
	assert.EqualValues(t, 1, f.Run(Data{Args: [6]uint64{3}}))
}
