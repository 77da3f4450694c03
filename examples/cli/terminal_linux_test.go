package main

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
)

// sleeping is a line that says so when its job has the terminal.
const sleeping = `sh -c "echo slee''ping; exec sleep 1000"`

// shell is the rest of a line that runs one whose prompt is "in> ".
const shell = ` -e PS1=in\>\  host bash --norc --noprofile`

func TestTerminal(t *testing.T) {
	t.Parallel()
	s := newScreen(t, newCLI(t))
	before := s.settings("before")
	s.enter("coracle run --rm -it" + shell + "; echo en''ded $?")
	s.wait("in> ")

	s.enter("echo [$(tty) $(stty size) $COLUMNS]")
	s.wait("[/dev/pts/0 24 80 80]")

	// Ctrl-C ends what runs, not the shell.
	s.enter(sleeping)
	s.wait("sleeping")
	s.keys("C-c")
	s.enter("echo in''terrupted $?")
	s.wait("interrupted 130")

	// Job control.
	s.enter(strings.ReplaceAll(sleeping, "ping", "ping-again"))
	s.wait("sleeping-again")
	s.keys("C-z")
	s.wait("Stopped")
	s.enter("jobs | sed s/Stopped/is-''stopped/; bg; sleep 0.01; jobs | sed s/Running/is-run''ning/")
	s.wait("is-running")
	s.enter("fg")
	s.wait("\nsh -c")
	s.keys("C-c")
	s.enter("echo fore''ground $?")
	s.wait("foreground 130")

	// Ctrl-\ and Ctrl-D are the inner terminal's too.
	s.enter(`sh -c "echo rea''ding; exec cat"; echo end of fi''le $?`)
	s.wait("reading")
	s.enter("typed")
	s.wait("typed\ntyped")
	s.keys("C-d")
	s.wait("end of file 0")

	s.tmux("resize-window", "-t", "0", "-x", "100", "-y", "40")
	s.enter("until [ \"$(stty size)\" = '40 100' ]; do sleep 0.01; done; echo re''sized")
	s.wait("resized")

	s.enter("exit 5")
	s.wait("ended 5")
	assert.Equal(t, before, s.settings("after"))
	assert.Empty(t, s.c.ok("ps", "-aq"))
}

// TestTerminalSize asks for the size before anything else could.
func TestTerminalSize(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	s := newScreen(t, c)
	c.ok("run", "-d", "--name", "x", "host", "sleep", "1000")
	s.enter("for i in $(seq 20); do coracle run --rm -it host stty size; coracle exec -it x stty size; done | tr -d '\\r' | sort | uniq -c; echo al''l")
	s.wait("all")
	assert.Contains(t, s.text(), "40 24 80")
}

func TestTerminalExec(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	c.ok("run", "-d", "--name", "x", "host", "sleep", "1000")
	s := newScreen(t, c)
	before := s.settings("before")
	s.enter("coracle exec -it -e PS1=in\\>\\  x bash --norc --noprofile; echo en''ded $?")
	s.wait("in> ")
	s.enter("echo [$(tty) $(stty size)]")
	s.wait("[/dev/pts/0 24 80]")
	s.enter(sleeping)
	s.wait("sleeping")
	s.keys("C-c")
	s.enter("exit 6")
	s.wait("ended 6")
	assert.Equal(t, before, s.settings("after"))
}

// TestTerminalIsRestored ends the tool in other ways than by the end of the shell.
func TestTerminalIsRestored(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	s := newScreen(t, c)
	before := s.settings("before")
	c.ok("run", "-d", "--name", "x", "host", "sleep", "1000")
	for i, tt := range []struct {
		name, line string
		sig        syscall.Signal
		code       int
	}{
		{"no such program", "coracle run --rm -it host nope", 0, 127},
		{"no such image", "coracle run --rm -it nope", 0, 125},
		{"panic", as + "=panic " + must(os.Executable()), 0, 2},
		{"SIGTERM", "coracle run --rm -it host sh -c 'echo ready; exec sleep 1000'", syscall.SIGTERM, 137},
		{"SIGHUP", "coracle run --rm -it host sh -c 'echo ready; exec sleep 1000'", syscall.SIGHUP, 137},
		{"SIGINT of an exec", "coracle exec -it x sh -c 'echo ready; exec sleep 1000'", syscall.SIGINT, 137},
		{"the container is killed", "coracle run --name victim -it host sh -c 'echo ready; exec sleep 1000'", -1, 137},
	} {
		s.enter(strings.ReplaceAll(tt.line, "ready", "re''ady-"+itoa(i)) + "; echo en''ded-" + itoa(i) + " $?")
		if tt.sig != 0 {
			s.wait("ready-" + itoa(i))
		}
		if tt.sig > 0 {
			s.kill(tt.sig)
		} else if tt.sig < 0 {
			c.ok("rm", "-f", "victim")
		}
		s.wait(fmt.Sprintf("ended-%d %d", i, tt.code))
		assert.Equal(t, before, s.settings("after-"+itoa(i)), tt.name)
	}
}

func must(s string, err error) string {
	if err != nil {
		panic(err)
	}
	return s
}

// TestTerminalStopped stops the tool from outside, as by kill -STOP, and goes on.
func TestTerminalStopped(t *testing.T) {
	t.Parallel()
	s := newScreen(t, newCLI(t))
	before := s.settings("before")
	s.enter("coracle run --rm -it" + shell)
	s.wait("in> ")
	s.kill(syscall.SIGSTOP)
	s.wait("Stopped")
	assert.Equal(t, before, s.settings("stopped"))
	s.tmux("resize-window", "-t", "0", "-x", "100", "-y", "40")
	s.enter("fg; echo en''ded $?")
	s.enter("until [ \"$(stty size)\" = '40 100' ]; do sleep 0.01; done; echo re''sized; stty -a | grep -o -- ' -*echo ' | head -1")
	s.wait("resized")
	s.enter("exit 3")
	s.wait("ended 3")
	assert.Equal(t, before, s.settings("after"))
}

// TestTerminalCloses closes the window: what ran in it ends.
func TestTerminalCloses(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	s := newScreen(t, c)
	s.enter("coracle run --name w -it host sh -c 'echo re''ady; exec sleep 1000'")
	s.wait("ready")
	s.tmux("kill-server")
	eventually(t, "end", func() bool { return c.ok("ps", "-q") == "" })
	assert.Equal(t, "137", c.ok("wait", "w"))
}

// TestTerminalAttach leaves a detached container and comes back.
func TestTerminalAttach(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	s := newScreen(t, c)
	before := s.settings("before")
	s.enter("coracle run -itd --name w" + shell + " > /dev/null")
	s.enter("coracle attach w")
	s.wait("in> ")
	s.enter("until [ \"$(stty size)\" = '24 80' ]; do sleep 0.01; done; echo si''zed; cd /usr")
	s.wait("sized")
	s.keys("C-p", "C-q")
	s.wait("read escape sequence")
	assert.Equal(t, before, s.settings("left"))
	assert.NotEmpty(t, c.ok("ps", "-q"), "it goes on")

	s.tmux("clear-history", "-t", "0")
	s.enter("clear; coracle attach w; echo en''ded $?")
	s.wait("in> ") // without a key: it was asked to draw its line again
	s.enter("echo in''side $PWD")
	s.wait("inside /usr")
	s.enter("exit 4")
	s.wait("ended 4")
	assert.Equal(t, before, s.settings("after"))
}
