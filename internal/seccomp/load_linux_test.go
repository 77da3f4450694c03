package seccomp

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coraclehq/coracle/internal/probe"
	"github.com/coraclehq/coracle/internal/sys"
	"github.com/coraclehq/coracle/internal/testenv"
)

// childOrder is what a child process is told to do: load the filter, if there is
// one, make the calls and write down their errors, and execute a program, if
// there is one.
type childOrder struct {
	Filter []byte
	Calls  [][7]uint64 // number and arguments
	Exec   string
}

const childVariable = "CORACLE_TEST_SECCOMP_CHILD"

// TestChild is the child process; on its own it does nothing.
func TestChild(t *testing.T) {
	text := os.Getenv(childVariable)
	if text == "" {
		return
	}
	var order childOrder
	require.NoError(t, json.Unmarshal([]byte(text), &order))
	runtime.LockOSThread()
	require.NoError(t, sys.Prctl(sys.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
	if len(order.Filter) > 0 {
		_, err := sys.LoadSeccomp(order.Filter, sys.SECCOMP_FILTER_FLAG_TSYNC)
		require.NoError(t, err)
	}
	var errnos []syscall.Errno
	for _, c := range order.Calls {
		_, _, e := syscall.RawSyscall6(uintptr(c[0]), uintptr(c[1]), uintptr(c[2]), uintptr(c[3]), uintptr(c[4]), uintptr(c[5]), uintptr(c[6]))
		errnos = append(errnos, e)
	}
	if order.Exec != "" {
		require.NoError(t, syscall.Exec(order.Exec, []string{order.Exec}, nil))
	}
	require.NoError(t, json.NewEncoder(os.NewFile(3, "result")).Encode(errnos))
}

// inChild runs a child to its end.
func inChild(t *testing.T, order childOrder) (errnos []syscall.Errno, end syscall.WaitStatus) {
	t.Helper()
	text, err := json.Marshal(order)
	require.NoError(t, err)
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	cmd := exec.Command(os.Args[0], "-test.run=^TestChild$")
	cmd.Env = append(os.Environ(), childVariable+"="+string(text))
	cmd.ExtraFiles = []*os.File{w}
	out, err := cmd.CombinedOutput()
	require.NoError(t, w.Close())
	if err != nil && order.Exec == "" {
		require.NoError(t, err, "%s", out)
	}
	if order.Exec == "" {
		require.NoError(t, json.NewDecoder(r).Decode(&errnos), "%s", out)
	}
	return errnos, cmd.ProcessState.Sys().(syscall.WaitStatus)
}

// Every number that the default filter denies is denied by the kernel that
// loaded it, and what it allows still works.
func TestDefaultOnThisKernel(t *testing.T) {
	t.Parallel()
	testenv.Need(t, probe.SeccompFilter)
	f := mustDefault(t, sys.HostArch(), Options{})
	order := childOrder{Filter: f.Bytes()}
	var want []string
	bits := ^uint64(0) // as pointers, sizes and flags invalid almost everywhere
	excepted := map[uint32]bool{}
	if nr, ok := sys.HostArch().Number("vhangup"); ok {
		excepted[uint32(nr)] = true // has no arguments that could be wrong
	}
	if sys.HostArch() == sys.AMD64 {
		// uprobe, which the kernel makes itself where a probe was set, and lets
		// pass ("seccomp: passthrough uprobe systemcall without filtering").
		excepted[336] = true
	}
	for nr := range uint32(601) {
		d := Data{NR: nr, Arch: sys.HostArch().AuditArch(), Args: [6]uint64{bits, bits, bits, bits, bits, bits}}
		if said := answer(f.Run(d)); said != "allow" && !excepted[nr] {
			order.Calls = append(order.Calls, [7]uint64{uint64(nr), bits, bits, bits, bits, bits, bits})
			want = append(want, fmt.Sprintf("%d: %s", nr, said))
		}
	}
	call := func(said, name string, args ...uint64) {
		nr, ok := sys.HostArch().Number(name)
		require.True(t, ok)
		c := [7]uint64{uint64(nr)}
		copy(c[1:], args)
		order.Calls = append(order.Calls, c)
		want = append(want, fmt.Sprintf("%d: %s", nr, said))
	}
	const stream, raw, cloexec = 1, 3, syscall.SOCK_CLOEXEC
	for family, said := range map[uint64]string{1: "allow", 2: "allow", 3: "EAFNOSUPPORT", 16: "allow", 17: "EAFNOSUPPORT", 38: "EAFNOSUPPORT", 40: "EAFNOSUPPORT", 1<<32 | 38: "EAFNOSUPPORT"} {
		kind := uint64(stream)
		if family == 16 {
			kind = raw
		}
		call(said, "socket", family, kind|cloexec, 0)
	}
	call("EPROTONOSUPPORT", "socket", 16, raw|cloexec, 9)
	call("allow", "getpid")
	call("allow", "personality", 0xffffffff)
	call("EPERM", "personality", 0x40000)
	call("EPERM", "clone", syscall.CLONE_NEWUSER|uint64(syscall.SIGCHLD))
	call("EPERM", "unshare", syscall.CLONE_NEWUSER)
	if sys.HostArch() == sys.AMD64 {
		order.Calls = append(order.Calls, [7]uint64{x32Bit | 39}, [7]uint64{x32Bit | 520})
		want = append(want, fmt.Sprintf("%d: ENOSYS", x32Bit|39), fmt.Sprintf("%d: ENOSYS", x32Bit|520))
	}

	errnos, end := inChild(t, order)
	require.True(t, end.Exited())
	var got []string
	for i, e := range errnos {
		said := "allow"
		if e != 0 {
			said = answer(sys.SECCOMP_RET_ERRNO | uint32(e))
		}
		got = append(got, fmt.Sprintf("%d: %s", order.Calls[i][0], said))
	}
	require.Equal(t, want, got)
	t.Logf("%d calls", len(got))
}

// Without the filter the calls are open, so it is the filter that closes them.
func TestDefaultOnThisKernelControl(t *testing.T) {
	t.Parallel()
	names := []string{"keyctl", "personality", "userfaultfd", "io_uring_setup", "perf_event_open", "ptrace"}
	order := childOrder{}
	for _, name := range names {
		nr, ok := sys.HostArch().Number(name)
		require.True(t, ok)
		order.Calls = append(order.Calls, [7]uint64{uint64(nr), 0x40000, 0x40000, 1 << 40})
	}
	errnos, _ := inChild(t, order)
	for i, e := range errnos {
		if e == sys.ENOSYS {
			t.Logf("this kernel has no %s", names[i])
			continue
		}
		assert.NotEqual(t, sys.EPERM, e, names[i])
	}
}

func TestEachActionOnThisKernel(t *testing.T) {
	t.Parallel()
	testenv.Need(t, probe.SeccompFilter)
	nr, _ := sys.HostArch().Number("getpgid")
	const big = 5<<32 | 7
	p := parse(t, `{"defaultAction": "ACT_ALLOW", "syscalls": [
		{"names": ["getpgid"], "action": "ACT_ERRNO", "errnoRet": 4000, "args": [{"index": 5, "op": "CMP_EQ", "value": 1}]},
		{"names": ["getpgid"], "action": "ACT_TRACE", "args": [{"index": 5, "op": "CMP_EQ", "value": 2}]},
		{"names": ["getpgid"], "action": "ACT_LOG", "args": [{"index": 5, "op": "CMP_EQ", "value": 3}]},
		{"names": ["getpgid"], "action": "ACT_ERRNO", "errnoRet": 11, "args": [{"index": 5, "op": "CMP_GT", "value": 21474836487}]},
		{"names": ["getpgid"], "action": "ACT_ERRNO", "errnoRet": 12, "args": [{"index": 5, "op": "CMP_MASKED_EQ", "value": 4294967552, "valueTwo": 256}]}]}`)
	f, err := Compile(p, sys.HostArch())
	require.NoError(t, err)
	order := childOrder{Filter: f.Bytes()}
	for _, v := range []uint64{0, 1, 2, 3, big, big + 1, 1 << 63, 0x100, 0x1ff, 1<<32 | 0x100} {
		order.Calls = append(order.Calls, [7]uint64{uint64(nr), 0, 0, 0, 0, 0, v})
	}
	errnos, _ := inChild(t, order)
	// A call for a tracer that is not there does not exist.
	require.Equal(t, []syscall.Errno{0, 4000, sys.ENOSYS, 0, 0, 11, 11, 12, 12, 0}, errnos)
}

// A filter of the largest size is one that the kernel takes.
func TestLargestFilterOnThisKernel(t *testing.T) {
	t.Parallel()
	testenv.Need(t, probe.SeccompFilter)
	// One value more until it does not fit: the last that did is loaded.
	p := &specs.LinuxSeccomp{DefaultAction: specs.ActAllow}
	errno := uint(5)
	grow := func(n uint64) Filter {
		p.Syscalls = nil
		for i := range n {
			p.Syscalls = append(p.Syscalls, specs.LinuxSyscall{Names: []string{"getpgid"}, Action: specs.ActErrno, ErrnoRet: &errno,
				Args: []specs.LinuxSeccompArg{{Index: 1, Op: specs.OpEqualTo, Value: 3 * i}, {Index: 2, Op: specs.OpEqualTo, Value: i}}})
		}
		f, err := Compile(p, sys.HostArch())
		if err != nil {
			return nil
		}
		return f
	}
	low, high := uint64(1), uint64(4096)
	for low+1 < high {
		if mid := (low + high) / 2; grow(mid) != nil {
			low = mid
		} else {
			high = mid
		}
	}
	f := grow(low)
	requireValid(t, f)
	t.Logf("%d rules, %d instructions", low, len(f))
	require.Greater(t, len(f), maxInsns*9/10)
	nr, _ := sys.HostArch().Number("getpgid")
	order := childOrder{Filter: f.Bytes()}
	for _, i := range []uint64{0, 1, low / 2, low - 1} {
		order.Calls = append(order.Calls, [7]uint64{uint64(nr), 0, 3 * i, i}, [7]uint64{uint64(nr), 0, 3 * i, i + 1})
	}
	errnos, _ := inChild(t, order)
	require.Equal(t, []syscall.Errno{5, 0, 5, 0, 5, 0, 5, 0}, errnos)
}

func BenchmarkLoad(b *testing.B) {
	testenv.Root(b)
	for _, tt := range []struct {
		name string
		of   func() (*specs.LinuxSeccomp, error)
	}{
		{"default", func() (*specs.LinuxSeccomp, error) { return Default(sys.HostArch(), Options{}) }},
		{"compat32", func() (*specs.LinuxSeccomp, error) { return Default(sys.HostArch(), Options{Compat32: true}) }},
		{"docker", func() (*specs.LinuxSeccomp, error) { return Docker(sys.HostArch(), nil) }},
	} {
		b.Run(tt.name, func(b *testing.B) {
			p, err := tt.of()
			require.NoError(b, err)
			f, err := Compile(p, sys.HostArch())
			require.NoError(b, err)
			prog := f.Bytes()
			var spent time.Duration
			for b.Loop() {
				done := make(chan error)
				go func() {
					runtime.LockOSThread() // and never unlocked: the thread ends with its filter
					begun := time.Now()
					_, err := sys.LoadSeccomp(prog, 0)
					spent += time.Since(begun)
					done <- err
				}()
				require.NoError(b, <-done)
			}
			b.ReportMetric(float64(spent.Nanoseconds())/float64(b.N), "ns/load")
		})
	}
}
