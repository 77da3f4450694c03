package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// screen is a terminal with a shell in which somebody types.
type screen struct {
	t      *testing.T
	c      *cli
	socket string
}

// newScreen starts a shell of 80 by 24 characters, whose prompt is "out> ". In it,
// coracle is the tool; it leaves its process number in the file pid.
func newScreen(t *testing.T, c *cli) *screen {
	t.Helper()
	if _, err := exec.LookPath("tmux"); err != nil {
		lacking(t, "needs tmux: make deps")
	}
	dir, err := os.MkdirTemp("", "coracle-tmux-") // a socket's name is short
	require.NoError(t, err)
	s := &screen{t, c, filepath.Join(dir, "s")}
	t.Cleanup(func() {
		s.tmux("kill-server")
		os.RemoveAll(dir)
	})
	rc := filepath.Join(dir, "rc")
	require.NoError(t, os.WriteFile(rc, fmt.Appendf(nil,
		"PS1='out> '\ncoracle() { sh -c 'echo $$ > %s; %s=cli exec %s --root %s \"$@\"' sh \"$@\"; }\n", s.file("pid"), as, c.self, c.root), 0o600))
	s.tmux("-f", "/dev/null", "new-session", "-d", "-x", "80", "-y", "24", "bash --noprofile --rcfile "+rc)
	s.wait("out> ")
	return s
}

func (s *screen) file(name string) string { return filepath.Join(filepath.Dir(s.socket), name) }

func (s *screen) tmux(args ...string) string {
	cmd := exec.Command("tmux", append([]string{"-S", s.socket}, args...)...)
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "TMUX") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	out, _ := cmd.CombinedOutput()
	return string(out)
}

// text is what is on the screen and above it.
func (s *screen) text() string { return s.tmux("capture-pane", "-p", "-J", "-S", "-", "-t", "0") }

// wait waits until the screen has the text, which no line that was typed may
// contain: ab is typed as a”b.
func (s *screen) wait(text string) {
	s.t.Helper()
	for deadline := time.Now().Add(time.Minute); !strings.Contains(s.text(), text); time.Sleep(10 * time.Millisecond) {
		require.True(s.t, time.Now().Before(deadline), "never on the screen: %s\n%s", text, s.text())
	}
}

// enter types a line, and keys presses keys by their names in tmux.
func (s *screen) enter(line string) {
	s.tmux("send-keys", "-t", "0", "-l", line)
	s.keys("Enter")
}
func (s *screen) keys(keys ...string) { s.tmux(append([]string{"send-keys", "-t", "0"}, keys...)...) }

// settings are those of the terminal while the shell has it.
func (s *screen) settings(name string) string {
	s.t.Helper()
	s.enter("stty -g > " + s.file(name) + "; echo settings-of''-" + name)
	s.wait("settings-of-" + name)
	text, err := os.ReadFile(s.file(name))
	require.NoError(s.t, err)
	require.NotEmpty(s.t, text)
	return string(text)
}

// kill sends a signal to the tool.
func (s *screen) kill(sig syscall.Signal) {
	s.t.Helper()
	text, err := os.ReadFile(s.file("pid"))
	require.NoError(s.t, err)
	var pid int
	_, err = fmt.Sscan(string(text), &pid)
	require.NoError(s.t, err)
	require.NoError(s.t, syscall.Kill(pid, sig))
}
