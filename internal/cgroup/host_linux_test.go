package cgroup

import (
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coraclehq/coracle/internal/probe"
	"github.com/coraclehq/coracle/internal/sys"
	"github.com/coraclehq/coracle/internal/testenv"
)

const store = "0123456789abcdef"

// TestMain makes the test binary the process that tests put into groups: with
// CORACLE_CGROUP_CHILD set it joins through the descriptors from 3 on and becomes
// the program named.
func TestMain(m *testing.M) {
	n, err := strconv.Atoi(os.Getenv("CORACLE_CGROUP_CHILD"))
	if err != nil {
		os.Exit(m.Run())
	}
	for i := range n {
		f := os.NewFile(uintptr(3+i), "join")
		if _, err := f.WriteString("0"); err != nil {
			os.Stderr.WriteString("join: " + err.Error() + "\n")
			os.Exit(1)
		}
		f.Close()
	}
	err = syscall.Exec(os.Args[1], os.Args[1:], os.Environ())
	os.Stderr.WriteString("exec: " + err.Error() + "\n")
	os.Exit(1)
}

// testHost works under a directory of its own at the top of each hierarchy, and
// checks at the end that nothing is left of it.
func testHost(tb testing.TB) *Host {
	tb.Helper()
	h, done := newHost(tb)
	tb.Cleanup(done)
	return h
}

func newHost(tb testing.TB) (h *Host, done func()) {
	tb.Helper()
	testenv.Root(tb)
	top := "coracle-test-" + strings.ToLower(rand.Text()[:12])
	h, err := find(top)
	require.NoError(tb, err)
	roots := mountpoints(h)
	putBack := controllers(tb, h)
	return h, func() {
		assert.NoError(tb, h.Close())
		putBack()
		for _, r := range roots {
			assert.NoDirExists(tb, r+"/"+top)
		}
	}
}

// controllers returns a function that disables again what was not enabled at the
// top of the v2 hierarchy. Where another test uses it by then, that one's does.
func controllers(tb testing.TB, h *Host) func() {
	for _, t := range h.trees {
		if t.V2 {
			file := t.Mountpoint + "/cgroup.subtree_control"
			before, err := os.ReadFile(file)
			require.NoError(tb, err)
			return func() {
				after, err := os.ReadFile(file)
				require.NoError(tb, err)
				for _, c := range strings.Fields(string(after)) {
					if !slices.Contains(strings.Fields(string(before)), c) {
						_ = os.WriteFile(file, []byte("-"+c), 0)
					}
				}
			}
		}
	}
	return func() {}
}

func mountpoints(h *Host) (points []string) {
	for _, i := range h.Hierarchies() {
		points = append(points, i.Mountpoint)
	}
	return points
}

func create(t *testing.T, h *Host, id string, l Limits) *Group {
	t.Helper()
	g, err := h.Create(store, id, l)
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		assert.NoError(t, g.KillAll(ctx))
		assert.NoError(t, g.Remove(ctx))
		assert.NoError(t, g.Close())
	})
	return g
}

// start runs a shell script in the group and waits until it has said "ready".
func start(t *testing.T, g *Group, script string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("/bin/sh", "-c", "echo ready; "+script)
	cmd.Stderr = os.Stderr
	if len(g.Join) > 0 {
		self, err := os.Executable()
		require.NoError(t, err)
		cmd.Path, cmd.Args = self, append([]string{self}, cmd.Args...)
		cmd.Args[1] = "/bin/sh"
		cmd.Env = append(os.Environ(), "CORACLE_CGROUP_CHILD="+strconv.Itoa(len(g.Join)))
	}
	for _, j := range g.Join {
		d, err := j.Dup()
		require.NoError(t, err)
		f := d.File()
		defer f.Close()
		cmd.ExtraFiles = append(cmd.ExtraFiles, f)
	}
	if g.Into != nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: g.Into.Int()}
	}
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = g.thaw() // or it would not die
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	line := make([]byte, 6)
	_, err = out.Read(line)
	require.NoError(t, err)
	require.Equal(t, "ready\n", string(line))
	return cmd
}

// holder returns the path of the file of a group that has it, in any hierarchy.
func holder(t *testing.T, h *Host, id, file string) string {
	t.Helper()
	for _, m := range mountpoints(h) {
		p := m + "/" + h.top + "/" + store + "/" + id + "/" + file
		if _, err := os.Stat(p); err == nil {
			return p
		}
	}
	t.Fatalf("no hierarchy has %s of %s", file, id)
	return ""
}

func TestLeave(t *testing.T) {
	h := testHost(t)
	g, err := h.Leave(store)
	require.NoError(t, err)
	var v1, v2 int
	for _, i := range h.Hierarchies() {
		switch {
		case i.Outside() && i.V2:
			v2++
		case i.Outside():
			v1++
		}
	}
	assert.Len(t, g.Join, v1)
	assert.Equal(t, v2 == 1, g.Into != nil)
	cmd := start(t, g, "exec sleep 100")
	b, err := os.ReadFile("/proc/" + strconv.Itoa(cmd.Process.Pid) + "/cgroup")
	require.NoError(t, err)
	assert.Equal(t, v1+v2, strings.Count(string(b), "/"+h.top+"/"+store+"/"+Supervisors+"\n"), "%s", b)
	require.NoError(t, g.Close())
	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait()
}

// Leave where there is something to leave, whatever this machine is like.
func TestLeaveEverywhere(t *testing.T) {
	h := testHost(t)
	for i := range h.infos {
		h.infos[i].Own = "/elsewhere"
	}
	g, err := h.Leave(store)
	require.NoError(t, err)
	cmd := start(t, g, "exec sleep 100")
	b, err := os.ReadFile("/proc/" + strconv.Itoa(cmd.Process.Pid) + "/cgroup")
	require.NoError(t, err)
	assert.Equal(t, len(h.infos), strings.Count(string(b), "/"+h.top+"/"+store+"/"+Supervisors+"\n"), "%s", b)
	ids, err := h.Groups(store)
	require.NoError(t, err)
	assert.Empty(t, ids)
	require.NoError(t, h.Sweep(t.Context(), store, func(string) bool { t.Error("nobody is to be asked for"); return false }))
	require.NoError(t, cmd.Process.Signal(syscall.Signal(0)), "supervisors are not swept")
	require.NoError(t, g.Close())
	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait()
}

// Hosts come and go, as in processes that run one container each, while another
// works in the same store: directories vanish under nobody.
func TestHostsTogether(t *testing.T) {
	h := testHost(t)
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range testenv.Scale(t, 400) {
				o, err := find(h.top)
				if !assert.NoError(t, err) {
					return
				}
				g, err := o.Create(store, "c"+strconv.Itoa(w)+"-"+strconv.Itoa(i), Limits{Pids: 5})
				if assert.NoError(t, err) {
					assert.NoError(t, g.Remove(context.Background()))
					assert.NoError(t, g.Close())
				}
				l, err := o.Leave(store)
				if assert.NoError(t, err) {
					assert.NoError(t, l.Close())
				}
				assert.NoError(t, o.Close())
			}
		})
	}
	wg.Wait()
}

func TestCreateInParallel(t *testing.T) {
	h := testHost(t)
	var wg sync.WaitGroup
	for w := range 50 {
		wg.Go(func() {
			g, err := h.Create(store, strconv.Itoa(w), Limits{Pids: 5})
			if assert.NoError(t, err) {
				assert.NoError(t, g.Remove(context.Background()))
				assert.NoError(t, g.Close())
			}
		})
	}
	wg.Wait()
}

// Somebody tidies up by hand: the next Create makes the directories again.
func TestDirectoriesRemoved(t *testing.T) {
	h := testHost(t)
	for range 3 {
		g := create(t, h, "a", Limits{})
		require.NoError(t, g.Remove(t.Context()))
		for _, m := range mountpoints(h) {
			_ = syscall.Rmdir(m + "/" + h.top + "/" + store)
			_ = syscall.Rmdir(m + "/" + h.top)
		}
	}
}

func TestClosedHost(t *testing.T) {
	testenv.Root(t)
	h, err := find("coracle-test-" + strings.ToLower(rand.Text()[:12]))
	require.NoError(t, err)
	require.NoError(t, h.Close())
	_, err = h.Create(store, "a", Limits{})
	assert.ErrorIs(t, err, errors.ErrUnsupported)
	assert.NoError(t, h.Close())
}

// A container that lives on keeps its store's directories.
func TestCloseLeavesContainers(t *testing.T) {
	h := testHost(t)
	o, err := find(h.top)
	require.NoError(t, err)
	g, err := o.Create(store, "a", Limits{})
	require.NoError(t, err)
	cmd := start(t, g, "exec sleep 100")
	require.NoError(t, g.Close())
	begin := time.Now()
	require.NoError(t, o.Close())
	assert.Less(t, time.Since(begin), 200*time.Millisecond, "it is not waited for")
	again, err := h.Open(store, "a")
	require.NoError(t, err)
	require.NoError(t, cmd.Process.Signal(syscall.Signal(0)))
	require.NoError(t, again.KillAll(t.Context()))
	require.NoError(t, again.Remove(t.Context()))
	require.NoError(t, again.Close())
	// Its directories go with the next Host that leaves.
	o, err = find(h.top)
	require.NoError(t, err)
	_, err = o.level(0, store, nil)
	require.NoError(t, err)
	for i := range o.trees {
		_, err = o.level(i, store, nil)
		require.NoError(t, err)
	}
	require.NoError(t, o.Close())
}

func TestOrdinaryUser(t *testing.T) {
	h := testHost(t)
	require.NoError(t, sys.OnThread(func() error {
		// The thread alone becomes nobody; fsuid decides about files.
		if _, _, errno := syscall.RawSyscall(syscall.SYS_SETRESUID, 65534, 65534, 65534); errno != 0 {
			return errno
		}
		_, err := h.Create(store, "a", Limits{})
		var unsupported *probe.UnsupportedError
		assert.ErrorAs(t, err, &unsupported)
		assert.ErrorIs(t, err, fs.ErrPermission)
		return nil
	}))
}

// Find works for every user, and the test's machine is what it says it is.
func TestFind(t *testing.T) {
	h, err := Find()
	require.NoError(t, err)
	for _, i := range h.Hierarchies() {
		t.Logf("%-20s %s, root %s, own %s", i.Label(), i.Mountpoint, i.Root, i.Own)
		assert.DirExists(t, i.Mountpoint)
	}
	require.NoError(t, h.Close())
}
