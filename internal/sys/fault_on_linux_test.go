//go:build faults

package sys_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coraclehq/coracle/internal/sys"
	"github.com/coraclehq/coracle/internal/testenv"
)

func TestNthCallFails(t *testing.T) {
	restore := sys.FailNth(2, sys.EIO)
	d, err := sys.Open("/", sys.O_PATH, 0)
	require.NoError(t, err)
	_, err = d.Stat()
	assert.EqualError(t, err, "fstat /: input/output error")
	_, err = d.Stat()
	assert.NoError(t, err)
	assert.Panics(t, func() { sys.FailNth(1, sys.EIO) })
	require.NoError(t, d.Close())
	calls, fired := restore()
	assert.Equal(t, 3, calls)
	assert.True(t, fired)
	trace, failed := sys.FaultTrace()
	assert.Equal(t, []string{"open", "fstat", "fstat"}, trace)
	assert.Equal(t, "fstat", failed)

	restore = sys.FailNth(1, sys.EIO)
	_, fired = restore()
	assert.False(t, fired)
	_, err = d.Dup()
	assert.ErrorIs(t, err, sys.EBADF, "disarmed")
}

// Whichever call of WriteFile fails, the old content or the new one is there,
// nothing else, and an error was returned; except where the name could not be
// brought to the disk, and both is true.
func TestWriteFileFailsWhole(t *testing.T) {
	for _, errno := range []syscall.Errno{sys.EIO, sys.ENOSPC} {
		faults := testenv.FailNth(t, func(n int) (reached bool) {
			c := testenv.ProcessCensus(t)
			d, err := sys.Open(t.TempDir(), sys.O_PATH|sys.O_DIRECTORY, 0)
			require.NoError(t, err)
			write(t, d, "f", "old")
			reached = testenv.Fault(t, n, errno, func() { err = d.WriteFile("f", []byte("new"), 0o600, true) })
			text := read(t, d, "f")
			names, nerr := d.Names()
			require.NoError(t, nerr)
			require.NoError(t, d.Close())
			if !reached {
				require.NoError(t, err)
				require.Equal(t, "new", text)
				return false
			}
			require.ErrorIs(t, err, errno)
			require.Contains(t, []string{"old", "new"}, text)
			require.Equal(t, []string{"f"}, names)
			c.Check()
			return true
		})
		assert.GreaterOrEqual(t, faults, 6)
	}
}

func TestRemoveAllFailsAndGoesOn(t *testing.T) {
	testenv.FailNth(t, func(n int) (reached bool) {
		c := testenv.ProcessCensus(t)
		dir := t.TempDir()
		require.NoError(t, os.MkdirAll(filepath.Join(dir, "tree/a/b"), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "tree/a/f"), nil, 0o600))
		d, err := sys.Open(dir, sys.O_PATH|sys.O_DIRECTORY, 0)
		require.NoError(t, err)
		reached = testenv.Fault(t, n, sys.EIO, func() { err = d.RemoveAll("tree") })
		_, gone := os.Stat(filepath.Join(dir, "tree"))
		if reached {
			require.ErrorIs(t, err, sys.EIO)
		} else {
			require.NoError(t, err)
			require.ErrorIs(t, gone, os.ErrNotExist)
		}
		require.NoError(t, d.RemoveAll("tree"), "the second try finishes")
		require.NoError(t, d.Close())
		c.Check()
		return reached
	})
}
