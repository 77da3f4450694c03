package coracle

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"syscall"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coraclehq/coracle/internal/seccomp"
	"github.com/coraclehq/coracle/internal/sys"
)

// inside runs a command as a container's first process and as further ones, root and
// user, and returns what each wrote.
func inside(t testing.TB, args ...string) map[string]string {
	e := testEngine(t)
	img := hostileImage(t, e, ImageConfig{}, nil)
	found := map[string]string{
		"run":         output(t, of(t, e, img, Config{}, args...)),
		"run as user": output(t, of(t, e, img, Config{Cmd: Cmd{User: "app"}}, args...)),
	}
	c := of(t, e, img, Config{}, "sleep", "1000")
	require.NoError(t, c.Start(t.Context(), IO{}))
	found["exec"] = outputOfExec(t, c, Cmd{Args: args})
	found["exec as user"] = outputOfExec(t, c, Cmd{Args: args, User: "app"})
	require.NoError(t, c.Remove(t.Context(), true))
	return found
}

// everywhere does so on the host as well, as the control.
func everywhere(t testing.TB, args ...string) map[string]string {
	found := inside(t, args...)
	out, err := exec.Command(attackFile(t), args[1:]...).CombinedOutput()
	require.NoError(t, err, "%s", out)
	found["control"] = string(out)
	return found
}

// Every system call that the default profile denies is denied, and with the errno
// that the profile has for it: on the way from the profile to a running process
// nothing is lost.
func TestDeniedCallsAreDenied(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	img := hostileImage(t, e, ImageConfig{}, nil)
	var profile *specs.LinuxSeccomp
	of(t, e, img, Config{Spec: func(s *specs.Spec) error { profile = s.Linux.Seccomp; return nil }}, "true")
	filter, err := seccomp.Compile(profile, sys.HostArch())
	require.NoError(t, err)
	const bits = ^uint64(0)
	args := []string{"attack", "call"}
	var want []int
	for nr := range uint32(601) {
		said := filter.Run(seccomp.Data{NR: nr, Arch: sys.HostArch().AuditArch(), Args: [6]uint64{bits, bits, bits, bits, bits, bits}})
		// uretprobe and uprobe pass: "seccomp: passthrough uretprobe systemcall without
		// filtering", Linux 6.14.
		if probes := runtime.GOARCH == "amd64" && (nr == 335 || nr == 336); said&sys.SECCOMP_RET_ACTION_FULL != sys.SECCOMP_RET_ERRNO || probes {
			continue
		}
		args = append(args, fmt.Sprintf("%d:%d:%d:%d:%d:%d:%d", nr, bits, bits, bits, bits, bits, bits))
		want = append(want, int(said&sys.SECCOMP_RET_DATA))
	}
	require.Greater(t, len(want), 200)
	// Not on the host: some would do there what they are for.
	for where, text := range inside(t, args...) {
		var got []int
		require.NoError(t, json.Unmarshal([]byte(text), &got), where)
		assert.Equal(t, want, got, where)
	}
	t.Logf("%d calls", len(want))
}

// The calls by which containers were left before, and those that are too new for the
// profile, by name.
func TestDangerousCallsAreDenied(t *testing.T) {
	t.Parallel()
	const newest = 600 // above all that there are
	eperm, enosys := int(syscall.EPERM), int(syscall.ENOSYS)
	names := []string{
		"io_uring_setup", "bpf", "userfaultfd", "perf_event_open", "keyctl", "add_key", "request_key", "fsopen", "mount_setattr", "open_tree",
		"move_mount", "mount", "pivot_root", "ptrace", "process_vm_readv", "open_by_handle_at", "name_to_handle_at", "kexec_load", "init_module", "setns",
	}
	args := []string{"attack", "call"}
	const bits = ^uint64(0)
	for _, name := range names {
		args = append(args, fmt.Sprintf("%d:%d:%d:%d:%d:%d", number(t, name), bits, bits, bits, bits, bits))
	}
	want := slices.Repeat([]int{eperm}, len(names))
	args = append(args, fmt.Sprintf("%d:0:0", number(t, "clone3")), strconv.Itoa(newest))
	want = append(want, enosys, enosys)
	for where, text := range everywhere(t, args...) {
		var got []int
		require.NoError(t, json.Unmarshal([]byte(text), &got), where)
		if where != "control" {
			assert.Equal(t, want, got, where)
			continue
		}
		open := 0
		for i := range names {
			if got[i] != eperm && got[i] != enosys {
				open++
			}
		}
		assert.Greater(t, open, len(names)/2, "%v", got)
		assert.NotEqual(t, enosys, got[len(names)], "clone3")
	}
}

// A container has sockets of four families, and of netlink not what audits; others
// do not exist to it, AF_ALG (CVE-2026-31431) and AF_VSOCK among them.
func TestSocketFamilies(t *testing.T) {
	t.Parallel()
	for where, text := range everywhere(t, "attack", "sockets") {
		var got map[int]int
		require.NoError(t, json.Unmarshal([]byte(text), &got), where)
		require.Len(t, got, 47)
		if where == "control" {
			assert.Zero(t, got[syscall.AF_PACKET])
			open := 0
			for _, errno := range got {
				if errno == 0 {
					open++
				}
			}
			assert.Greater(t, open, 4)
			continue
		}
		for family, errno := range got {
			switch family {
			case syscall.AF_UNIX, syscall.AF_INET, syscall.AF_INET6, syscall.AF_NETLINK:
				assert.Zero(t, errno, "family %d, %s", family, where)
			default:
				assert.Equal(t, int(syscall.EAFNOSUPPORT), errno, "family %d, %s", family, where)
			}
		}
	}
	const audit = 9
	for where, text := range inside(t, "attack", "call", fmt.Sprintf("%d:%d:%d:%d", number(t, "socket"), syscall.AF_NETLINK, syscall.SOCK_RAW, audit)) {
		assert.Equal(t, fmt.Sprintf("[%d]\n", syscall.EPROTONOSUPPORT), text, where)
	}
}

// No process of a container makes a user namespace, which would give it all
// capabilities towards much of the kernel (CVE-2022-0185, CVE-2022-0492).
func TestNoUserNamespaceInside(t *testing.T) {
	t.Parallel()
	user, child := syscall.CLONE_NEWUSER, syscall.CLONE_NEWUSER|int(syscall.SIGCHLD)
	for where, text := range inside(t, "attack", "call",
		fmt.Sprintf("%d:%d", number(t, "unshare"), user), fmt.Sprintf("%d:%d", number(t, "unshare"), user|syscall.CLONE_NEWNS),
		fmt.Sprintf("%d:%d", number(t, "clone"), 1<<40|child), fmt.Sprintf("%d:0:0", number(t, "clone3"))) {
		want := fmt.Sprintf("[%d,%d,%d,%d]\n", syscall.EPERM, syscall.EPERM, syscall.EPERM, syscall.ENOSYS)
		assert.Equal(t, want, text, where)
	}
	cmd := exec.Command("/proc/self/exe", "-test.run=^$")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER}
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "the control: %s", out)
}

// int80 is a program that makes one call without arguments as i386 programs do, and
// exits with the number of its error.
func int80(t testing.TB, nr uint32) []byte {
	code := binary.LittleEndian.AppendUint32([]byte{0xb8}, nr)                            // mov $nr, %eax
	code = append(code, 0xcd, 0x80, 0xf7, 0xd8, 0x89, 0xc3, 0xb8, 1, 0, 0, 0, 0xcd, 0x80) // int; neg %eax; mov %eax, %ebx; exit
	const base, header = 0x10000, 84
	var b bytes.Buffer
	for _, part := range []any{
		elf.Header32{
			Ident: [elf.EI_NIDENT]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS32), byte(elf.ELFDATA2LSB), 1},
			Type:  uint16(elf.ET_EXEC), Machine: uint16(elf.EM_386), Version: 1, Entry: base + header, Phoff: 52, Ehsize: 52, Phentsize: 32, Phnum: 1,
		},
		elf.Prog32{Type: uint32(elf.PT_LOAD), Vaddr: base, Filesz: header + uint32(len(code)), Memsz: header + uint32(len(code)), Flags: uint32(elf.PF_R | elf.PF_X), Align: 4096},
		code,
	} {
		require.NoError(t, binary.Write(&b, binary.LittleEndian, part))
	}
	return b.Bytes()
}

// The other ways into the kernel are closed: that of i386 programs, unless it is
// asked for and then with the same rules, and that of x32.
func TestOtherABIs(t *testing.T) {
	t.Parallel()
	if runtime.GOARCH != "amd64" {
		t.Skip("only amd64 has several")
	}
	e := testEngine(t)
	names := []string{"getppid", "keyctl", "add_key", "unshare", "mount"}
	img := hostileImage(t, e, ImageConfig{}, func(root string) {
		for _, name := range names {
			nr, ok := sys.I386.Number(name)
			require.True(t, ok)
			require.NoError(t, os.WriteFile(filepath.Join(root, name), int80(t, uint32(nr)), 0o755))
		}
	})
	tree := layerTree(t, e, img)
	for _, name := range names {
		var exit *exec.ExitError
		if err := exec.Command(filepath.Join(tree, name)).Run(); err != nil {
			if name == "getppid" && !assert.ErrorAs(t, err, &exit) {
				t.Skip("this kernel runs no i386 programs")
			}
			require.ErrorAs(t, err, &exit)
			assert.NotEqual(t, int(syscall.EPERM), exit.ExitCode(), "the control: %s", name)
		}
	}
	for _, compat := range []bool{false, true} {
		c := of(t, e, img, Config{Security: Security{Compat32: compat}}, "sleep", "1000")
		require.NoError(t, c.Start(t.Context(), IO{}))
		for _, name := range names {
			run := of(t, e, img, Config{Security: Security{Compat32: compat}}, "/"+name).Run(t.Context(), IO{})
			p, err := c.Exec(t.Context(), Cmd{Args: []string{"/" + name}}, IO{})
			require.NoError(t, err)
			for how, err := range map[string]error{"run": run, "exec": p.Wait(t.Context())} {
				var exit *ExitError
				switch errors.As(err, &exit); {
				case compat && name == "getppid": // its exit code is the number, negated
					assert.True(t, exit == nil || exit.Signal == 0, how)
				case !assert.NotNil(t, exit, "%s %s: %v", how, name, err):
				case compat:
					assert.Equal(t, int(syscall.EPERM), exit.Code, "%s %s", how, name)
				default:
					assert.Equal(t, syscall.SIGSYS, exit.Signal, "%s %s", how, name)
				}
			}
		}
		require.NoError(t, c.Remove(t.Context(), true))
	}
	const x32 = 0x40000000
	for where, text := range inside(t, "attack", "call", strconv.Itoa(x32|39), strconv.Itoa(x32|520)) {
		assert.Equal(t, fmt.Sprintf("[%d,%d]\n", syscall.ENOSYS, syscall.ENOSYS), text, where)
	}
}
