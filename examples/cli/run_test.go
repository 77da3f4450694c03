package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRun(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	hostname, err := os.Hostname()
	require.NoError(t, err)

	out := strings.Split(c.ok("run", "--rm", "host", "--", "sh", "-c", "echo pid $$; hostname; id -u; ps -e -o pid=,comm="), "\n")
	require.GreaterOrEqual(t, len(out), 5)
	assert.Equal(t, "pid 1", out[0])
	assert.NotEqual(t, hostname, out[1])
	assert.Len(t, out[1], 12)
	assert.Equal(t, "0", out[2])
	assert.Equal(t, []string{"1", "sh"}, strings.Fields(out[3]))
	assert.Len(t, out, 5, "its own processes alone")
	assert.Empty(t, c.ok("ps", "-aq"), "--rm")
}

func TestRunExitCodes(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	for _, code := range []int{0, 1, 7, 125, 255} {
		o := c.run("run", "--rm", "host", "sh", "-c", "exit $0", itoa(code))
		assert.Equal(t, outcome{code: code}, o)
	}
	assert.Equal(t, 128+15, c.run("run", "--rm", "host", "sh", "-c", "sh -c 'kill -TERM $$'").code, "of a child")
	c.refuse(127, "exec nope: not found", "run", "--rm", "host", "nope")
	c.refuse(127, "exec /nope:", "run", "--rm", "host", "/nope")
	c.refuse(126, "/etc/passwd: it is not executable", "run", "--rm", "host", "/etc/passwd")
	c.refuse(126, "is a directory", "run", "--rm", "host", "/etc")
	assert.Equal(t, outcome{code: 137}, c.run("run", "--rm", "-m", "20m", "host", "python3", "-c", "bytearray(200<<20)"))
	assert.Empty(t, c.ok("ps", "-aq"), "--rm, however it ends")
}

func TestRunRefuses(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	for _, tt := range []struct{ words, line string }{
		{"No such image: nope", "run nope"},
		{"unknown flag: --bogus", "run --bogus host"},
		{"unknown shorthand flag: 'x' in -x", "run -itx host"},
		{"wrong number of arguments", "run"},
		{"flag needs an argument: -e", "run -e"},
		{"there is only none yet", "run --network bridge host true"},
		{"no named volumes", "run -v data:/data host true"},
		{"invalid volume", "run -v /data host true"},
		{"no such file or directory", "run --rm -v /there/is/none:/data host true"},
		{"invalid size", "run -m lots host true"},
		{"--cpus", "run --cpus -1 host true"},
		{"--pids-limit", "run --pids-limit x host true"},
		{"exclude each other", "run -d --rm host true"},
		{"exclude each other", "run -d -i host true"},
		{"not a TTY", "run -it host true"},
		{"invalid", "run --name a/b host true"},
		{"host name", "run -h a/b host true"},
		{"nobody-there", "run -u nobody-there host true"},
		{"is not a coracle command", "bogus"},
		{"unknown flag: --bogus", "--bogus run host"},
	} {
		c.refuse(125, tt.words, strings.Fields(tt.line)...)
	}
	assert.Empty(t, c.ok("ps", "-aq"), "nothing was made")
}

func TestRunOptions(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	run := func(line string, command ...string) string {
		t.Helper()
		return c.ok(append(append([]string{"run", "--rm"}, strings.Fields(line)...), append([]string{"host"}, command...)...)...)
	}
	assert.Equal(t, "h.example", run("--hostname h.example", "hostname"))
	assert.Equal(t, "h", run("-h h", "hostname"))
	assert.Equal(t, "/usr/share", run("-w /usr/share", "pwd"))
	assert.Equal(t, "65534", run("-u nobody", "id", "-u"))
	assert.Equal(t, "1000 1001", run("--user 1000:1001", "sh", "-c", "echo $(id -u) $(id -g)"))
	assert.Equal(t, "-c echo", run("--entrypoint echo", "-c", "echo"))
	assert.Equal(t, "--", run("", "--", "echo", "--"), "one -- goes")
	assert.Equal(t, "lo", run("--network none", "sh", "-c", "ls /sys/class/net"))
	assert.Equal(t, "/dev/pts/0\r", run("-t", "tty"))
	o := c.run("run", "--rm", "--read-only", "host", "touch", "/x")
	assert.Equal(t, 1, o.code)
	assert.Contains(t, o.stderr, "Read-only file system")
	o = c.run("run", "--rm", "--pids-limit", "5", "host", "sh", "-c", "for i in 1 2 3 4 5 6; do sleep 1 & done; wait")
	assert.Equal(t, 2, o.code)
	assert.Contains(t, o.stderr, "fork")
}

func TestRunEnvironment(t *testing.T) {
	t.Setenv("CORACLE_TEST_HERE", "from here")
	c := newCLI(t)
	assert.Equal(t, "1 2 from here unset", c.ok("run", "--rm", "-e", "A=1", "-eB=2", "--env", "CORACLE_TEST_HERE", "-e", "CORACLE_TEST_NOT",
		"host", "sh", "-c", "echo $A $B $CORACLE_TEST_HERE ${CORACLE_TEST_NOT-unset}"))
	assert.Equal(t, "unset", c.ok("run", "--rm", "host", "sh", "-c", "echo ${CORACLE_TEST_HERE-unset}"))
}

func TestRunVolumes(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "in"), []byte("given\n"), 0o600))
	assert.Equal(t, "given", c.ok("run", "--rm", "-v", dir+":/data", "host", "sh", "-c", "cat /data/in; echo made > /data/out"))
	made, err := os.ReadFile(filepath.Join(dir, "out"))
	require.NoError(t, err)
	assert.Equal(t, "made\n", string(made))
	o := c.run("run", "--rm", "-v", dir+":/data:ro", "-v", filepath.Join(dir, "in")+":/data/in", "host", "sh", "-c", "echo more >> /data/in; echo x > /data/new")
	assert.NotZero(t, o.code)
	assert.Contains(t, o.stderr, "Read-only file system")
	assert.NoFileExists(t, filepath.Join(dir, "new"))
}

func TestRunStdin(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	for _, tt := range []struct{ flags, want string }{{"-i", "given\n"}, {"--interactive", "given\n"}, {"-i=false", ""}} {
		cmd := c.command("run", "--rm", tt.flags, "host", "cat")
		cmd.Stdin = strings.NewReader("given\n")
		assert.Equal(t, outcome{stdout: tt.want}, c.finish(cmd), tt.flags)
	}
	big := strings.Repeat("0123456789abcde\n", 1<<16)
	cmd := c.command("run", "--rm", "-i", "host", "sh", "-c", "cat; echo end >&2; exit 3")
	cmd.Stdin = strings.NewReader(big)
	o := c.finish(cmd)
	assert.True(t, o.stdout == big, "%d bytes of %d", len(o.stdout), len(big))
	assert.Equal(t, "end\n", o.stderr)
	assert.Equal(t, 3, o.code)
}

func TestRunOutputCannotBeWritten(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	r, w, err := os.Pipe()
	require.NoError(t, err)
	cmd := c.command("run", "--name", "endless", "host", "yes")
	cmd.Stdout = w
	go func() {
		r.Read(make([]byte, 100))
		r.Close()
	}()
	o := c.finish(cmd)
	w.Close()
	assert.Equal(t, outcome{code: 141}, o)
	assert.Empty(t, c.ok("ps", "-q"))

	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	require.NoError(t, err)
	defer full.Close()
	cmd = c.command("run", "--rm", "host", "echo", "x")
	cmd.Stdout = full
	o = c.finish(cmd)
	assert.Equal(t, 125, o.code)
	assert.Contains(t, o.stderr, "no space left")
}

// TestRunSignals sends signals to the tool, which are meant for the container.
func TestRunSignals(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	start := func(name, script string) (interrupt func(syscall.Signal), end func() int) {
		cmd := c.command("run", "--name", name, "host", "sh", "-c", script)
		require.NoError(t, cmd.Start())
		c.printed(name, "ready")
		return func(s syscall.Signal) { require.NoError(t, cmd.Process.Signal(s)) }, func() int {
			late := time.AfterFunc(time.Minute, func() { cmd.Process.Kill() })
			cmd.Wait()
			assert.True(t, late.Stop(), "%s did not end", name)
			return cmd.ProcessState.ExitCode()
		}
	}
	for i, s := range []string{"INT", "TERM", "HUP", "QUIT", "USR1", "USR2"} {
		sig, err := parseSignal(s)
		require.NoError(t, err)
		send, end := start("trap-"+s, "trap 'exit "+itoa(40+i)+"' "+s+"; echo ready; while :; do sleep 0.01; done")
		send(sig)
		assert.Equal(t, 40+i, end(), s)
	}

	// Process 1 of a container is deaf to signals that it does not handle.
	send, end := start("deaf", "echo ready; exec sleep 1000")
	send(syscall.SIGINT)
	assert.Equal(t, "running", c.ok("inspect", "-f", "{{.State.Status}}", "deaf"))
	send(syscall.SIGINT)
	assert.Equal(t, 137, end())

	// With the tool itself goes the container.
	send, end = start("orphan", "echo ready; exec sleep 1000")
	send(syscall.SIGKILL)
	end()
	eventually(t, "end of the container", func() bool { return c.ok("ps", "-q") == "" })
	assert.Equal(t, "137", c.ok("wait", "orphan"))
}
