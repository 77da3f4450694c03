package compile_test

import (
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coraclehq/coracle/internal/compile"
	"github.com/coraclehq/coracle/internal/script"
	"github.com/coraclehq/coracle/internal/sys"
	"github.com/coraclehq/coracle/internal/testenv"
)

// The search for a program passes over what is missing and what may not be
// executed, and says what the first that is there fails with.
func TestProgramSearch(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	for _, tt := range []struct {
		name    string
		program []string
		uid     uint32
		want    string
		fails   string
	}{
		{name: "second", program: []string{"/none/run", "/opt/run"}, want: "opt"},
		{name: "not a directory", program: []string{"/etc/passwd/run", "/opt/run"}, want: "opt"},
		{name: "not executable", program: []string{"/etc/run", "/opt/run"}, want: "opt"},
		{name: "directory", program: []string{"/home", "/opt/run"}, want: "opt"},
		{name: "directory that the user may not search", program: []string{"/root/run", "/opt/run"}, uid: 1000, want: "opt"},
		{name: "none", program: []string{"/none/run", "/bin/none"}, fails: "exec /bin/none: no such file or directory"},
		{name: "one, none", program: []string{"/none/run"}, fails: "exec /none/run: no such file or directory"},
		{name: "interpreter is missing", program: []string{"/none/run", "/opt/lost", "/opt/none"}, fails: "exec /opt/lost: no such file or directory"},
		{name: "broken", program: []string{"/opt/broken", "/none/run"}, fails: "exec /opt/broken: exec format error"},
		{name: "only not executable", program: []string{"/etc/run"}, fails: "exec /etc/run: permission denied"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := m.box(t, "run")
			b.put("opt/run", "#!/bin/sh\necho opt", 0o755)
			b.put("opt/lost", "#!/bin/nothing\n", 0o755)
			b.put("opt/broken", "\x7fELF and no more", 0o755)
			b.put("etc/run", "#!/bin/sh\necho etc", 0o644)
			b.in.Program = tt.program
			b.spec.Process.User.UID = tt.uid
			if tt.want != "" {
				assert.Equal(t, tt.want, b.output())
				return
			}
			r, err := b.start()
			require.EqualError(t, err, tt.fails)
			require.NotNil(t, r.root, "the root was not sent")
			passwd, err := r.root.OpenInRoot("/etc/passwd", sys.O_RDONLY, 0)
			require.NoError(t, err)
			passwd.Close()
			r.close()
		})
	}
}

// The gate holds the container before its program; the end of its holder ends it.
func TestGate(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	for _, tt := range []struct {
		name string
		open bool
		code int
		out  string
	}{{"opened", true, 0, "through\n"}, {"given up", false, 1, ""}} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := m.sh(t, "echo through")
			read, write, err := sys.Pipe(sys.O_CLOEXEC)
			require.NoError(t, err)
			b.in.FDs.Gate = b.hold(read, nil)
			r, err := b.start()
			require.NoError(t, err)
			require.True(t, r.atGate)
			if tt.open {
				_, err = write.Write([]byte{1})
				require.NoError(t, err)
			}
			require.NoError(t, write.Close())
			exit, out := r.wait()
			assert.Equal(t, tt.code, exit.Code)
			assert.Equal(t, tt.out, out)
		})
	}
}

// terminal gives the box a terminal and returns the end that its master comes
// over.
func (b *box) withTerminal(fds *compile.FDs) *sys.FD {
	ours, theirs, err := sys.SocketPair(sys.SOCK_SEQPACKET)
	require.NoError(b.t, err)
	fds.Terminal = b.hold(theirs, nil)
	b.t.Cleanup(func() { ours.Close() })
	return ours
}

// readTerminal reads what a terminal shows until its last user has gone.
func readTerminal(t *testing.T, socket *sys.FD) string {
	b := make([]byte, 1)
	_, fds, err := socket.RecvFDs(b, 1)
	require.NoError(t, err)
	require.Len(t, fds, 1)
	require.NoError(t, fds[0].SetNonblock(true))
	master := fds[0].File()
	defer master.Close()
	out, _ := io.ReadAll(master) // ends with EIO
	return strings.ReplaceAll(string(out), "\r\n", "\n")
}

func TestTerminal(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	b := m.sh(t, `tty; stty size; echo x > /dev/tty; echo y > /dev/console; stat -c '%u %a' /dev/pts/0; ls -1 /proc/self/fd`)
	b.spec.Process.Terminal = true
	b.spec.Process.ConsoleSize = &specs.Box{Width: 101, Height: 33}
	b.spec.Process.User.UID = 1000
	socket := b.withTerminal(&b.in.FDs)
	r, err := b.start()
	require.NoError(t, err)
	assert.Equal(t, "/dev/pts/0\n33 101\nx\ny\n1000 620\n0\n1\n2\n3\n", readTerminal(t, socket))
	exit, _ := r.wait()
	assert.Zero(t, exit.Code)
}

// joined is a running container that others join.
func (m *machine) joined(t *testing.T) (b *box, r *running) {
	b = m.sh(t, "echo ready; exec sleep 1000")
	r, err := b.start()
	require.NoError(t, err)
	line := make([]byte, 6)
	_, err = io.ReadFull(r.out, line)
	require.NoError(t, err)
	_, fds, err := r.host.RecvFDs(make([]byte, 16), 1)
	require.NoError(t, err)
	require.Len(t, fds, 1)
	r.pidfd = fds[0]
	t.Cleanup(func() {
		r.pidfd.PidfdSignal(sys.SIGKILL)
		r.wait()
	})
	return b, r
}

// exec compiles a process that joins a container.
func (b *box) exec(r *running, p *specs.Process, set func(in *compile.ExecInput)) (*running, error) {
	b.t.Helper()
	flags, err := compile.ExecFlags(b.spec)
	require.NoError(b.t, err)
	target, err := r.pidfd.Dup()
	require.NoError(b.t, err)
	in := compile.ExecInput{Common: compile.Common{Process: p, Seccomp: b.in.Seccomp, Kernel: b.in.Kernel, Ignored: b.in.Ignored}, Namespaces: flags}
	in.FDs.Target = b.hold(target, nil)
	for _, f := range b.keep {
		if f.Int() == in.FDs.Target.N {
			b.joinPID = f
		}
	}
	if set != nil {
		set(&in)
	}
	b.enter = func(sb *script.Builder) error { return compile.Enter(sb, in) }
	return b.spawn(0, func(sb *script.Builder) error { return compile.Exec(sb, in) }, &in.Common)
}

func TestExec(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	for _, tt := range []struct {
		name, line, want string
		set              func(p *specs.Process)
	}{
		{name: "same namespaces", line: `hostname; for n in cgroup ipc mnt net pid uts; do [ $(readlink /proc/1/ns/$n) = $(readlink /proc/self/ns/$n) ] || echo $n; done; pwd; umask`, want: "box\n/\n0022"},
		{name: "descriptors", line: `exec ls /proc/self/fd`, want: "0\n1\n2\n3"},
		{name: "identity", line: `id -G; grep ^Cap /proc/self/status | cut -f2 | sort -u; pwd`, want: "1000 44\n0000000000000000\n/home/app", set: func(p *specs.Process) {
			p.User = specs.User{UID: 1000, GID: 1000, AdditionalGids: []uint32{44}}
			p.Capabilities, p.NoNewPrivileges, p.Cwd = nil, true, "/home/app"
		}},
		{name: "posture", line: `grep -E '^(CapInh|CapEff|CapAmb|Seccomp):' /proc/self/status; cat /proc/self/oom_score_adj; ulimit -n`,
			want: "CapInh:\t0000000000000000\nCapEff:\t00000000000425fb\nCapAmb:\t0000000000000000\nSeccomp:\t2\n200\n1024"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b, r := m.joined(t)
			p := defaultSpec().Process
			p.Args = []string{"/bin/sh", "-c", tt.line}
			if tt.set != nil {
				tt.set(p)
			}
			e, err := b.exec(r, p, nil)
			require.NoError(t, err)
			exit, out := e.wait()
			assert.Zero(t, exit.Code)
			assert.Equal(t, tt.want+"\n", out)
		})
	}
	t.Run("terminal", func(t *testing.T) {
		t.Parallel()
		b, r := m.joined(t)
		p := defaultSpec().Process
		p.Args, p.Terminal = []string{"/bin/sh", "-c", "tty; echo x > /dev/tty"}, true
		var socket *sys.FD
		e, err := b.exec(r, p, func(in *compile.ExecInput) { socket = b.withTerminal(&in.FDs) })
		require.NoError(t, err)
		assert.Equal(t, "/dev/pts/0\nx\n", readTerminal(t, socket))
		e.wait()
	})
	t.Run("working directory is a descriptor", func(t *testing.T) {
		t.Parallel()
		b, r := m.joined(t)
		p := defaultSpec().Process
		p.Args, p.Cwd = []string{"/bin/pwd"}, "/proc/self/fd/7"
		e, err := b.exec(r, p, nil)
		require.ErrorContains(t, err, "open the working directory /proc/self/fd/7: ")
		e.close()
	})
	t.Run("missing program", func(t *testing.T) {
		t.Parallel()
		b, r := m.joined(t)
		p := defaultSpec().Process
		p.Args = []string{"/bin/nothing"}
		e, err := b.exec(r, p, nil)
		require.EqualError(t, err, "exec /bin/nothing: no such file or directory")
		assert.NotNil(t, e.root)
		e.close()
	})
}

// Each op fails once. The error names it, and nothing of the container is left;
// an op whose failure is passed over does not hinder the start.
func TestEachOpFails(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	testenv.Census(t)
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(dir+"/file", nil, 0o644))
	make := func() *box {
		b := m.box(t, "/bin/true")
		b.spec.Process.Cwd = "/srv/work"
		b.spec.Mounts = append(b.spec.Mounts,
			specs.Mount{Destination: "/data", Source: dir, Options: []string{"rbind", "ro"}},
			specs.Mount{Destination: "/etc/hosts", Source: dir + "/file", Options: []string{"bind"}})
		return b
	}
	first, last := bodyOps(t, make())
	failed := 0
	for n := first; n < last; n++ {
		b := make()
		b.fail = n + 1
		r, err := b.start()
		if err != nil {
			failed++
			var e *script.Error
			require.ErrorAs(t, err, &e)
			assert.NotEmpty(t, e.Error())
			r.close()
			continue
		}
		exit, _ := r.wait()
		assert.Zero(t, exit.Code, "op %d", n)
	}
	assert.Greater(t, failed, 120)
}

// bodyOps are the numbers of the first op of the container's own and of the one
// behind the last.
func bodyOps(t *testing.T, b *box) (first, last int) {
	var all *script.Program
	b.inspect = func(p *script.Program) { all = p }
	r, err := b.start()
	require.NoError(t, err)
	r.wait()
	sb := script.New(script.AMD64, script.Base)
	require.NoError(t, compile.Container(sb, b.in))
	own, err := sb.Link()
	require.NoError(t, err)
	for i, l := range all.Lines() {
		if slices.Contains(l.Labels, "supervisor") {
			return i - own.Ops(), i
		}
	}
	t.Fatal("no supervisor in the program")
	return 0, 0
}
