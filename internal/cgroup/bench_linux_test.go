package cgroup

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// BenchmarkCreate measures the cgroup steps of a start: make, hand out the
// descriptors, close, remove.
func BenchmarkCreate(b *testing.B) {
	h := testHost(b)
	for i := 0; b.Loop(); i++ {
		g, err := h.Create("0123456789abcdef", strconv.Itoa(i), Limits{Pids: 4096})
		require.NoError(b, err)
		b.StopTimer()
		for _, d := range g.Dirs {
			require.NoError(b, d.Parent.Rmdir(d.Name))
		}
		require.NoError(b, g.Close())
		b.StartTimer()
	}
}

// BenchmarkOpen measures the cgroup steps of an exec.
func BenchmarkOpen(b *testing.B) {
	h := testHost(b)
	g, err := h.Create("0123456789abcdef", "one", Limits{Pids: 4096})
	require.NoError(b, err)
	for b.Loop() {
		g, err := h.Open("0123456789abcdef", "one")
		require.NoError(b, err)
		require.NoError(b, g.Close())
	}
	require.NoError(b, g.Remove(b.Context()))
	require.NoError(b, g.Close())
}
