//go:build faults

package union

import (
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coraclehq/coracle/internal/probe"
	"github.com/coraclehq/coracle/internal/sys"
	"github.com/coraclehq/coracle/internal/testenv"
)

// Each step of a view and of the check fails once: the error says so, and no
// descriptor, mount or file stays.
func TestEveryStepFails(t *testing.T) {
	testenv.Root(t)
	require.NoError(t, probe.Overlay.Check())
	require.NoError(t, probe.OverlayLowerdirAppend.Check())
	for _, tt := range []struct {
		name string
		op   func(*sys.FD) error
	}{
		{"View", func(d *sys.FD) error { return closed(View(d, []string{"a", "b"})) }},
		{"viewMounted", func(d *sys.FD) error { return closed(viewMounted(d, []string{"a", "b"})) }},
		{"Check", func(d *sys.FD) error { return Check(d) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			testenv.ProcessCensus(t)
			testenv.FailNth(t, func(n int) bool {
				_, fd := tree(t, "a/x", "b/y")
				var err error
				reached := testenv.Fault(t, n, syscall.EIO, func() { err = tt.op(fd) })
				if reached {
					assert.ErrorIs(t, err, syscall.EIO)
				} else {
					assert.NoError(t, err)
				}
				return reached
			})
		})
	}
}

func closed(d *sys.FD, err error) error {
	if err != nil {
		return err
	}
	return d.Close()
}
