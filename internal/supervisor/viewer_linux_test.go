package supervisor

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coraclehq/coracle/internal/sys"
	"github.com/coraclehq/coracle/internal/testenv"
)

// view connects as a viewer does and returns what it is handed; mask 0 when the
// supervisor has ended.
func (b *box) view() (mask byte, fds []*sys.FD) {
	s, err := b.dir.ConnectUnix("ctl", sys.SOCK_STREAM)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return 0, nil
	}
	require.NoError(b.tb, err)
	defer s.Close()
	require.True(b.tb, ready(s, patience), "no answer")
	var m [2]byte
	n, fds, err := s.RecvFDs(m[:], 8)
	if errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) {
		return 0, nil
	}
	require.NoError(b.tb, err)
	require.Equal(b.tb, 1, n)
	require.Len(b.tb, fds, 4)
	return m[0], fds
}

func closeAll(fds []*sys.FD) {
	for _, fd := range fds {
		fd.Close()
	}
}

func TestViewer(t *testing.T) {
	t.Parallel()
	b := newBox(t).listening().start("echo x; sleep 60")
	mask, fds := b.view()
	defer closeAll(fds)
	require.EqualValues(t, HandPID|HandLog, mask)
	log, err := os.Stat(filepath.Join(b.path, "log"))
	require.NoError(t, err)
	st, err := fds[1].Stat()
	require.NoError(t, err)
	assert.Equal(t, log.Sys().(*syscall.Stat_t).Ino, st.Ino)
	require.NoError(t, fds[0].PidfdSignal(sigkill))
	assert.Equal(t, 137, b.wait().Code)
	mask, _ = b.view()
	assert.Zero(t, mask, "somebody answers after the end")
}

// A viewer of a terminal can type and resize.
func TestViewerOfATerminal(t *testing.T) {
	t.Parallel()
	b := bareBox(t).onTerminal().listening().start("read x; echo got $x; stty size; exit 6")
	var fds []*sys.FD
	eventually(t, "no terminal", func() bool { // it is handed over once it has come
		closeAll(fds)
		var mask byte
		mask, fds = b.view()
		return mask == HandPID|HandLog|HandTerminal
	})
	defer closeAll(fds)
	require.NoError(t, fds[2].SetWinsize(sys.Winsize{Row: 40, Col: 100}))
	_, err := fds[2].Write([]byte("typed\n"))
	require.NoError(t, err)
	assert.Equal(t, 6, b.wait().Code)
	out, _ := b.output()
	assert.Equal(t, "typed\r\ngot typed\r\n40 100\r\n", out)
}

// The gate's write end is kept for whoever opens it.
func TestViewerGetsTheGate(t *testing.T) {
	t.Parallel()
	b := newBox(t).listening()
	r, w, err := sys.Pipe(0)
	require.NoError(t, err)
	b.Gate = b.give(w, "gate")
	b.stdio[0] = b.toChild(r, "gate")
	b.start("read x && exit 9; exit 1")
	mask, fds := b.view()
	defer closeAll(fds)
	require.EqualValues(t, HandPID|HandLog|HandGate, mask)
	_, err = fds[3].Write([]byte("go\n"))
	require.NoError(t, err)
	assert.Equal(t, 9, b.wait().Code)
}

// Viewers that connect and go, or never read, hold nothing up, and a flood of output
// does not hold them up.
func TestManyViewers(t *testing.T) {
	t.Parallel()
	b := newBox(t).listening()
	b.LogLimit, b.LogFiles = 1<<20, 1
	b.start("yes & yes >&2; wait")
	for i := range testenv.Scale(t, 2000) {
		if i%3 == 0 { // gone before it is answered
			s, err := b.dir.ConnectUnix("ctl", sys.SOCK_STREAM|sys.SOCK_NONBLOCK)
			if !errors.Is(err, syscall.EAGAIN) {
				require.NoError(t, err)
				s.Close()
			}
		}
		mask, fds := b.view()
		closeAll(fds)
		require.EqualValues(t, HandPID|HandLog, mask)
	}
	open, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", b.helper.PID))
	require.NoError(t, err)
	assert.Less(t, len(open), 12, "%s", strings.Join(open, " "))
}
