package coracle

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coraclehq/coracle/internal/testenv"
)

// joins are the ways in which the attacks on what joins a container are made: as
// any image can, and as one that was given CAP_SYS_PTRACE, to which no process in
// its sight is closed for being undumpable.
var joins = []struct {
	name string
	caps []string
}{{"default", nil}, {"with CAP_SYS_PTRACE", []string{"CAP_SYS_PTRACE"}}}

// The program of the host, and the helper, cannot be overwritten by way of
// /proc/PID/exe while processes join a container (CVE-2019-5736). The control is a
// runtime that joins with its own binary.
func TestHostProgramIsNeverOverwritten(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	img := hostileImage(t, e, ImageConfig{}, nil)
	self, err := os.Executable()
	require.NoError(t, err)
	before := sum(t, self)
	for _, tt := range joins {
		t.Run(tt.name, func(t *testing.T) {
			a := attackFrom(t, of(t, e, img, Config{Spec: withCaps(tt.caps...)}, "attack", "exes"))
			n := testenv.Scale(t, 200)
			for range n {
				outputOfExec(t, a.Container, Cmd{Args: []string{"true"}})
			}
			var counts map[string]map[string]int
			a.stop(&counts)
			for name, outcomes := range counts {
				assert.Zero(t, outcomes["write: ok"], name)
			}
			t.Logf("%d processes joined; what the attack met: %v", n, counts)
		})
	}
	assert.Equal(t, before, sum(t, self))

	t.Run("control", func(t *testing.T) {
		victim := attackFile(t)
		a := attackFrom(t, of(t, e, img, Config{Spec: withCaps("CAP_SYS_PTRACE")}, "attack", "exes"))
		cmd := exec.Command(victim, "join", strconv.Itoa(a.pid()), t.TempDir())
		input, err := cmd.StdinPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		time.Sleep(200 * time.Millisecond) // for the attack to see it, before it ends
		require.NoError(t, input.Close())
		require.NoError(t, cmd.Wait())
		require.Eventually(t, func() bool {
			data, err := os.ReadFile(victim)
			return err == nil && strings.HasPrefix(string(data), "OVERWRITTEN")
		}, 20*time.Second, 10*time.Millisecond)
		a.stop(new(map[string]map[string]int))
	})
}

// A program of the image that is /proc/self/exe, as a link or in its first line, is
// not the host's program (CVE-2019-5736, too), neither in run nor in exec.
func TestImageCannotRunTheHostProgram(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	files := func(root string) {
		require.NoError(t, os.Symlink("/proc/self/exe", filepath.Join(root, "entry")))
		require.NoError(t, os.WriteFile(filepath.Join(root, "script"), []byte("#!/proc/self/exe\n"), 0o755))
	}
	img := hostileImage(t, e, ImageConfig{}, files)
	running := of(t, e, img, Config{}, "sleep", "1000")
	require.NoError(t, running.Start(t.Context(), IO{}))
	for _, entry := range []string{"/entry", "/script"} {
		out := newSink("never")
		err := of(t, e, img, Config{}, entry).Run(t.Context(), IO{Stdout: out, Stderr: out})
		assert.ErrorAs(t, err, new(*StartError))
		assert.ErrorContains(t, err, "/proc/self/exe", "run %s", entry)
		p, err := running.Exec(t.Context(), Cmd{Args: []string{entry}}, IO{Stdout: out, Stderr: out})
		if err == nil {
			err = p.Wait(t.Context())
		}
		assert.ErrorAs(t, err, new(*StartError))
		assert.ErrorContains(t, err, "/proc/self/exe", "exec %s", entry)
		assert.Empty(t, out.String())

		said, err := naive(t, "chroot", hostileTree(t, files), entry)
		require.NoError(t, err, "%s", said)
		require.Contains(t, said, "the host's program runs", "the control")
	}
	require.NoError(t, running.Remove(t.Context(), true))
}

// A process that joins a container shows nothing of the host to it on its way
// (CVE-2016-9962): no descriptor, root or working directory, even to those who may
// look into any process. The control is a runtime that holds a directory open, and
// is in the container's pid namespace before it is in the others.
func TestJoiningProcessShowsNothingOfTheHost(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	img := hostileImage(t, e, ImageConfig{}, nil)
	canary := canaryDir(t)
	secret := filepath.Join(canary, "file")
	for _, tt := range joins {
		t.Run(tt.name, func(t *testing.T) {
			a := attackFrom(t, of(t, e, img, Config{Spec: withCaps(tt.caps...)}, "attack", "links", secret))
			n := testenv.Scale(t, 200)
			for range n {
				outputOfExec(t, a.Container, Cmd{Args: []string{"true"}})
			}
			var counts map[string]int
			a.stop(&counts)
			assert.Zero(t, counts["REACHED"])
			for what := range counts {
				assert.False(t, strings.HasPrefix(what, "foreign") && !strings.Contains(what, "memfd:"), what)
			}
			t.Logf("%d processes joined; what the attack met: %v", n, counts)
		})
	}

	t.Run("control", func(t *testing.T) {
		a := attackFrom(t, of(t, e, img, Config{Spec: withCaps("CAP_SYS_PTRACE")}, "attack", "links", secret))
		cmd := exec.Command(attackFile(t), "join", strconv.Itoa(a.pid()), canary)
		cmd.Stdout = io.Discard
		input, err := cmd.StdinPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		time.Sleep(200 * time.Millisecond)
		require.NoError(t, input.Close())
		require.NoError(t, cmd.Wait())
		var counts map[string]int
		a.stop(&counts)
		require.Positive(t, counts["REACHED"], "%v", counts)
	})
}
