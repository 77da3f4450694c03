package supervisor

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coraclehq/coracle/internal/sys"
	"github.com/coraclehq/coracle/internal/testenv"
)

func TestExit(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		text   string
		code   int
		signal syscall.Signal
	}{
		{"exit 0", 0, 0},
		{"exit 42", 42, 0},
		{"exit 255", 255, 0},
		{"kill -9 $PPID; exit 1", 1, 0}, // in the pid namespace there is no parent
		{"ulimit -c 0; exec /bin/sh -c 'kill -SEGV $$; exit 3'", 3, 0}, // ignored by process 1
	} {
		t.Run(tt.text, func(t *testing.T) {
			t.Parallel()
			began := time.Now().Truncate(time.Second)
			b := newBox(t).start(tt.text)
			record := b.record()
			e, err := ParseExit(record)
			require.NoError(t, err)
			assert.Equal(t, tt.code, e.Code)
			assert.Equal(t, tt.signal, e.Signal)
			assert.False(t, e.Lost)
			assert.WithinRange(t, e.Finished, began, time.Now())
			assert.Positive(t, e.MaxRSS)
			kept, err := os.ReadFile(filepath.Join(b.path, "exit"))
			require.NoError(t, err)
			assert.Equal(t, record, kept)
			assert.NoFileExists(t, filepath.Join(b.path, "exit.tmp"))
		})
	}
}

func TestExitBySignal(t *testing.T) {
	t.Parallel()
	b := newBox(t).start("sleep 60")
	require.NoError(t, b.pidfd.PidfdSignal(sys.SIGKILL))
	e := b.wait()
	assert.Equal(t, syscall.SIGKILL, e.Signal)
	assert.Equal(t, 137, e.Code)
}

// Both streams are full when the process ends.
func TestLogOfBothStreams(t *testing.T) {
	t.Parallel()
	want := lines(1, 9000) + "end\n"
	for range testenv.Scale(t, 400) {
		b := newBox(t).start("seq 1 9000 & seq 1 9000 >&2; wait; echo end; echo end >&2; exit 3")
		require.Equal(t, 3, b.wait().Code)
		out, errs := b.output()
		sameText(t, want, out)
		sameText(t, want, errs)
	}
}

func TestLogGoesOn(t *testing.T) {
	t.Parallel()
	b := newBox(t).start("echo one")
	b.wait()
	again := boxIn(t, b.path)
	t.Cleanup(again.close)
	again.logged().start("echo two")
	again.wait()
	out, _ := b.output()
	assert.Equal(t, "one\ntwo\n", out)
}

func TestLogTimes(t *testing.T) {
	t.Parallel()
	began := time.Now()
	b := newBox(t).start("echo a; echo b >&2; sleep 0.01; echo c")
	b.wait()
	last := began.Add(-time.Second) // the clock of records may be coarser
	for _, r := range parseLog(t, filepath.Join(b.path, "log")) {
		assert.WithinRange(t, r.Time, last, time.Now())
		last = r.Time
	}
}

func TestRotation(t *testing.T) {
	t.Parallel()
	for _, files := range []int{0, 1, 3} {
		t.Run(fmt.Sprint(files), func(t *testing.T) {
			t.Parallel()
			b := newBox(t)
			b.LogLimit, b.LogFiles = 256<<10, files
			b.start("seq 1 500000")
			b.wait()
			names := logFiles(t, b.path)
			require.Len(t, names, files+1)
			var kept strings.Builder
			for i, name := range names {
				st, err := os.Stat(filepath.Join(b.path, name))
				require.NoError(t, err)
				assert.LessOrEqual(t, st.Size(), int64(256<<10+LogBuffer+LogHeaderSize))
				if i < len(names)-1 {
					assert.Greater(t, st.Size(), int64(256<<10))
				}
			}
			out, _ := b.output()
			kept.WriteString(out)
			assert.True(t, strings.HasSuffix(lines(1, 500000), kept.String()), "what is kept is not the end of what was written")
		})
	}
}

// A reader that has the file open keeps what it has not read yet.
func TestRotationLeavesOpenFiles(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	b.LogLimit, b.LogFiles = 64<<10, 0
	open, err := b.dir.Open("log", sys.O_RDONLY, 0)
	require.NoError(t, err)
	defer open.Close()
	b.start("seq 1 100000")
	b.wait()
	st, err := open.Stat()
	require.NoError(t, err)
	assert.Greater(t, st.Size, int64(64<<10))
	assert.Zero(t, st.Nlink)
}

// Where no new file can be made, the log grows, and what was kept stays.
func TestRotationWithoutInodes(t *testing.T) {
	t.Parallel()
	path := testenv.Tmpfs(t, 64<<20, 4) // the directory, log.1, log, exit
	old := AppendLogHeader(nil, LogRecord{Time: time.Now(), Stream: Stdout, Data: []byte("old\n")})
	require.NoError(t, os.WriteFile(filepath.Join(path, "log.1"), append(old, "old\n"...), 0o600))
	b := boxIn(t, path)
	t.Cleanup(b.close)
	b.LogLimit, b.LogFiles = 64<<10, 2
	b.logged().start("seq 1 100000")
	assert.Zero(t, b.wait().Code)
	out, _ := b.output()
	sameText(t, "old\n"+lines(1, 100000), out)
	assert.FileExists(t, filepath.Join(path, "exit"))
}

// On a full disk the log ends with a whole record, the process is not blocked, and
// the exit record is there.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	b := boxIn(t, testenv.Tmpfs(t, 256<<10, 0))
	t.Cleanup(b.close)
	b.logged().start("seq 1 60000; echo end >&2; exit 5")
	assert.Equal(t, 5, b.wait().Code)
	out, _ := b.output()
	assert.True(t, strings.HasPrefix(out, lines(1, 10000))) // then what still fits
	assert.Greater(t, len(out), 128<<10)
	kept, err := os.ReadFile(filepath.Join(b.path, "exit"))
	require.NoError(t, err)
	e, err := ParseExit(kept)
	require.NoError(t, err)
	assert.Equal(t, 5, e.Code)
}

// A disk that has room again takes further records.
func TestDiskIsFullForAWhile(t *testing.T) {
	t.Parallel()
	b := boxIn(t, testenv.Tmpfs(t, 256<<10, 0))
	t.Cleanup(b.close)
	ballast := filepath.Join(b.path, "ballast")
	require.NoError(t, os.WriteFile(ballast, make([]byte, 200<<10), 0o600))
	b.logged().start("seq 1 60000; rm $BOX/ballast; seq 1 2000; echo end >&2")
	b.wait()
	_, errs := b.output()
	assert.Equal(t, "end\n", errs)
}

// Something that was left behind writes for ever: the end does not wait for it.
// Without the bound on turns it would.
func TestLeftWriter(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	b.Namespaces = 0
	b.LogLimit, b.LogFiles = 1<<20, 1
	b.start("yes & exit 4")
	assert.Equal(t, 4, b.wait().Code)
	b.output()
}

func TestOutputClosedEarly(t *testing.T) {
	t.Parallel()
	b := newBox(t).start("echo out; exec >&-; echo more >&2; exec 2>&-; sleep 0.02; exit 6")
	assert.Equal(t, 6, b.wait().Code)
	out, errs := b.output()
	assert.Equal(t, "out\n", out)
	assert.Equal(t, "more\n", errs)
}

func TestTerminal(t *testing.T) {
	t.Parallel()
	for range testenv.Scale(t, 400) {
		b := bareBox(t).onTerminal().start("tty >/dev/null && seq 1 3000; seq 1 10 >&2; exit 2")
		require.Equal(t, 2, b.wait().Code)
		out, errs := b.output()
		sameText(t, strings.ReplaceAll(lines(1, 3000)+lines(1, 10), "\n", "\r\n"), out)
		require.Empty(t, errs)
	}
}

// A process may close its terminal and open it again: in between, reading the
// master is EIO.
func TestTerminalOpenedAgain(t *testing.T) {
	t.Parallel()
	b := bareBox(t).onTerminal().start("echo before; exec </dev/null >/dev/null 2>&1; sleep 0.05; seq 1 20000 >/dev/tty; exit 7")
	assert.Equal(t, 7, b.wait().Code)
	out, _ := b.output()
	sameText(t, strings.ReplaceAll("before\n"+lines(1, 20000), "\n", "\r\n"), out)
}

func TestNoOutput(t *testing.T) {
	t.Parallel()
	b := bareBox(t).start("echo nowhere; exit 8")
	assert.Equal(t, 8, b.wait().Code)
}
