package compile_test

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/require"

	"github.com/coraclehq/coracle/internal/compile"
	"github.com/coraclehq/coracle/internal/launch"
	"github.com/coraclehq/coracle/internal/script"
	"github.com/coraclehq/coracle/internal/supervisor"
	"github.com/coraclehq/coracle/internal/sys"
	"github.com/coraclehq/coracle/internal/testenv"
)

// machine runs scripts for real: a store of its own, a busybox image, a launcher.
type machine struct {
	t        *testing.T
	launcher *launch.Launcher
	image    string // directory of the lowest layer
}

func newMachine(t *testing.T) *machine {
	testenv.Root(t)
	m := &machine{t: t, launcher: new(launch.Launcher), image: testenv.Busybox(t)}
	t.Cleanup(func() { m.launcher.Close() })
	return m
}

// box is one container about to be started. Its fields are set before start.
type box struct {
	*machine
	t     *testing.T
	store string
	spec  *specs.Spec
	in    compile.ContainerInput
	layer string // on top of the image, empty at first
	fail  int    // number of the op that fails, from 1

	inspect func(*script.Program)

	not     uint64 // CLONE_NEW flags that are not used
	keep    []*sys.FD
	enter   func(*script.Builder) error
	joinPID *sys.FD
}

func (m *machine) box(t *testing.T, args ...string) *box {
	t.Helper()
	b := &box{machine: m, t: t, store: t.TempDir(), in: defaultInput(), spec: defaultSpec()}
	for _, d := range []string{"c/rootfs", "c/upper", "c/work", "layer"} {
		require.NoError(t, os.MkdirAll(filepath.Join(b.store, d), 0o755))
	}
	b.layer = filepath.Join(b.store, "layer")
	b.spec.Process.Args = args
	b.spec.Mounts = compile.DefaultMounts(false)
	b.spec.Linux.MaskedPaths = compile.DefaultMaskedPaths(compile.MaskedHere())
	b.in.Spec = b.spec
	b.in.Kernel = compile.Probe()
	b.in.Ignored = sys.IgnoredSignals()
	b.in.FDs = compile.FDs{}
	b.in.Root = compile.Root{Store: b.store, Dir: "c/rootfs", Overlay: "lowerdir=layer:" + m.image + ",upperdir=c/upper,workdir=c/work"}
	return b
}

// hold keeps a descriptor for the helper and names it.
func (b *box) hold(fd *sys.FD, err error) script.FD {
	b.t.Helper()
	require.NoError(b.t, err)
	moved, err := sys.MoveAbove(fd, 3)
	require.NoError(b.t, err)
	fd.Close()
	b.keep = append(b.keep, moved)
	return script.FD{N: moved.Int(), Name: moved.Name()}
}

// running is a process that has been started, or has failed to.
type running struct {
	t      *testing.T
	host   *sys.FD
	pidfd  *sys.FD
	helper *launch.Helper
	root   *sys.FD
	atGate bool
	out    io.ReadCloser
}

// start returns when the program was executed or the start has failed; it closes
// what it kept for the helper.
func (b *box) start() (*running, error) {
	b.t.Helper()
	flags, err := compile.CloneFlags(b.spec)
	require.NoError(b.t, err)
	if len(b.in.Sources) == 0 {
		b.in.Sources, err = compile.Look(b.spec, b.in.Kernel)
		require.NoError(b.t, err)
	}
	return b.spawn(flags&^b.not, func(sb *script.Builder) error { return compile.Container(sb, b.in) }, &b.in.Common)
}

func (b *box) spawn(flags uint64, body func(*script.Builder) error, common *compile.Common) (*running, error) {
	b.t.Helper()
	out, stdout, err := sys.Pipe(sys.O_CLOEXEC)
	require.NoError(b.t, err)
	status, statusEnd, err := sys.SocketPair(sys.SOCK_SEQPACKET)
	require.NoError(b.t, err)
	defer status.Close()
	host, hostEnd, err := sys.SocketPair(sys.SOCK_SEQPACKET)
	require.NoError(b.t, err)
	o := supervisor.Options{Attached: true, Namespaces: flags, FailAt: b.fail}
	o.Host = b.hold(hostEnd, nil)
	common.FDs.Status = b.hold(statusEnd, nil)
	o.Status = common.FDs.Status
	process := common.Process
	if process == nil {
		process = b.spec.Process
	}
	if !process.Terminal {
		pipe := b.hold(stdout, nil)
		common.FDs.Stdio = [3]script.FD{{}, pipe, pipe}
		o.ChildOnly = append(o.ChildOnly, pipe)
	} else {
		stdout.Close()
	}
	if b.joinPID != nil {
		o.PIDNamespace = script.FD{N: b.joinPID.Int(), Name: "pid namespace"}
	}
	for _, f := range []script.FD{common.FDs.Gate, common.FDs.Terminal} {
		if f.N >= 3 {
			o.ChildOnly = append(o.ChildOnly, f)
		}
	}
	o.Body, o.Enter = body, b.enter
	p, err := supervisor.Program(o)
	if err != nil {
		host.Close()
		out.Close()
		b.release()
		return nil, err
	}
	if b.inspect != nil {
		b.inspect(p)
	}
	var keep []*sys.FD
	statusFD := b.keep[0]
	for _, f := range b.keep {
		if f.Int() == common.FDs.Status.N {
			statusFD = f
		} else {
			keep = append(keep, f)
		}
	}
	h, err := b.launcher.Start(launch.Options{Program: p, Keep: keep, Status: statusFD, Name: "compile test"})
	require.NoError(b.t, err)
	b.release()
	r := &running{t: b.t, host: host, helper: h, out: out.File()}
	return r, r.await(status)
}

func (b *box) release() {
	for _, f := range b.keep {
		f.Close()
	}
	b.keep = nil
}

// await reads the status to its end.
func (r *running) await(status *sys.FD) error {
	var failure error
	for {
		b := make([]byte, 64)
		n, fds, err := status.RecvFDs(b, 1)
		switch {
		case len(fds) > 0:
			r.root = fds[0]
			continue
		case err != nil || n == 0:
			if failure == nil {
				require.NoError(r.t, r.helper.Release())
			}
			return failure
		case n == 1 && b[0] == 'r':
			r.atGate = true
			return nil
		}
		e := r.helper.Failure(b[:n])
		require.NotNil(r.t, e, "status %x", b[:n])
		failure = e
	}
}

// wait returns how the process ended and what it wrote.
func (r *running) wait() (supervisor.Exit, string) {
	r.t.Helper()
	out, err := io.ReadAll(r.out)
	require.NoError(r.t, err)
	var exit supervisor.Exit
	for {
		b := make([]byte, supervisor.RecordSize)
		n, fds, err := r.host.RecvFDs(b, 1)
		require.NoError(r.t, err)
		require.NotZero(r.t, n, "the supervisor was killed")
		if len(fds) > 0 {
			r.pidfd = fds[0]
			continue
		}
		exit, err = supervisor.ParseExit(b[:n])
		require.NoError(r.t, err)
		break
	}
	r.close()
	return exit, string(out)
}

// close waits for the supervisor and lets go of everything.
func (r *running) close() {
	r.host.Close()
	r.helper.PIDFD.PidfdWait(sys.WEXITED)
	r.helper.PIDFD.Close()
	for _, f := range []*sys.FD{r.pidfd, r.root} {
		if f != nil {
			f.Close()
		}
	}
	r.out.Close()
	r.helper.Release()
}

// output starts the container, which must succeed, and returns what it wrote.
func (b *box) output() string {
	b.t.Helper()
	r, err := b.start()
	require.NoError(b.t, err)
	exit, out := r.wait()
	require.Zero(b.t, exit.Code, out)
	return strings.TrimRight(out, "\n")
}

// failure starts the container, which must fail.
func (b *box) failure() error {
	b.t.Helper()
	r, err := b.start()
	require.Error(b.t, err)
	if r != nil {
		r.close()
	}
	return err
}

// put makes a file of the top layer.
func (b *box) put(name, text string, mode os.FileMode) {
	b.t.Helper()
	file := filepath.Join(b.layer, name)
	require.NoError(b.t, os.MkdirAll(filepath.Dir(file), 0o755))
	require.NoError(b.t, os.WriteFile(file, []byte(text), mode))
	require.NoError(b.t, os.Chmod(file, mode))
}

// link makes a symbolic link of the top layer, instead of what the image has there.
func (b *box) link(target, name string) {
	b.t.Helper()
	file := filepath.Join(b.layer, name)
	require.NoError(b.t, os.MkdirAll(filepath.Dir(file), 0o755))
	require.NoError(b.t, os.Symlink(target, file))
}

// sh is a box that runs a line of shell.
func (m *machine) sh(t *testing.T, line string) *box { return m.box(t, "/bin/sh", "-c", line) }
