//go:build faults

package cgroup

import (
	"context"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coraclehq/coracle/internal/testenv"
)

// Each system call fails once. The error says so, and after the Host is closed
// no group and no descriptor is left.
func TestEveryStepFails(t *testing.T) {
	for _, tt := range []struct {
		name string
		op   func(h *Host) (*Group, error)
	}{
		{"Create", func(h *Host) (*Group, error) {
			return h.Create(store, "a", Limits{Pids: 9, CPUShares: 100, CPUs: "0"})
		}},
		{"Leave", func(h *Host) (*Group, error) {
			for i := range h.infos {
				h.infos[i].Own = "/elsewhere"
			}
			return h.Leave(store)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			testenv.ProcessCensus(t)
			testenv.FailNth(t, func(n int) bool {
				h, done := newHost(t)
				defer done()
				var g *Group
				var err error
				reached := testenv.Fault(t, n, syscall.EIO, func() { g, err = tt.op(h) })
				if reached {
					assert.ErrorIs(t, err, syscall.EIO)
					assert.Nil(t, g)
				} else {
					require.NoError(t, err)
					assert.NoError(t, g.Remove(context.Background()))
					assert.NoError(t, g.Close())
				}
				ids, err := h.Groups(store)
				assert.NoError(t, err)
				assert.Empty(t, ids)
				return reached
			})
		})
	}
}

// Finding the hierarchies, with each step failed once: no descriptor is lost.
func TestFindFails(t *testing.T) {
	testenv.ProcessCensus(t)
	testenv.FailNth(t, func(n int) bool {
		var h *Host
		var err error
		reached := testenv.Fault(t, n, syscall.EMFILE, func() { h, err = Find() })
		if err == nil {
			assert.NoError(t, h.Close())
		}
		return reached
	})
}
