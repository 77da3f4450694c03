package testenv

import (
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coraclehq/coracle/internal/sys"
)

// kinds are those of leaks, each once.
func kinds(leaks []Leak) (k []string) {
	for _, l := range leaks {
		if len(k) == 0 || k[len(k)-1] != l.Kind {
			k = append(k, l.Kind)
		}
	}
	return k
}

// A leak of each kind is planted; the census must find it, and it alone, another
// test's census must not, and once it is gone all must be well.
func TestCensusFindsEachLeak(t *testing.T) {
	t.Parallel()
	Root(t)
	for _, tt := range []struct {
		name  string
		plant func(t *testing.T, c *Counter) (undo func())
		want  []string
	}{
		{"mount", plantMount, []string{Mount}},
		{"link", plantLink, []string{Link}},
		{"netns file", plantNetNSFile, []string{NetNSFile}},
		{"nft table", plantNFTTable, []string{NFTTable}},
		{"cgroup", plantCgroup, []string{Cgroup}},
		{"process by argument", func(t *testing.T, c *Counter) func() {
			return sleeper(t, nil, nil, markOf(t))
		}, []string{Process}},
		{"process by open file", func(t *testing.T, c *Counter) func() {
			f, err := os.Create(filepath.Join(t.TempDir(), "alive"))
			require.NoError(t, err)
			defer f.Close()
			return sleeper(t, nil, f)
		}, []string{Process}},
		{"process by cgroup", plantInCgroup, []string{Cgroup, Process}},
		{"process by mount", plantInMount, []string{Mount, Namespace, Process}},
		{"namespaces", func(t *testing.T, c *Counter) func() {
			return sleeper(t, &syscall.SysProcAttr{
				Cloneflags: sys.CLONE_NEWNET | sys.CLONE_NEWPID | sys.CLONE_NEWNS,
			}, nil, markOf(t))
		}, []string{Namespace, Process}},
		{"loop device", plantLoop, []string{LoopDevice}},
		{"file", func(t *testing.T, c *Counter) func() {
			dir := t.TempDir()
			c.Dir(dir)
			path := filepath.Join(dir, "left")
			require.NoError(t, os.WriteFile(path, nil, 0o600))
			return func() { require.NoError(t, os.Remove(path)) }
		}, []string{File}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if tt.name == "link" || tt.name == "nft table" {
				NetNS(t)
			}
			bystander := begin(t, false, machine(t), "somebody else's")
			c := Census(t)
			undo := tt.plant(t, c)
			c.wait, bystander.wait = 20*time.Millisecond, 0
			got := c.Leaks()
			assert.Equal(t, tt.want, kinds(got), "%v", got)
			assert.Empty(t, bystander.Leaks())
			undo()
			c.wait = patience
			assert.Empty(t, c.Leaks())
		})
	}
}

func markOf(t *testing.T) string { return filepath.Dir(t.TempDir()) }

// sleeper starts a process that sleeps until it is undone.
func sleeper(t *testing.T, attr *syscall.SysProcAttr, file *os.File, args ...string) (undo func()) {
	t.Helper()
	cmd := exec.Command("sh", append([]string{"-c", "echo ready; read forever", "sh"}, args...)...)
	cmd.SysProcAttr = attr
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	if file != nil {
		cmd.ExtraFiles = []*os.File{file}
	}
	require.NoError(t, cmd.Start())
	_, err = io.ReadFull(out, make([]byte, len("ready\n")))
	require.NoError(t, err)
	return func() {
		in.Close()
		cmd.Wait()
	}
}

func plantMount(t *testing.T, _ *Counter) func() {
	dir := t.TempDir()
	require.NoError(t, sys.Mount("tmpfs", dir, "tmpfs", 0, "size=4096"))
	return func() { require.NoError(t, sys.Unmount(dir, 0)) }
}

func plantNetNSFile(t *testing.T, c *Counter) func() {
	require.NoError(t, os.MkdirAll("/run/netns", 0o755))
	name := "coracle-test-" + fmt.Sprint(time.Now().UnixNano())
	c.Mark(name)
	path := filepath.Join("/run/netns", name)
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	return func() { require.NoError(t, os.Remove(path)) }
}

func plantCgroup(t *testing.T, c *Counter) func() {
	dir := makeCgroup(t, c)
	return func() { require.NoError(t, os.Remove(dir)) }
}

// makeCgroup makes a group in the first hierarchy that has processes.
func makeCgroup(t *testing.T, c *Counter) string {
	t.Helper()
	name := CgroupName(t)
	c.Mark(name)
	for _, h := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/pids"} {
		if _, err := os.Stat(filepath.Join(h, "cgroup.procs")); err == nil {
			dir := filepath.Join(h, name)
			require.NoError(t, os.Mkdir(dir, 0o755))
			return dir
		}
	}
	t.Skip("no cgroup hierarchy here")
	return ""
}

func plantInCgroup(t *testing.T, c *Counter) func() {
	dir := makeCgroup(t, c)
	cmd := exec.Command("sh", "-c", `echo 0 >"$0/cgroup.procs" && cd / && exec sh -c 'echo ready; read forever'`, dir)
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	_, err = io.ReadFull(out, make([]byte, len("ready\n")))
	require.NoError(t, err)
	return func() {
		in.Close()
		cmd.Wait()
		require.NoError(t, removeCgroup(dir))
	}
}

// plantInMount leaves a process whose own mount namespace shows the mark, in a
// shell that has it in no argument. The mark that it bears in ours is a mount as
// well.
func plantInMount(t *testing.T, _ *Counter) func() {
	undo := plantMount(t, nil)
	stop := sleeper(t, &syscall.SysProcAttr{Cloneflags: sys.CLONE_NEWNS}, nil)
	return func() { stop(); undo() }
}

func plantLoop(t *testing.T, _ *Counter) func() {
	losetup, err := exec.LookPath("losetup")
	if err != nil {
		t.Skip("needs losetup")
	}
	image := filepath.Join(t.TempDir(), "disk")
	require.NoError(t, os.WriteFile(image, make([]byte, 1<<16), 0o600))
	dev, err := exec.Command(losetup, "--find", "--show", image).CombinedOutput()
	require.NoError(t, err, "%s", dev)
	return func() {
		out, err := exec.Command(losetup, "--detach", strings.TrimSpace(string(dev))).CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
}

// attr is a netlink attribute.
func attr(kind uint16, value []byte) []byte {
	n := binary.NativeEndian
	b := n.AppendUint16(nil, uint16(4+len(value)))
	b = append(n.AppendUint16(b, kind), value...)
	return append(b, make([]byte, -len(b)&3)...)
}

// ask sends netlink messages and waits for the first answer to be an error of 0.
func ask(t *testing.T, proto int, msg []byte) {
	t.Helper()
	s, err := sys.Socket(sys.AF_NETLINK, sys.SOCK_RAW, proto)
	require.NoError(t, err)
	defer s.Close()
	_, err = s.Write(msg)
	require.NoError(t, err)
	buf := make([]byte, 4096)
	n, err := s.Read(buf)
	require.NoError(t, err)
	require.GreaterOrEqual(t, n, 20)
	require.EqualValues(t, nlmsgError, binary.NativeEndian.Uint16(buf[4:]))
	require.Zero(t, binary.NativeEndian.Uint32(buf[16:]), "errno %d", -int32(binary.NativeEndian.Uint32(buf[16:])))
}

// plantLink makes a bridge, in a network namespace of the test's own.
func plantLink(t *testing.T, c *Counter) func() {
	name := fmt.Sprintf("crl%x", time.Now().UnixNano()&0xffffffffff)
	c.Mark(name)
	const newLink, delLink, ifname, linkinfo, infoKind = 16, 17, 3, 18, 1
	request := func(op, flags uint16, attrs []byte) {
		n := binary.NativeEndian
		b := make([]byte, 32)
		n.PutUint32(b, uint32(32+len(attrs)))
		n.PutUint16(b[4:], op)
		n.PutUint16(b[6:], nlmRequest|nlmAck|flags)
		ask(t, sys.NETLINK_ROUTE, append(b, attrs...))
	}
	n := attr(ifname, []byte(name+"\x00"))
	request(newLink, nlmCreate, append(n, attr(linkinfo, attr(infoKind, []byte("bridge")))...))
	return func() { request(delLink, 0, n) }
}

func plantNFTTable(t *testing.T, c *Counter) func() {
	name := "coracle_" + fmt.Sprint(time.Now().UnixNano())
	c.Mark(name)
	const begin, end, inet, delTable = 16, 17, 1, 2
	batch := func(kind byte) []byte {
		b := nftMessage(0, nlmRequest, 0, nil)
		binary.NativeEndian.PutUint16(b[4:], uint16(kind))
		binary.BigEndian.PutUint16(b[18:], nfnlSubsysNFTables)
		return b
	}
	request := func(op, flags uint16) {
		m := nftMessage(op, nlmRequest|nlmAck|flags, inet, attr(nftaTableName, []byte(name+"\x00")))
		ask(t, sys.NETLINK_NETFILTER, append(append(batch(begin), m...), batch(end)...))
	}
	request(nftNewTable, nlmCreate)
	return func() { request(delTable, 0) }
}

// Every change to the process is found, and it alone. Not parallel: the process is
// counted.
func TestProcessCensusFindsEachChange(t *testing.T) {
	for _, tt := range []struct {
		name  string
		plant func(t *testing.T) (undo func())
		want  []string
	}{
		{"descriptor", func(t *testing.T) func() {
			f, err := sys.Open("/", sys.O_PATH, 0)
			require.NoError(t, err)
			return func() { f.Close() }
		}, []string{Descriptor}},
		{"child", func(t *testing.T) func() {
			cmd := exec.Command("cat")
			in, out, err := os.Pipe()
			require.NoError(t, err)
			cmd.Stdin = in
			require.NoError(t, cmd.Start())
			in.Close()
			return func() { out.Close(); cmd.Wait() }
		}, []string{Child, Descriptor}},
		{"zombie", func(t *testing.T) func() {
			p, err := os.StartProcess("/bin/true", []string{"true"}, &os.ProcAttr{})
			require.NoError(t, err)
			fd, err := sys.PidfdOpen(p.Pid, 0)
			require.NoError(t, err)
			defer fd.Close()
			_, err = sys.Poll([]sys.PollFD{{FD: fd, Events: sys.POLLIN}}, -1)
			require.NoError(t, err)
			return func() { p.Wait() }
		}, []string{Child, Descriptor}}, // os.Process holds a pidfd
		{"goroutine", func(t *testing.T) func() {
			stop := make(chan struct{})
			go func() { <-stop }()
			return func() { close(stop) }
		}, []string{Goroutine}},
		{"working directory", func(t *testing.T) func() {
			was, err := os.Getwd()
			require.NoError(t, err)
			require.NoError(t, os.Chdir("/"))
			return func() { require.NoError(t, os.Chdir(was)) }
		}, []string{State}},
		{"umask", func(t *testing.T) func() {
			was := syscall.Umask(0o123)
			return func() { syscall.Umask(was) }
		}, []string{State}},
		{"limit", func(t *testing.T) func() {
			was, err := sys.Prlimit(0, sys.RLIMIT_CORE, nil)
			require.NoError(t, err)
			lower := sys.Rlimit{Max: was.Max}
			if was.Cur == 0 {
				lower.Cur = min(was.Max, 4096)
			}
			_, err = sys.Prlimit(0, sys.RLIMIT_CORE, &lower)
			require.NoError(t, err)
			return func() {
				_, err := sys.Prlimit(0, sys.RLIMIT_CORE, &was)
				require.NoError(t, err)
			}
		}, []string{State}},
		{"environment", func(t *testing.T) func() {
			require.NoError(t, os.Setenv("CORACLE_CENSUS", "1"))
			return func() { require.NoError(t, os.Unsetenv("CORACLE_CENSUS")) }
		}, []string{State}},
		{"dumpable", func(t *testing.T) func() {
			was, err := sys.Dumpable()
			require.NoError(t, err)
			require.NoError(t, sys.Prctl(sys.PR_SET_DUMPABLE, uintptr(1-min(was, 1)), 0, 0, 0))
			return func() { require.NoError(t, sys.Prctl(sys.PR_SET_DUMPABLE, uintptr(min(was, 1)), 0, 0, 0)) }
		}, []string{State}},
		{"thread in another namespace", func(t *testing.T) func() {
			Root(t)
			stop, there := make(chan struct{}), make(chan error)
			go sys.OnThread(func() error {
				there <- sys.Unshare(sys.CLONE_NEWUTS)
				<-stop
				return nil
			})
			require.NoError(t, <-there)
			return func() { close(stop) }
		}, []string{Goroutine, State}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := ProcessCensus(t)
			undo := tt.plant(t)
			c.wait = 20 * time.Millisecond
			got := c.Leaks()
			assert.Equal(t, tt.want, kinds(got), "%v", got)
			undo()
			c.wait = patience
			assert.Empty(t, c.Leaks())
		})
	}
}

func TestCensusReports(t *testing.T) {
	t.Parallel()
	r := &recorder{TB: t}
	c := Census(t).Dir(t.TempDir())
	c.tb, c.wait = r, 0
	dir := t.TempDir()
	c.Dir(dir)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "left"), nil, 0o600))
	c.Check()
	require.Len(t, r.errors, 1)
	assert.Contains(t, r.errors[0], "file "+dir+"/left")
	c.Check()
	assert.Len(t, r.errors, 1, "reported twice")
}

func TestMarksAreLong(t *testing.T) {
	t.Parallel()
	r := &recorder{TB: t}
	c := Census(t)
	c.tb = r
	r.run(func() { c.Mark("tmp") })
	assert.Contains(t, r.end, "too short")
}

func TestParseStat(t *testing.T) {
	t.Parallel()
	const rest = " S 7 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 123456 1000"
	for _, tt := range []struct {
		stat string
		want proc
		ok   bool
	}{
		{"9 (sh)" + rest, proc{9, 7, "sh", "S", "123456"}, true},
		{"9 (a) b (c))" + rest, proc{9, 7, "a) b (c)", "S", "123456"}, true},
		{"9 ()" + rest, proc{9, 7, "", "S", "123456"}, true},
		{"", proc{}, false},
		{")(", proc{}, false},
		{"9 (sh) S 7", proc{}, false},
	} {
		got, ok := parseStat(9, tt.stat)
		require.Equal(t, tt.ok, ok, tt.stat)
		if ok {
			assert.Equal(t, tt.want, got)
		}
	}
}

func FuzzParseTables(f *testing.F) {
	f.Add(nftMessage(nftNewTable, 0, 1, attr(nftaTableName, []byte("coracle_0\x00"))))
	f.Add([]byte{20, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff})
	f.Add([]byte{16, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		items, _, err := parseTables(b)
		if err == nil {
			assert.LessOrEqual(t, len(items), len(b)/16)
		}
	})
}

func BenchmarkCensus(b *testing.B) {
	c := Census(b)
	for b.Loop() {
		c.find()
	}
}
