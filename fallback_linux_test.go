package coracle

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coraclehq/coracle/internal/probe"
	"github.com/coraclehq/coracle/internal/sys"
	"github.com/coraclehq/coracle/internal/testenv"
)

// What newer kernels have is left out by the kernel itself: a filter that answers as
// an older one does, and the sysctl in a pid namespace of its own. Containers are the
// same in every respect that can be seen inside. Version 2 of cgroups cannot be tried
// so on a machine that has its controllers in version 1.
func TestOldKernels(t *testing.T) {
	t.Parallel()
	testenv.Root(t)
	now := older(t, "this kernel")
	require.Contains(t, now.Seen.Inside, "descriptors 0 1 2 3\n")
	for _, kind := range []string{"no clone3", "Linux 5.10", "Linux 5.10 without clone3", "vm.memfd_noexec=2"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			o := older(t, kind)
			assert.Equal(t, now.Seen.Inside, o.Seen.Inside)
			assert.Equal(t, now.Seen.Exec, o.Seen.Exec)
			assert.Equal(t, now.Terminal, o.Terminal)
			assert.Equal(t, map[int]int{7: 6}, o.Seen.Codes)
			for feature, there := range map[string]bool{
				"clone3":          !strings.HasSuffix(kind, "clone3"),
				"close_range":     !strings.HasPrefix(kind, "Linux"),
				"mount_setattr":   !strings.HasPrefix(kind, "Linux"),
				"memory programs": kind != "vm.memfd_noexec=2",
			} {
				assert.Equal(t, there, o.Features[feature], "the control: %s", feature)
			}
		})
	}
}

// report is what the program says.
type report struct {
	Seen     seen
	Terminal string
	Features map[string]bool
}

func older(t *testing.T, kind string) (r report) {
	s := newShelf(t, Config{Cmd: Cmd{Dir: "/made/dir"}}, "sh", "-c", look)
	e := s.open(t)
	testContainer(t, e, Config{Name: "other", Cmd: Cmd{Dir: "/made/dir"}}, "sleep", "1000")
	testContainer(t, e, Config{Name: "terminal", Cmd: Cmd{Terminal: true, User: "65534:65534"}, Mounts: []Mount{{Target: "/data"}, {Source: "/usr", Target: "/mnt"}}},
		"sh", "-c", "tty; id; touch /data/x && ls /data; stat -c %a /dev/pts/0; exit 7")
	require.NoError(t, e.Close())
	cmd := hostCommand(t, "fallback", s.dir, filepath.Join(t.TempDir(), "seen"), kind)
	if strings.HasPrefix(kind, "vm.") {
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS}
	}
	require.NoError(t, cmd.Run())
	b, err := os.ReadFile(cmd.Args[2])
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(b, &r))
	return r
}

// fallbackProgram is a program on the kernel that its third argument names.
func fallbackProgram(p *program) {
	ctx := context.Background()
	makeOld(p, p.args[2])
	e, c := p.container()
	r := report{Seen: seen{Codes: map[int]int{}}}
	for range 2 {
		var out bytes.Buffer
		r.Seen.Codes[codeOf(p, c.Run(ctx, IO{Stdout: &out, Stderr: &out}))]++
		r.Seen.Inside = out.String()
		r.Seen.Exec = p.execIn(e, &r.Seen)
		terminal, err := e.Container(ctx, "terminal")
		require.NoError(p, err)
		out.Reset()
		r.Seen.Codes[codeOf(p, terminal.Run(ctx, IO{Stdout: &out}))]++
		r.Terminal = out.String()
	}
	other, err := e.Container(ctx, "other")
	require.NoError(p, err)
	exe, err := os.Readlink("/proc/" + strconv.Itoa(other.run().process.SupervisorPID) + "/exe")
	require.NoError(p, err)
	require.Contains(p, exe, " (deleted)")
	r.Features = map[string]bool{
		"clone3": probe.Clone3.Supported(), "close_range": probe.CloseRange.Supported(), "mount_setattr": probe.MountSetattr.Supported(),
		"memory programs": strings.HasPrefix(exe, "/memfd:"),
	}
	img, err := other.Commit(ctx, "", CommitOptions{})
	require.NoError(p, err)
	again, err := e.Create(ctx, img, Config{Cmd: Cmd{Args: []string{"sh", "-c", "test -d /made/dir"}}})
	require.NoError(p, err)
	require.NoError(p, again.Run(ctx, IO{}))
	require.NoError(p, e.Close())
	b, err := json.Marshal(r)
	require.NoError(p, err)
	require.NoError(p, os.WriteFile(p.args[1], b, 0o600))
}

// makeOld makes the kernel answer this program, and all that it starts, as an older
// one would.
func makeOld(p *program, kind string) {
	var f filter
	if strings.HasSuffix(kind, "clone3") {
		f.refuse(p, "clone3", 0, 0, syscall.ENOSYS)
	}
	if strings.HasPrefix(kind, "Linux 5.10") {
		const newest = 440 // process_madvise
		f.add(sys.BPF_JMP|bpfJGT|sys.BPF_K, 0, 1, newest)
		f.add(sys.BPF_RET|sys.BPF_K, 0, 0, sys.SECCOMP_RET_ERRNO|uint32(syscall.ENOSYS))
		f.refuse(p, "close_range", 2, sys.CLOSE_RANGE_CLOEXEC, syscall.EINVAL)           // 5.11
		f.refuse(p, "memfd_create", 1, sys.MFD_EXEC|sys.MFD_NOEXEC_SEAL, syscall.EINVAL) // 6.3
		f.refuse(p, "pidfd_send_signal", 3, ^uint32(0), syscall.EINVAL)                  // 6.9
		f.refuse(p, "pidfd_open", 1, ^uint32(sys.O_NONBLOCK), syscall.EINVAL)            // 6.9, PIDFD_THREAD
	}
	if strings.HasPrefix(kind, "vm.") {
		require.NoError(p, sys.Mount("", "/", "", sys.MS_REC|sys.MS_PRIVATE, ""))
		require.NoError(p, sys.Mount("proc", "/proc", "proc", sys.MS_NOSUID|sys.MS_NODEV|sys.MS_NOEXEC, ""))
		require.NoError(p, os.WriteFile("/proc/sys/vm/memfd_noexec", []byte("2"), 0))
		_, err := sys.MemfdCreate("x", sys.MFD_EXEC)
		require.ErrorIs(p, err, syscall.EACCES, "the control")
	}
	if f != nil {
		_, err := sys.LoadSeccomp(f.done(), sys.SECCOMP_FILTER_FLAG_TSYNC)
		require.NoError(p, err)
	}
}

// filter is a seccomp filter that refuses calls, by their numbers and arguments.
type filter []byte

const bpfJGT, bpfJSET = 0x20, 0x40

func (f *filter) add(code uint16, jt, jf uint8, k uint32) {
	if *f == nil {
		*f = filter{}
		f.load(0)
	}
	*f = binary.NativeEndian.AppendUint16(*f, code)
	*f = append(*f, jt, jf)
	*f = binary.NativeEndian.AppendUint32(*f, k)
}

// load loads a word of struct seccomp_data.
func (f *filter) load(offset uint32) { f.add(sys.BPF_LD|sys.BPF_W|sys.BPF_ABS, 0, 0, offset) }

// refuse answers a call with errno when its argument has one of the bits; no bits:
// always.
func (f *filter) refuse(p *program, call string, arg int, bits uint32, errno syscall.Errno) {
	nr, ok := sys.HostArch().Number(call)
	require.True(p, ok, call)
	if bits == 0 {
		f.add(sys.BPF_JMP|sys.BPF_JEQ|sys.BPF_K, 0, 1, uint32(nr))
		f.add(sys.BPF_RET|sys.BPF_K, 0, 0, sys.SECCOMP_RET_ERRNO|uint32(errno))
		return
	}
	const args = 16 // offset in struct seccomp_data; the low half comes first
	f.add(sys.BPF_JMP|sys.BPF_JEQ|sys.BPF_K, 0, 4, uint32(nr))
	f.load(uint32(args + 8*arg))
	f.add(sys.BPF_JMP|bpfJSET|sys.BPF_K, 0, 1, bits)
	f.add(sys.BPF_RET|sys.BPF_K, 0, 0, sys.SECCOMP_RET_ERRNO|uint32(errno))
	f.load(0)
}

func (f *filter) done() []byte {
	f.add(sys.BPF_RET|sys.BPF_K, 0, 0, sys.SECCOMP_RET_ALLOW)
	return *f
}
