package main

import (
	"bufio"
	"encoding/json"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func itoa(n int) string { return strconv.Itoa(n) }

func TestDetached(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	id := c.ok("run", "-d", "--name", "one", "host", "sh", "-c", "echo out; echo err >&2; exec sleep 1000")
	assert.Regexp(t, "^[0-9a-f]{64}$", id)
	c.printed("one", "err")

	rows := strings.Split(c.ok("ps"), "\n")
	require.Len(t, rows, 2)
	assert.Equal(t, "CONTAINER ID   IMAGE     COMMAND                  CREATED                  STATUS                  PORTS     NAMES", widen(rows[0]))
	assert.Regexp(t, regexp.MustCompile(`^`+id[:12]+`   host      "sh -c 'echo out; ec…"   .* ago +Up .* +one$`), rows[1])
	assert.Contains(t, c.ok("ps", "--no-trunc"), id+"   host      \"sh -c 'echo out; echo err >&2; exec sleep 1000'\"")
	assert.Equal(t, id[:12], c.ok("ps", "-q"))
	assert.Equal(t, id, c.ok("ps", "-q", "--no-trunc"))

	o := c.run("logs", "one")
	assert.Equal(t, outcome{stdout: "out\n", stderr: "err\n"}, o)

	c.refuse(125, "container is running", "rm", "one")
	assert.Equal(t, "one", c.ok("start", "one"), "to docker no error")
	assert.Equal(t, "one", c.ok("kill", "one"))
	assert.Equal(t, "137", c.ok("wait", "one"))
	assert.Empty(t, c.ok("ps", "-q"))
	assert.Contains(t, c.ok("ps", "-a"), "Exited (137) ")
	c.refuse(125, "not running", "kill", "one")
	c.refuse(125, "not running", "exec", "one", "true")
	assert.Equal(t, "one", c.ok("stop", "one"), "to docker no error")

	c.ok("start", id[:6])
	assert.NotEmpty(t, c.ok("ps", "-q"))
	assert.Equal(t, "one", c.ok("rm", "-f", "one"))
	assert.Empty(t, c.ok("ps", "-aq"))
}

// widen gives a heading the columns of the widest row of the test.
func widen(heading string) string {
	names := regexp.MustCompile(`  +`).Split(heading, -1)
	return "CONTAINER ID   IMAGE     " + strings.Join([]string{
		pad(names[2], 25), pad(names[3], 25), pad(names[4], 24), pad(names[5], 10), names[6]}, "")
}

func pad(s string, n int) string { return s + strings.Repeat(" ", n-len(s)) }

func TestCreateStart(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	id := c.ok("create", "--name", "two", "-e", "A=b", "host", "--", "sh", "-c", "echo $A; exit 3")
	assert.Contains(t, c.ok("ps", "-a"), "Created")
	c.refuse(125, "not running", "wait", "two")
	assert.Equal(t, outcome{stdout: "b\n", code: 3}, c.run("start", "-a", "two"))
	assert.Equal(t, "two\n"+id[:8], c.ok("start", "two")+"\n"+func() string { c.ok("wait", "two"); return c.ok("start", id[:8]) }())
	assert.Equal(t, "3", c.ok("wait", id))
	assert.Equal(t, "b\nb\nb", c.ok("logs", "two"))
	c.refuse(125, "already", "create", "--name", "two", "host")
	c.refuse(125, "multiple", "start", "-a", "two", "two")

	c.run("run", "--name", "attached", "host", "echo", "x")
	c.refuse(125, "start it with -a", "start", "attached")
	assert.Equal(t, "x", c.ok("start", "-a", "attached"))

	cmd := c.command("start", "-ai", "two")
	cmd.Stdin = strings.NewReader("x")
	assert.Equal(t, 3, c.finish(cmd).code)
}

func TestStop(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	c.ok("create", "--name", "polite", "host", "sh", "-c", "trap 'exit 5' TERM; trap 'exit 6' USR1; echo ready; while :; do sleep 0.01; done")
	for i, tt := range []struct{ line, code string }{{"stop polite", "5"}, {"stop -t 100 polite", "5"}, {"stop polite -s USR1", "6"}, {"stop -t -1 polite", "5"}} {
		c.ok("start", "polite")
		eventually(t, "ready", func() bool { return strings.Count(c.ok("logs", "polite"), "ready") > i })
		assert.Equal(t, "polite", c.ok(strings.Fields(tt.line)...))
		assert.Equal(t, tt.code, c.ok("wait", "polite"), tt.line)
	}
	c.ok("run", "-d", "--name", "deaf", "host", "sleep", "1000")
	began := time.Now()
	assert.Equal(t, "deaf", c.ok("stop", "-t", "1", "deaf"))
	assert.Equal(t, "137", c.ok("wait", "deaf"))
	assert.WithinRange(t, time.Now(), began.Add(time.Second), began.Add(8*time.Second))
	c.ok("start", "deaf")
	assert.Equal(t, "deaf", c.ok("stop", "--timeout=0", "deaf"))
	c.refuse(125, "--timeout", "stop", "-t", "soon", "deaf")
	c.refuse(125, "invalid signal", "kill", "-s", "NONE", "deaf")
}

func TestWait(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	c.ok("run", "-d", "--name", "a", "host", "sh", "-c", "until [ -e /go ]; do sleep 0.01; done; exit 4")
	c.run("run", "--name", "b", "host", "true")
	waiting := c.command("wait", "a", "b")
	out, err := waiting.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, waiting.Start())
	c.ok("exec", "a", "touch", "/go")
	codes := bufio.NewScanner(out)
	require.True(t, codes.Scan())
	assert.Equal(t, "4", codes.Text())
	require.True(t, codes.Scan())
	assert.Equal(t, "0", codes.Text())
	require.NoError(t, waiting.Wait())
	o := c.run("wait", "nope", "a")
	assert.Equal(t, outcome{"4\n", "Error: No such container: nope\n", 125}, o, "it goes on")
}

func TestRemove(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	c.run("run", "--name", "a", "host", "true")
	c.run("run", "--name", "b", "host", "true")
	o := c.run("rm", "a", "nope", "b")
	assert.Equal(t, outcome{"a\nb\n", "Error: No such container: nope\n", 125}, o)
	assert.Equal(t, "CONTAINER ID   IMAGE     COMMAND   CREATED   STATUS    PORTS     NAMES", c.ok("ps", "-a"))
}

func TestInspect(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	id := c.ok("create", "--name", "i", "-m", "64m", "--cpus", "1.5", "-v", "/usr:/mnt:ro", "-h", "hh", "host", "sh", "-c", "echo a&b")
	var found []struct {
		Id, Name, Path string
		Args           []string
		State          struct {
			Status   string
			Running  bool
			ExitCode int
		}
		Config     struct{ Hostname, Image string }
		HostConfig struct{ Memory, NanoCpus int64 }
		Mounts     []struct {
			Source, Destination string
			RW                  bool
		}
	}
	out := c.ok("inspect", "i")
	require.NoError(t, json.Unmarshal([]byte(out), &found))
	require.Len(t, found, 1)
	assert.Equal(t, []any{id, "/i", "sh", []string{"-c", "echo a&b"}, "created", "hh", "host", int64(64 << 20), int64(1.5e9)},
		[]any{found[0].Id, found[0].Name, found[0].Path, found[0].Args, found[0].State.Status, found[0].Config.Hostname, found[0].Config.Image, found[0].HostConfig.Memory, found[0].HostConfig.NanoCpus})
	assert.Equal(t, "/usr /mnt false", found[0].Mounts[0].Source+" "+found[0].Mounts[0].Destination+" "+strconv.FormatBool(found[0].Mounts[0].RW))
	assert.Contains(t, out, "echo a&b")
	assert.Equal(t, "created 0", c.ok("inspect", "--format", "{{.State.Status}} {{.State.ExitCode}}", "i"))
	c.refuse(125, "No such object: j", "inspect", "j")
	c.refuse(125, "template", "inspect", "-f", "{{", "i")
}

func TestExplain(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	text := c.ok("explain", "-u", "nobody", "host", "--", "echo", "hello")
	for _, call := range []string{"clone", "pivot_root(", "setresuid(65534", `execve("/usr/bin/echo"`} {
		assert.Contains(t, text, call)
	}
	assert.Empty(t, c.ok("ps", "-aq"), "nothing was made")
	c.ok("create", "--name", "e", "host", "echo", "hello")
	assert.Contains(t, c.ok("explain", "e"), "execve(")
	c.refuse(125, "No such image: nope", "explain", "nope")
}

func TestAttach(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	c.ok("run", "-d", "--name", "a", "host", "sh", "-c", "until [ -e /go ]; do sleep 0.01; done; echo out; echo err >&2; exit 4")
	var out, errs strings.Builder
	cmd := c.command("attach", "a")
	cmd.Stdout, cmd.Stderr = &out, &errs
	require.NoError(t, cmd.Start())
	// Nothing tells that somebody is attached but that the log is open then.
	eventually(t, "attached", func() bool { return opens(cmd.Process.Pid, "log") })
	c.ok("exec", "a", "touch", "/go")
	cmd.Wait()
	assert.Equal(t, outcome{"out\n", "err\n", 4}, outcome{out.String(), errs.String(), cmd.ProcessState.ExitCode()})
	c.refuse(125, "stopped container", "attach", "a")
	c.refuse(125, "No such container", "attach", "b")
}

// opens says whether a process has a file of that name open.
func opens(pid int, name string) bool {
	dir := "/proc/" + itoa(pid) + "/fd"
	files, _ := os.ReadDir(dir)
	for _, f := range files {
		if target, err := os.Readlink(dir + "/" + f.Name()); err == nil && strings.HasSuffix(target, "/"+name) {
			return true
		}
	}
	return false
}

func TestVersionAndHelp(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	assert.Contains(t, c.ok("version"), "OS/Arch:")
	assert.Contains(t, c.ok("help"), "explain")
	assert.Equal(t, c.ok("help"), c.ok())
	assert.Contains(t, c.ok("run", "--help"), "-e, --env variables")
	for _, cmd := range commands() {
		assert.Contains(t, c.ok(cmd.name, "--help"), "Usage:  coracle "+cmd.name)
	}
}
