package supervisor

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coraclehq/coracle/internal/script"
	"github.com/coraclehq/coracle/internal/sys"
	"github.com/coraclehq/coracle/internal/testenv"
)

// Whichever system call fails: either the start fails, with the op's name, or the
// process is watched, and gone when the host is. Nothing is left in either case.
func TestEachCallFails(t *testing.T) {
	t.Parallel()
	for _, terminal := range []bool{false, true} {
		var ops []script.Line
		started, failed := 0, 0
		testenv.FailNth(t, func(n int) (reached bool) {
			if n > 1 && n > len(ops) {
				return false
			}
			if n > 1 && !canFail(ops[n-1].Call) {
				return true
			}
			b := bareBox(t).locked().listening()
			if terminal {
				b.onTerminal()
			} else {
				b.logged()
			}
			b.LogLimit, b.LogFiles = 1, 1 // every record rotates
			b.FailAt = n
			defer b.close()
			err := b.tryStart("echo x; echo y >&2; read x; sleep 60")
			ops = b.program.Lines()
			if err != nil {
				failed++
			} else {
				started++
				require.NoError(t, b.leave())
				assert.True(t, ready(b.pidfd, patience), "op %d, %+v: the process lives on", n, ops[n-1])
			}
			assert.True(t, ready(b.helper.PIDFD, patience), "op %d, %+v: the supervisor lives on", n, ops[n-1])
			return true
		})
		t.Logf("%d starts failed, %d processes ran", failed, started)
	}
	assert.Empty(t, marked(filepath.Dir(t.TempDir())))
}

// canFail says whether a call can fail and leave things as they were: close(2)
// releases the descriptor in any case.
func canFail(c script.Call) bool {
	return c != script.Add && c != script.Exit && c != script.ExitGroup && c != script.Close
}

// leave is a viewer that comes, and then a host that goes.
func (b *box) leave() error {
	if s, err := b.dir.ConnectUnix("ctl", sys.SOCK_STREAM); err == nil {
		ready(s, 100*time.Millisecond)
		s.Close()
	}
	host := b.host
	b.host = nil
	return host.Close()
}
