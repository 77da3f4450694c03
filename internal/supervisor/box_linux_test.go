package supervisor

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coraclehq/coracle/internal/launch"
	"github.com/coraclehq/coracle/internal/script"
	"github.com/coraclehq/coracle/internal/sys"
	"github.com/coraclehq/coracle/internal/testenv"
)

// patience bounds a wait for what must come.
const patience = 20 * time.Second

// box is a supervisor and its process, a shell, without a container around it. It
// reports to a tb that may also be that of a host process of its own.
type box struct {
	tb   require.TestingT
	dir  *sys.FD
	path string
	Options
	stdio    [3]script.FD
	terminal script.FD

	keep           []*sys.FD
	host, theirs   *sys.FD
	status, statuw *sys.FD
	program        *script.Program
	helper         *launch.Helper
	pidfd          *sys.FD
	pid            int
	launcher       launch.Launcher
}

// newBox makes a box in a directory of the test, with a log that the supervisor
// writes. It goes with the test.
func newBox(t testing.TB) *box { return bareBox(t).logged() }

func bareBox(t testing.TB) *box {
	testenv.Root(t)
	b := boxIn(t, t.TempDir())
	t.Cleanup(b.close)
	return b
}

func boxIn(tb require.TestingT, path string) *box {
	dir, err := sys.Open(path, sys.O_RDONLY|sys.O_DIRECTORY, 0)
	require.NoError(tb, err)
	b := &box{tb: tb, dir: dir, path: path}
	b.Attached = true
	b.Namespaces = sys.CLONE_NEWPID
	b.Options.Dir = b.give(dir, "dir")
	return b
}

// give makes the helper inherit fd.
func (b *box) give(fd *sys.FD, name string) script.FD {
	b.keep = append(b.keep, fd)
	return script.FD{N: fd.Int(), Name: name}
}

// toChild is give for what only the process has.
func (b *box) toChild(fd *sys.FD, name string) script.FD {
	f := b.give(fd, name)
	b.ChildOnly = append(b.ChildOnly, f)
	return f
}

// logged gives the supervisor a log and the process's output.
func (b *box) logged() *box {
	b.openLog()
	for i, to := range []*script.FD{&b.Stdout, &b.Stderr} {
		r, w, err := sys.Pipe(0)
		require.NoError(b.tb, err)
		*to, b.stdio[i+1] = b.give(r, "pipe"), b.toChild(w, "pipe")
	}
	return b
}

func (b *box) openLog() {
	log, err := b.dir.Open("log", sys.O_WRONLY|sys.O_CREAT|sys.O_APPEND, 0o600)
	require.NoError(b.tb, err)
	st, err := log.Stat()
	require.NoError(b.tb, err)
	b.Log, b.LogSize = b.give(log, "log"), st.Size
}

// onTerminal gives the process a terminal instead, in the log as well.
func (b *box) onTerminal() *box {
	b.openLog()
	ours, theirs, err := sys.SocketPair(sys.SOCK_SEQPACKET)
	require.NoError(b.tb, err)
	b.Terminal, b.terminal = b.give(ours, "terminal"), b.toChild(theirs, "terminal")
	return b
}

// listening makes the control socket.
func (b *box) listening() *box {
	s, err := b.dir.ListenUnix("ctl", sys.SOCK_STREAM, 64)
	require.NoError(b.tb, err)
	b.Control = b.give(s, "ctl")
	return b
}

// locked makes the file that is locked while the supervisor lives.
func (b *box) locked() *box {
	f, err := b.dir.Open("alive", sys.O_RDWR|sys.O_CREAT, 0o600)
	require.NoError(b.tb, err)
	ok, err := f.TryLock(true)
	require.NoError(b.tb, err)
	require.True(b.tb, ok)
	b.Alive = b.give(f, "alive")
	return b
}

// runs says whether somebody holds the lock.
func (b *box) runs() bool {
	f, err := b.dir.Open("alive", sys.O_RDWR, 0o600)
	require.NoError(b.tb, err)
	defer f.Close()
	ok, err := f.TryLock(true)
	require.NoError(b.tb, err)
	return !ok
}

// start runs a shell script and returns when it was executed. What the helper
// inherited is closed here.
func (b *box) start(text string) *box {
	require.NoError(b.tb, b.tryStart(text))
	return b
}

func (b *box) tryStart(text string) (err error) {
	b.host, b.theirs, err = sys.SocketPair(sys.SOCK_SEQPACKET)
	require.NoError(b.tb, err)
	b.Host = b.give(b.theirs, "host")
	b.status, b.statuw, err = sys.SocketPair(sys.SOCK_SEQPACKET)
	require.NoError(b.tb, err)
	b.Options.Status = script.FD{N: b.statuw.Int(), Name: "status"}
	b.Options.Body = b.body("/bin/sh", "sh", "-c", text)
	b.program, err = Program(b.Options)
	require.NoError(b.tb, err)
	b.helper, err = b.launcher.Start(launch.Options{Program: b.program, Keep: b.keep, Status: b.statuw, Name: "test"})
	require.NoError(b.tb, err)
	for _, fd := range append(b.keep, b.statuw) {
		if fd != b.dir {
			require.NoError(b.tb, fd.Close())
		}
	}
	var m [64]byte
	n, _, err := b.status.RecvFDs(m[:], 0)
	b.status.Close()
	if !errors.Is(err, io.EOF) {
		require.NoError(b.tb, err)
		return b.helper.Failure(m[:n])
	}
	require.NoError(b.tb, b.helper.Release())
	_, fds, err := b.host.RecvFDs(m[:], 1)
	if errors.Is(err, io.EOF) || errors.Is(err, sys.ErrTruncated) { // it ended at once
		return err
	}
	require.NoError(b.tb, err)
	require.Len(b.tb, fds, 1)
	b.pidfd, b.pid = fds[0], int(binary.LittleEndian.Uint32(m[:]))
	return nil
}

// body is what the process does: its standard streams, then the program.
func (b *box) body(path string, argv ...string) func(*script.Builder) error {
	return func(s *script.Builder) error {
		s.Op(script.Setsid).AllowAny() // kill(0) would reach the supervisor
		null := s.Cell("null", 0)
		s.Op(script.Openat, script.CWD, script.Str("/dev/null"), script.Num(sys.O_RDWR), script.Num(0)).Into(null)
		for i, f := range b.stdio {
			from := script.Arg(f)
			if none(f) {
				from = script.Load{From: null}
			}
			s.Op(script.Dup3, from, script.Num(i), script.Num(0)).Doing("set up the standard streams")
		}
		if !none(b.terminal) {
			b.makeTerminal(s)
		}
		s.Op(script.CloseRange, script.Num(3), script.Num(^uint32(0)), script.Num(sys.CLOSE_RANGE_CLOEXEC))
		s.Op(script.RtSigprocmask, script.Num(2), script.Blob{Data: make([]byte, 8)}, script.Num(0), script.Num(sigsetSize))
		s.Op(script.Execve, script.Str(path), script.Strings(argv), script.Strings{"PATH=/usr/bin:/bin", "BOX=" + b.path}).Doing("run " + path)
		return nil
	}
}

// makeTerminal makes a terminal of the machine's own and sends its master.
func (b *box) makeTerminal(s *script.Builder) {
	w := &writer{Builder: s}
	message := w.rights("terminal message", s.Cell("terminal byte", 't'), 1, 1)
	master, peer := message.fds, s.Cell("peer", 0)
	flags := script.Num(sys.O_RDWR | sys.O_NOCTTY | sys.O_CLOEXEC)
	s.Op(script.Openat, script.CWD, script.Str("/dev/ptmx"), flags, script.Num(0)).Into(master)
	s.Op(script.Ioctl, script.Load{From: master}, script.Num(sys.TIOCSPTLCK), s.Cell("unlocked", 0))
	s.Op(script.Ioctl, script.Load{From: master}, script.Num(sys.TIOCGPTPEER), flags).Into(peer)
	for i := range 3 {
		s.Op(script.Dup3, script.Load{From: peer}, script.Num(i), script.Num(0))
	}
	s.Op(script.Ioctl, script.Num(0), script.Num(sys.TIOCSCTTY), script.Num(0)).Doing("take the terminal")
	s.Op(script.Sendmsg, b.terminal, message.header, script.Num(0)).Doing("send the terminal")
}

// wait returns the exit record that the host is sent, and waits for the supervisor.
func (b *box) wait() Exit {
	e, err := ParseExit(b.record())
	require.NoError(b.tb, err)
	return e
}

// record is the record itself; empty when the supervisor was killed.
func (b *box) record() []byte {
	require.True(b.tb, ready(b.host, patience), "no exit record")
	m := make([]byte, 2*RecordSize)
	n, _, err := b.host.RecvFDs(m, 0)
	if !errors.Is(err, io.EOF) {
		require.NoError(b.tb, err)
	}
	require.True(b.tb, ready(b.helper.PIDFD, patience), "the supervisor does not end")
	b.helper.PIDFD.PidfdWait(sys.WEXITED)
	return m[:n]
}

// close ends what still runs.
func (b *box) close() {
	if b.pidfd != nil {
		b.pidfd.PidfdSignal(sigkill)
		b.pidfd.Close()
	}
	if b.helper != nil {
		if b.host != nil {
			b.host.Close()
		}
		b.helper.PIDFD.PidfdSignal(sigkill)
		b.helper.PIDFD.PidfdWait(sys.WEXITED)
		b.helper.PIDFD.Close()
	}
	b.dir.Close()
	b.launcher.Close()
}

// ready waits for a descriptor to become readable.
func ready(fd *sys.FD, timeout time.Duration) bool {
	n, err := sys.Poll([]sys.PollFD{{FD: fd, Events: sys.POLLIN}}, timeout)
	return err == nil && n > 0
}

// eventually waits for what no event tells.
func eventually(t require.TestingT, what string, is func() bool) {
	for deadline := time.Now().Add(patience); !is(); time.Sleep(2 * time.Millisecond) {
		require.True(t, time.Now().Before(deadline), what)
	}
}

// output is what the log has of each stream, over all its files, oldest first. The
// log may have no torn record.
func (b *box) output() (stdout, stderr string) {
	var out [Stderr + 1]bytes.Buffer
	for _, name := range logFiles(b.tb, b.path) {
		for _, r := range parseLog(b.tb, filepath.Join(b.path, name)) {
			out[r.Stream].Write(r.Data)
		}
	}
	return out[Stdout].String(), out[Stderr].String()
}

// logFiles are the names of the log's files, oldest first.
func logFiles(tb require.TestingT, dir string) (names []string) {
	entries, err := os.ReadDir(dir)
	require.NoError(tb, err)
	number := func(name string) int {
		n, err := strconv.Atoi(strings.TrimPrefix(name, "log."))
		if err != nil {
			return 0
		}
		return n
	}
	for _, e := range entries {
		if e.Name() == "log" || number(e.Name()) > 0 {
			names = append(names, e.Name())
		}
	}
	slices.SortFunc(names, func(a, b string) int { return number(b) - number(a) })
	return names
}

func parseLog(tb require.TestingT, path string) (records []LogRecord) {
	b, err := os.ReadFile(path)
	require.NoError(tb, err)
	for len(b) > 0 {
		require.GreaterOrEqual(tb, len(b), LogHeaderSize, "%s is torn", path)
		r, n, err := ParseLogHeader(b)
		require.NoError(tb, err)
		b = b[LogHeaderSize:]
		require.GreaterOrEqual(tb, len(b), n, "%s is torn", path)
		r.Data, b = b[:n], b[n:]
		records = append(records, r)
	}
	return records
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
