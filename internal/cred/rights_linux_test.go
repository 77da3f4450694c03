package cred

import (
	"slices"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coraclehq/coracle/internal/sys"
)

func TestDefaultCapabilities(t *testing.T) {
	t.Parallel()
	caps := DefaultCapabilities()
	assert.Len(t, caps, 11)
	for _, gone := range []string{"CAP_MKNOD", "CAP_AUDIT_WRITE", "CAP_SETFCAP", "CAP_SYS_ADMIN"} {
		assert.NotContains(t, caps, gone)
	}
	caps[0] = "changed"
	assert.NotEqual(t, "changed", DefaultCapabilities()[0], "shared")
}

// Limits above the own hard ones cannot be set without CAP_SYS_RESOURCE: a
// container must start all the same.
func TestClamp(t *testing.T) {
	t.Parallel()
	in := []specs.POSIXRlimit{
		{Type: "RLIMIT_CORE", Soft: 0, Hard: 0},
		{Type: "RLIMIT_NOFILE", Soft: sys.RLIM_INFINITY, Hard: sys.RLIM_INFINITY},
		{Type: "RLIMIT_WHAT", Soft: 1, Hard: 2},
	}
	before := slices.Clone(in)
	out, err := Clamp(in)
	require.NoError(t, err)
	assert.Equal(t, before, in)
	require.Len(t, out, len(in))
	assert.Equal(t, in[0], out[0])
	assert.Equal(t, in[2], out[2], "for the compiler to refuse")

	caps, err := sys.Capget(0)
	require.NoError(t, err)
	now, err := sys.Prlimit(0, sys.RLIMIT_NOFILE, nil)
	require.NoError(t, err)
	if sys.Has(caps.Effective, sys.CAP_SYS_RESOURCE) {
		assert.Equal(t, in, out)
		return
	}
	assert.Equal(t, specs.POSIXRlimit{Type: "RLIMIT_NOFILE", Soft: now.Max, Hard: now.Max}, out[1])
}
