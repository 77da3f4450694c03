//go:build linux && faults

package monitor

import (
	"io"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coraclehq/coracle/internal/supervisor"
	"github.com/coraclehq/coracle/internal/sys"
	"github.com/coraclehq/coracle/internal/testenv"
)

// Each step of making the ends fails in turn: an error comes back and nothing is
// left open.
func TestConnectFails(t *testing.T) {
	for _, terminal := range []bool{false, true} {
		for _, withLog := range []bool{false, true} {
			streams := IO{Stdin: strings.NewReader("x"), Stdout: io.Discard, Stderr: io.Discard}
			testenv.FailNth(t, func(n int) (reached bool) {
				dir := logDir(t)
				census := testenv.ProcessCensus(t)
				var log *LogWriter
				if withLog {
					log = logIn(t, dir, 0, 0)
				}
				var c *Connection
				var err error
				reached = testenv.Fault(t, n, syscall.EMFILE, func() { c, err = Connect(terminal, streams, log) })
				if err == nil {
					// Making our end not block is the one step that is optional.
					c.Abort()
				} else {
					assert.ErrorIs(t, err, syscall.EMFILE)
				}
				census.Check()
				return reached
			})
		}
	}
}

func TestNewLogWriterFails(t *testing.T) {
	testenv.FailNth(t, func(n int) (reached bool) {
		dir := logDir(t)
		file(t, dir, "log", record(epoch, 1, "a"), record(epoch, 1, "torn")[:26])
		census := testenv.ProcessCensus(t)
		f, err := dir.Open(logName, sys.O_WRONLY|sys.O_APPEND, 0)
		require.NoError(t, err)
		var l *LogWriter
		reached = testenv.Fault(t, n, syscall.EIO, func() { l, err = NewLogWriter(dir, f, 0, 0) })
		if err == nil {
			require.NoError(t, l.Close())
		} else {
			assert.ErrorIs(t, err, syscall.EIO)
		}
		census.Check()
		return reached
	})
}

// A log that fails at any step loses what it says that it loses, and nothing else.
func TestLogWriterFails(t *testing.T) {
	testenv.FailNth(t, func(n int) (reached bool) {
		dir := logDir(t)
		l := logIn(t, dir, 100, 2)
		var err error
		reached = testenv.Fault(t, n, syscall.EIO, func() {
			for range 5 {
				l.Append(supervisor.Stdout, []byte(strings.Repeat("x", 40)))
			}
			err = l.Close()
		})
		lost := 0
		if err != nil {
			var e *LogError
			require.ErrorAs(t, err, &e)
			lost = e.Records
		}
		assert.Equal(t, 5-lost, len(all(t, dir, LogOptions{})), "%v", err)
		return reached
	})
}

// A reader that fails at any step says so, or did not need the step.
func TestReadLogFails(t *testing.T) {
	dir := logDir(t)
	file(t, dir, "log.1", record(epoch, 1, "a\n"))
	file(t, dir, "log", record(epoch, 2, "b\n"))
	for _, o := range []LogOptions{{}, {Tail: 2}, {Follow: true}} {
		testenv.FailNth(t, func(n int) (reached bool) {
			census := testenv.ProcessCensus(t)
			var got []string
			var failed error
			reached = testenv.Fault(t, n, syscall.EIO, func() {
				for r, err := range ReadLog(t.Context(), dir, o, func() (bool, error) { return false, nil }) {
					if err != nil {
						failed = err
						continue
					}
					got = append(got, string(r.Data))
				}
			})
			if failed == nil {
				assert.Equal(t, []string{"a\n", "b\n"}, got)
			} else {
				assert.ErrorIs(t, failed, syscall.EIO)
			}
			census.Check()
			return reached
		})
	}
}
