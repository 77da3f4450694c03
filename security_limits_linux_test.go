package coracle

import (
	"bytes"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coraclehq/coracle/internal/sys"
)

// A spec that asks for more than the host program may give is carried out as far as
// that goes, the default too.
func TestLimitsAboveTheHostPrograms(t *testing.T) {
	t.Parallel()
	var own syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &own))
	caps, err := sys.Capget(0)
	require.NoError(t, err)
	if sys.Has(caps.Effective, sys.CAP_SYS_RESOURCE) {
		t.Skip("this machine gives CAP_SYS_RESOURCE")
	}
	e := testEngine(t)
	img := hostileImage(t, e, ImageConfig{}, nil)
	const script = "ulimit -Hn; ulimit -Sn; ulimit -Hc; cat /proc/self/oom_score_adj"
	score, err := os.ReadFile("/proc/self/oom_score_adj")
	require.NoError(t, err)
	for name, tt := range map[string]struct {
		spec       func(*specs.Spec) error
		soft, hard uint64
		score      string
	}{
		"default": {nil, 65536, 524288, "200\n"},
		"more than there is": {func(s *specs.Spec) error {
			s.Process.Rlimits[1].Soft, s.Process.Rlimits[1].Hard = 1<<30, 1<<30
			*s.Process.OOMScoreAdj = -1000
			return nil
		}, 1 << 30, 1 << 30, string(score)},
	} {
		want := strings.Join([]string{
			strconv.FormatUint(min(tt.hard, own.Max), 10), strconv.FormatUint(min(tt.soft, own.Max), 10), "0", tt.score,
		}, "\n")
		c := of(t, e, img, Config{Spec: tt.spec}, "sh", "-c", script+"; exec sleep 1000")
		out := newSink(want)
		require.NoError(t, c.Start(t.Context(), IO{Stdout: out}))
		out.wait(t)
		assert.Equal(t, want, out.String(), name)
		assert.Equal(t, want, outputOfExec(t, c, Cmd{Args: []string{"sh", "-c", script}}), name)
		require.NoError(t, c.Remove(t.Context(), true))
	}
	more := syscall.Rlimit{Cur: own.Cur, Max: own.Max + 1}
	require.ErrorIs(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &more), syscall.EPERM, "the control")
	require.Error(t, os.WriteFile("/proc/self/oom_score_adj", []byte("-1000"), 0), "the control")
}

// A program that crashes leaves no core file on the host, not even in a directory of
// its own. The control is the same program where the limit allows one.
func TestCrashLeavesNoCore(t *testing.T) {
	t.Parallel()
	pattern, err := os.ReadFile("/proc/sys/kernel/core_pattern")
	require.NoError(t, err)
	if bytes.ContainsAny(pattern, "|@/") {
		t.Skipf("core files of this machine go to %s", pattern)
	}
	e := testEngine(t)
	img := hostileImage(t, e, ImageConfig{}, nil)
	crash := func(spec func(*specs.Spec) error) []string {
		dir := t.TempDir()
		require.NoError(t, os.Chmod(dir, 0o777))
		var status syscall.WaitStatus = 11
		c := of(t, e, img, Config{Mounts: []Mount{{Source: dir, Target: "/crash"}}, Cmd: Cmd{Dir: "/crash"}, Spec: spec},
			"sh", "-c", "sh -c 'kill -SEGV $$'; echo $?; echo changed > /proc/sys/kernel/core_pattern")
		var out bytes.Buffer
		require.Error(t, c.Run(t.Context(), IO{Stdout: &out, Stderr: &out}))
		assert.Contains(t, out.String(), strconv.Itoa(128+int(status.Signal())))
		assert.Contains(t, out.String(), "Read-only file system")
		return entries(t, dir)
	}
	assert.Empty(t, crash(nil))
	var own syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_CORE, &own))
	if own.Max == 0 {
		t.Skip("no control: this program may not leave core files itself")
	}
	assert.NotEmpty(t, crash(func(s *specs.Spec) error {
		s.Process.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_CORE", Soft: own.Max, Hard: own.Max}}
		return nil
	}), "the control")
	after, err := os.ReadFile("/proc/sys/kernel/core_pattern")
	require.NoError(t, err)
	assert.Equal(t, string(pattern), string(after))
}
