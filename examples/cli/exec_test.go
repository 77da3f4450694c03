package main

import (
	"bufio"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestExec(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	c.ok("run", "-d", "--name", "x", "-e", "A=1", "-w", "/usr", "host", "sleep", "1000")
	assert.Equal(t, "1 2 /usr", c.ok("exec", "-e", "B=2", "x", "sh", "-c", "echo $A $B $PWD"))
	assert.Equal(t, "/etc", c.ok("exec", "-w", "/etc", "x", "pwd"))
	assert.Equal(t, "65534", c.ok("exec", "-u", "nobody", "x", "id", "-u"))
	assert.Equal(t, "1000 1001", c.ok("exec", "--user=1000:1001", "x", "sh", "-c", "echo $(id -u) $(id -g)"))
	assert.Equal(t, "-u", c.ok("exec", "x", "echo", "-u"), "flags end at the container")
	assert.Equal(t, outcome{code: 9}, c.run("exec", "x", "sh", "-c", "exit 9"))
	assert.Equal(t, outcome{code: 143}, c.run("exec", "x", "sh", "-c", "kill $$"))
	c.refuse(127, "exec nope: not found", "exec", "x", "nope")
	c.refuse(126, "not executable", "exec", "x", "/etc/passwd")
	c.refuse(125, "No such container: y", "exec", "y", "true")
	c.refuse(125, "wrong number", "exec", "x")
	c.refuse(125, "exec -d", "exec", "-d", "x", "true")
	c.refuse(125, "not a TTY", "exec", "-it", "x", "true")
	cmd := c.command("exec", "-i", "x", "cat")
	cmd.Stdin = strings.NewReader("given")
	assert.Equal(t, outcome{stdout: "given"}, c.finish(cmd))
	assert.Equal(t, "/dev/pts/0\r", c.ok("exec", "-t", "x", "tty"))

	cmd = c.command("exec", "x", "sh", "-c", "trap 'exit 4' INT; echo ready; while :; do sleep 0.01; done")
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	assert.Equal(t, "ready\n", line)
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	cmd.Wait()
	assert.Equal(t, 4, cmd.ProcessState.ExitCode())
}

func TestLogs(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	c.run("run", "--name", "l", "host", "sh", "-c", "for i in 1 2 3 4 5; do echo line $i; done; printf end")
	all := "line 1\nline 2\nline 3\nline 4\nline 5\nend"
	assert.Equal(t, all, c.ok("logs", "l"))
	assert.Equal(t, all, c.ok("logs", "-f", "l"), "it has ended")
	assert.Equal(t, "line 5\nend", c.ok("logs", "l", "--tail", "2"))
	assert.Equal(t, "end", c.ok("logs", "-n1", "l"))
	assert.Empty(t, c.ok("logs", "--tail=0", "l"))
	assert.Equal(t, all, c.ok("logs", "--tail", "all", "l"))
	assert.Equal(t, all, c.ok("logs", "--since", "1h", "l"))
	assert.Empty(t, c.ok("logs", "--since", time.Now().Add(time.Hour).Format(time.RFC3339), "l"))
	assert.Empty(t, c.ok("logs", "--until", "1h", "l"))
	for line := range strings.SplitSeq(c.ok("logs", "-t", "l"), "\n") {
		assert.Regexp(t, `^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z (line \d|end)$`, line)
	}
	c.refuse(125, "No such container: m", "logs", "m")
	c.refuse(125, "--tail", "logs", "--tail", "few", "l")
	c.refuse(125, "invalid time", "logs", "--since", "noon", "l")

	c.ok("run", "-d", "--name", "f", "host", "sh", "-c", "echo first; until [ -e /go ]; do sleep 0.01; done; echo second; exit 2")
	cmd := c.command("logs", "-f", "f")
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(out)
	require.True(t, lines.Scan())
	assert.Equal(t, "first", lines.Text())
	c.ok("exec", "f", "touch", "/go")
	require.True(t, lines.Scan())
	assert.Equal(t, "second", lines.Text())
	assert.False(t, lines.Scan(), "it ends with the container")
	assert.NoError(t, cmd.Wait())
}
