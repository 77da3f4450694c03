package cgroup

import (
	"testing"

	"github.com/containerd/cgroups/v3"
	"github.com/stretchr/testify/require"
)

// What Find says of this machine is what containerd's library says.
func TestModeAgrees(t *testing.T) {
	h, err := Find()
	require.NoError(t, err)
	defer h.Close()
	want := map[cgroups.CGMode]Mode{cgroups.Unavailable: Unavailable, cgroups.Legacy: Legacy, cgroups.Hybrid: Hybrid, cgroups.Unified: Unified}
	require.Equal(t, want[cgroups.Mode()], h.Mode())
}
