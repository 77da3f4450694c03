package monitor

import (
	"bytes"
	"context"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coraclehq/coracle/internal/launch"
	"github.com/coraclehq/coracle/internal/script"
	"github.com/coraclehq/coracle/internal/supervisor"
	"github.com/coraclehq/coracle/internal/sys"
	"github.com/coraclehq/coracle/internal/testenv"
)

// patience bounds a wait for what must come.
const patience = 20 * time.Second

// shell runs a text in /bin/sh, in a pid namespace of its own unless change does
// otherwise, on a connection. It ends with the test.
func shell(t testing.TB, c *Connection, text string, change func(*supervisor.Options), keep ...*sys.FD) *Process {
	testenv.Root(t)
	var l launch.Launcher
	o := supervisor.Options{Attached: true, Namespaces: sys.CLONE_NEWPID}
	var stdio [3]script.FD
	for i, fd := range c.Child {
		if fd != nil {
			stdio[i] = script.FD{N: fd.Int(), Name: "stdio"}
			o.ChildOnly = append(o.ChildOnly, stdio[i])
		}
	}
	var terminal script.FD
	if c.Terminal != nil {
		terminal = script.FD{N: c.Terminal.Int(), Name: "terminal"}
		o.ChildOnly = append(o.ChildOnly, terminal)
	}
	o.Body = func(b *script.Builder) error {
		b.Op(script.Setsid).AllowAny()
		if terminal.N > 0 {
			makeTerminal(b, terminal)
		} else {
			connectStreams(b, stdio)
		}
		b.Op(script.CloseRange, script.Num(3), script.Num(^uint32(0)), script.Num(sys.CLOSE_RANGE_CLOEXEC))
		b.Op(script.RtSigprocmask, script.Num(2), script.Blob{Data: make([]byte, 8)}, script.Num(0), script.Num(8))
		b.Op(script.Execve, script.Str("/bin/sh"), script.Strings{"sh", "-c", text}, script.Strings{"PATH=/usr/bin:/bin"})
		return nil
	}
	if change != nil {
		change(&o)
	}
	p, err := Spawn(context.Background(), Start{Launcher: &l, Supervisor: o, Keep: append(c.Keep(), keep...), Name: "test"})
	if err != nil {
		c.Abort()
	}
	require.NoError(t, err)
	t.Cleanup(func() {
		p.Signal(sigkill)
		p.Close()
		l.Close()
	})
	return p
}

func connectStreams(b *script.Builder, stdio [3]script.FD) {
	null := b.Cell("null", 0)
	b.Op(script.Openat, script.CWD, script.Str("/dev/null"), script.Num(sys.O_RDWR), script.Num(0)).Into(null)
	for i, f := range stdio {
		from := script.Arg(f)
		if f.N == 0 {
			from = script.Load{From: null}
		}
		b.Op(script.Dup3, from, script.Num(i), script.Num(0))
	}
}

// makeTerminal makes a terminal of the machine's own and sends its master.
func makeTerminal(b *script.Builder, to script.FD) {
	control := make([]byte, 24)
	control[0], control[8], control[12] = 20, 1, 1 // cmsg_len, SOL_SOCKET, SCM_RIGHTS
	c := b.Data("control", control)
	iov := b.Words("iovec", b.Cell("byte", 't'), script.Num(1))
	header := b.Words("message", script.Num(0), script.Num(0), iov, script.Num(1), c, script.Num(24), script.Num(0))
	master, peer := c.At(16), b.Cell("peer", 0)
	flags := script.Num(sys.O_RDWR | sys.O_NOCTTY | sys.O_CLOEXEC)
	b.Op(script.Openat, script.CWD, script.Str("/dev/ptmx"), flags, script.Num(0)).Into(master)
	b.Op(script.Ioctl, script.Load{From: master}, script.Num(sys.TIOCSPTLCK), b.Cell("unlocked", 0))
	b.Op(script.Ioctl, script.Load{From: master}, script.Num(sys.TIOCGPTPEER), flags).Into(peer)
	for i := range 3 {
		b.Op(script.Dup3, script.Load{From: peer}, script.Num(i), script.Num(0))
	}
	b.Op(script.Ioctl, script.Num(0), script.Num(sys.TIOCSCTTY), script.Num(0))
	b.Op(script.Sendmsg, to, header, script.Num(0))
}

// pumped runs a text whose output the supervisor writes to the log in dir.
func pumped(t testing.TB, c *Connection, dir *sys.FD, text string) *Process {
	log, err := dir.Open(logName, sys.O_WRONLY|sys.O_CREAT|sys.O_APPEND, 0o600)
	require.NoError(t, err)
	defer log.Close()
	var reads, writes [2]*sys.FD
	for i := range reads {
		reads[i], writes[i], err = sys.Pipe(0)
		require.NoError(t, err)
		defer reads[i].Close()
	}
	c.Child[1], c.Child[2] = writes[0], writes[1]
	p := shell(t, c, text, func(o *supervisor.Options) {
		o.Dir = script.FD{N: dir.Int(), Name: "dir"}
		o.Log = script.FD{N: log.Int(), Name: "log"}
		o.Stdout, o.Stderr = script.FD{N: reads[0].Int(), Name: "pipe"}, script.FD{N: reads[1].Int(), Name: "pipe"}
	}, dir, log, reads[0], reads[1])
	c.Started()
	return p
}

// run runs a text to its end and returns its exit code and what Finish said.
func run(t testing.TB, terminal bool, streams IO, log *LogWriter, text string) (int, error) {
	t.Helper()
	c, err := Connect(terminal, streams, log)
	require.NoError(t, err)
	p := shell(t, c, text, nil)
	c.Started()
	err = finish(t, c, p)
	e, waited := p.Wait(context.Background())
	require.NoError(t, waited)
	return e.Code, err
}

// finish fails the test when the end does not come.
func finish(t testing.TB, c *Connection, p *Process) error {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- c.Finish(p.Ended()) }()
	select {
	case err := <-done:
		return err
	case <-time.After(patience):
		t.Fatal("Finish does not return")
		return nil
	}
}

// safe is a buffer that may be read while it is written.
type safe struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safe) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(b)
}

func (s *safe) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal(what)
		}
	}
}

// lines are the numbers from a to b, one in a line, as seq(1) prints them.
func lines(a, b int) string {
	var s strings.Builder
	for i := a; i <= b; i++ {
		s.WriteString(strconv.Itoa(i))
		s.WriteByte('\n')
	}
	return s.String()
}

// sameText compares what is too long to be printed.
func sameText(t testing.TB, want, got string) {
	t.Helper()
	if want == got {
		return
	}
	n := 0
	for n < min(len(want), len(got)) && want[n] == got[n] {
		n++
	}
	around := func(s string) string { return s[max(n-40, 0):min(n+40, len(s))] }
	t.Fatalf("%d bytes are not the %d that were wanted, from byte %d on: %q, not %q", len(got), len(want), n, around(got), around(want))
}
