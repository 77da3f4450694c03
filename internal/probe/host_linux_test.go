package probe_test

import (
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coraclehq/coracle/internal/probe"
	"github.com/coraclehq/coracle/internal/testenv"
)

// What a feature answers agrees with the kernel's version: a kernel that is new
// enough has it, as far as nothing but the version decides, and an older one has
// not.
func TestFeaturesAgreeWithTheVersion(t *testing.T) {
	t.Parallel()
	testenv.Root(t)
	k := probe.Kernel()
	require.NotZero(t, k.Major)
	for _, f := range probe.All() {
		err := f.Check()
		t.Logf("%-40s %v", f.Name, err)
		require.NotEmpty(t, f.Name)
		switch {
		case f.Name == probe.UserNamespaces.Name || f.Name == probe.CgroupKill.Name:
			// The host's settings decide too.
		case err != nil && f.Name != probe.Overlay.Name && f.Name != probe.TimeNamespace.Name:
			assert.False(t, k.AtLeast(f.Kernel), "%s on %s: %v", f.Name, k, err)
		case err == nil:
			assert.True(t, k.AtLeast(f.Kernel), "%s on %s", f.Name, k)
		}
	}
}

func TestProbesLeaveNothing(t *testing.T) {
	testenv.Root(t)
	testenv.Census(t)
	testenv.ProcessCensus(t)
	for range 3 {
		for _, f := range probe.All() {
			assert.Equal(t, f.Supported(), f.Again() == nil, f.Name)
		}
	}
}

// On an older kernel, or in a sandbox, the answer is that of the call.
func TestFeaturesOfAnOlderKernel(t *testing.T) {
	t.Parallel()
	testenv.Root(t)
	for _, errno := range []syscall.Errno{syscall.ENOSYS, syscall.EPERM} {
		for _, tt := range []struct {
			call string
			f    probe.Feature
		}{
			{"clone3", probe.Clone3},
			{"clone3", probe.CloneIntoCgroup},
			{"close_range", probe.CloseRange},
			{"pidfd_open", probe.PidFD},
			{"pidfd_send_signal", probe.PidFD},
			{"waitid", probe.PidFD},
			{"openat2", probe.Openat2},
			{"fsopen", probe.MountAPI},
			{"fsopen", probe.Overlay},
			{"fsconfig", probe.OverlayLowerdirAppend},
			{"fsconfig", probe.OverlayLayerFD},
			{"mount_setattr", probe.MountSetattr},
			{"mount_setattr", probe.IDMappedMounts},
			{"memfd_create", probe.MemfdExec},
			{"seccomp", probe.SeccompFilter},
		} {
			var err error
			testenv.WithoutCalls(t, errno, []string{tt.call}, func() { err = tt.f.Again() })
			assert.ErrorIs(t, err, errno, "%s without %s", tt.f.Name, tt.call)
		}
	}
}

func TestRootPrivileges(t *testing.T) {
	t.Parallel()
	testenv.Root(t)
	assert.NoError(t, probe.Root())
	assert.NoError(t, probe.ExecutableMemfd())
	testenv.WithoutCalls(t, syscall.EACCES, []string{"memfd_create"}, func() {
		var u *probe.UnsupportedError
		require.ErrorAs(t, probe.ExecutableMemfd(), &u)
		assert.Contains(t, u.Error(), "vm.memfd_noexec")
	})
}
