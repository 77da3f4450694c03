package coracle

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coraclehq/coracle/internal/sys"
	"github.com/coraclehq/coracle/internal/testenv"
)

// The tests in the files security_*: known attacks on container runtimes, from
// images, from inside of containers, and by what a caller passes on. Each has a
// control, in which the attack gets the better of the naive way; without it the test
// would pass where the attack is merely wrong.

// attackProgram is the program of testdata/attack, which is static. Where there is no
// go command it may have been built before.
var attackProgram = sync.OnceValues(func() (program []byte, err error) {
	if program, err := os.ReadFile("testdata/attack/built"); err == nil {
		return program, nil
	}
	dir, err := os.MkdirTemp("", "coracle-attack-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "attack")
	cmd := exec.Command("go", "build", "-o", file, "./testdata/attack")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	return os.ReadFile(file)
})

// attackFile is that program on the host.
func attackFile(t testing.TB) string {
	program, err := attackProgram()
	if errors.Is(err, exec.ErrNotFound) {
		t.Skip("needs the go command, to build what attacks")
	}
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "attack")
	// Not by this program: a child that it forks meanwhile has the file open for writing,
	// until its exec, and it cannot be run then (ETXTBSY).
	cmd := exec.Command("sh", "-c", `cat >"$0" && chmod 755 "$0"`, file)
	cmd.Stdin = bytes.NewReader(program)
	require.NoError(t, cmd.Run())
	return file
}

// hostileTree is a root file system with busybox and /bin/attack, changed by change.
func hostileTree(t testing.TB, change func(root string)) string {
	testenv.Root(t)
	root := testenv.Busybox(t)
	program, err := attackProgram()
	if errors.Is(err, exec.ErrNotFound) {
		t.Skip("needs the go command, to build what attacks")
	}
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(root, "bin/attack"), program, 0o755))
	if change != nil {
		change(root)
	}
	return root
}

// hostileImage is an image with that tree.
func hostileImage(t testing.TB, e *Engine, cfg ImageConfig, change func(root string)) *Image {
	img, err := e.NewImage(t.Context(), "", FromFS(os.DirFS(hostileTree(t, change)), cfg))
	require.NoError(t, err)
	return img
}

// layerTree is where the files of an image of one layer lie in the store.
func layerTree(t testing.TB, e *Engine, img *Image) string {
	stored, err := img.stored()
	require.NoError(t, err)
	require.Len(t, stored.Lowers(), 1)
	return filepath.Join(e.store.Path(), "layers", stored.Lowers()[0], "fs")
}

// of makes a container of an image, not yet started.
func of(t testing.TB, e *Engine, img *Image, cfg Config, args ...string) *Container {
	cfg.Cmd.Args = args
	c, err := e.Create(t.Context(), img, cfg)
	require.NoError(t, err)
	return c
}

// withCaps adds capabilities, and withoutFilter leaves out the seccomp filter.
func withCaps(names ...string) func(*specs.Spec) error {
	return func(s *specs.Spec) error {
		c := s.Process.Capabilities
		for _, set := range []*[]string{&c.Bounding, &c.Effective, &c.Permitted} {
			*set = append((*set)[:len(*set):len(*set)], names...)
		}
		return nil
	}
}

func withoutFilter(s *specs.Spec) error {
	s.Linux.Seccomp = nil
	return nil
}

// outputOfExec runs a program in a running container and returns what it wrote.
func outputOfExec(t testing.TB, c *Container, cmd Cmd) string {
	var out bytes.Buffer
	p, err := c.Exec(t.Context(), cmd, IO{Stdout: &out, Stderr: &out})
	require.NoError(t, err)
	require.NoError(t, p.Wait(t.Context()), "%s", &out)
	return out.String()
}

// attacker is a container whose program attacks until it is told to stop.
type attacker struct {
	*Container
	t     testing.TB
	out   *sink
	input *io.PipeWriter
}

func attackFrom(t testing.TB, c *Container) *attacker {
	r, w := io.Pipe()
	a := &attacker{c, t, newSink("ready"), w}
	require.NoError(t, c.Start(t.Context(), IO{Stdin: r, Stdout: a.out, Stderr: a.out}))
	a.out.wait(t)
	return a
}

// stop ends the attack and reads the report.
func (a *attacker) stop(report any) {
	require.NoError(a.t, a.input.Close())
	require.NoError(a.t, a.Wait(a.t.Context()), "%s", a.out)
	_, text, _ := strings.Cut(a.out.String(), "ready\n")
	require.NoError(a.t, json.Unmarshal([]byte(text), report), "%s", a.out)
}

// pid is the number of the container's first process on the host.
func (a *attacker) pid() int {
	s, err := a.Status(a.t.Context())
	require.NoError(a.t, err)
	return s.PID
}

// canaryDir is a directory of the host that no container may reach. That it is what it
// was, and nothing is mounted in it, is looked at when the test ends.
func canaryDir(t testing.TB) string {
	dir := t.TempDir()
	for _, name := range []string{"file", "ptmx", "null"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("canary "+name), 0o644))
	}
	before := contents(t, dir)
	t.Cleanup(func() { assert.Equal(t, before, contents(t, dir), "the canary was reached") })
	return dir
}

// contents are the files of a directory with their data, and what is mounted in it.
func contents(t testing.TB, dir string) map[string]string {
	all := map[string]string{}
	list, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, l := range list {
		data, err := os.ReadFile(filepath.Join(dir, l.Name()))
		all[l.Name()] = fmt.Sprint(string(data), err)
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	require.NoError(t, err)
	for line := range strings.Lines(string(mounts)) {
		if strings.Contains(line, dir) {
			all[line] = "mounted"
		}
	}
	return all
}

// entries are the names in a directory.
func entries(t testing.TB, dir string) (all []string) {
	list, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, l := range list {
		all = append(all, l.Name())
	}
	return all
}

// opens counts how often something in a directory of the host is opened or changed,
// from the last call of what it returns on.
func opens(t testing.TB, dir string) func() int {
	in, err := sys.Inotify()
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, in.Close()) })
	at, err := sys.Open(dir, sys.O_PATH|sys.O_DIRECTORY, 0)
	require.NoError(t, err)
	defer at.Close()
	_, err = in.AddWatch(at, syscall.IN_OPEN|syscall.IN_MODIFY|syscall.IN_CREATE|syscall.IN_DELETE)
	require.NoError(t, err)
	return func() int {
		buf := make([]byte, 1<<16)
		n, err := in.Read(buf)
		if errors.Is(err, syscall.EAGAIN) {
			return 0
		}
		require.NoError(t, err)
		return len(sys.ParseInotify(buf[:n]))
	}
}

// naive runs the attack program on the host as a runtime that works with names. It
// has a mount namespace of its own.
func naive(t testing.TB, args ...string) (string, error) {
	cmd := exec.Command(attackFile(t), args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func sum(t testing.TB, file string) [32]byte {
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	return sha256.Sum256(data)
}
