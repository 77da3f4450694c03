package coracle

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coraclehq/coracle/internal/sys"
	"github.com/coraclehq/coracle/internal/testenv"
)

// exchange swaps two names in a directory of the host until the test ends.
func exchange(t testing.TB, a, b string) {
	dir, err := sys.Open(filepath.Dir(a), sys.O_RDONLY|sys.O_DIRECTORY, 0)
	require.NoError(t, err)
	stop := make(chan struct{})
	var done sync.WaitGroup
	n := 0
	done.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			if err := dir.Exchange(filepath.Base(a), dir, filepath.Base(b)); err != nil {
				t.Error(err)
				return
			}
			n++
		}
	})
	t.Cleanup(func() {
		close(stop)
		done.Wait()
		assert.NoError(t, dir.Close())
		t.Logf("%s was exchanged %d times", filepath.Base(a), n)
	})
}

// hostileDevices are two things each that the image has for null, console and a
// terminal: links to what lie.
func hostileDevices(t testing.TB, null, other string) func(root string) {
	return func(root string) {
		dev := filepath.Join(root, "dev")
		require.NoError(t, os.Mkdir(filepath.Join(dev, "pts"), 0o755))
		for _, name := range []string{"null", "console", "ptmx", "pts/0", "pts/ptmx"} {
			to := other
			if name == "null" {
				to = null
			}
			require.NoError(t, os.Symlink(to, filepath.Join(dev, name)))
			require.NoError(t, os.WriteFile(filepath.Join(dev, name+".2"), []byte("from the image"), 0o666))
		}
	}
}

// What is masked shows nothing and takes nothing in, whatever the image has for
// /dev/null and however that changes meanwhile (CVE-2025-31133): it is the
// container's own device that lies over files. The control looks without masks, and
// at what the image's null would have put there.
func TestMasksAreNotTheImages(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	before, err := os.ReadFile("/proc/sys/kernel/core_pattern")
	require.NoError(t, err)
	img := hostileImage(t, e, ImageConfig{}, hostileDevices(t, "/proc/sys/kernel/core_pattern", canaryDir(t)))
	dev := filepath.Join(layerTree(t, e, img), "dev")
	exchange(t, filepath.Join(dev, "null"), filepath.Join(dev, "null.2"))

	var masked []string
	first := of(t, e, img, Config{Spec: func(s *specs.Spec) error { masked = s.Linux.MaskedPaths; return nil }}, "true")
	require.NoError(t, first.Run(t.Context(), IO{}))
	require.Greater(t, len(masked), 20)
	look := append([]string{"attack", "masks"}, masked...)
	seen := func(cfg Config) (found map[string]string) {
		c := of(t, e, img, cfg, look...)
		var out bytes.Buffer
		assert.NoError(t, c.Run(t.Context(), IO{Stdout: &out, Stderr: &out}), "%s", &out)
		assert.NoError(t, json.Unmarshal(out.Bytes(), &found), "%s", &out)
		assert.NoError(t, c.Remove(t.Context(), false))
		return found
	}
	n := testenv.Scale(t, 500)
	var all sync.WaitGroup
	work := make(chan int)
	for range 8 {
		all.Go(func() {
			for range work {
				for path, is := range seen(Config{}) {
					switch is {
					case "no such file or directory", "file of 0 ok", "directory of 0 ok, make in it: read-only file system",
						"directory of 0 ok, make in it: no such file or directory": // that of sysfs itself, in which nothing can be made
					default:
						t.Errorf("%s: %s", path, is)
					}
				}
			}
		})
	}
	for i := range n {
		work <- i
	}
	close(work)
	all.Wait()
	after, err := os.ReadFile("/proc/sys/kernel/core_pattern")
	require.NoError(t, err)
	require.Equal(t, string(before), string(after))

	open := 0
	for _, is := range seen(Config{Spec: func(s *specs.Spec) error { s.Linux.MaskedPaths = nil; return nil }}) {
		if strings.HasPrefix(is, "directory of ") && !strings.HasPrefix(is, "directory of 0 ") || strings.HasPrefix(is, "file of ") && is != "file of 0 ok" {
			open++
		}
	}
	require.Greater(t, open, 3, "the control: places that tell something without masks")
	// And that with the image's null in their place they would show it.
	root := hostileTree(t, hostileDevices(t, "/proc/sys/kernel/core_pattern", "/"))
	data, err := os.ReadFile(filepath.Join(root, "dev/null"))
	require.NoError(t, err)
	require.Equal(t, string(before), string(data), "the control")
}

// A terminal is the container's own, by descriptor, whatever the image or a process
// inside puts in the place of /dev/console, /dev/pts and /dev/null meanwhile
// (CVE-2025-52565). The control opens the console by its name.
func TestTerminalIsNotTheImages(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	// Mounted at the same path, so that a link leads to it inside and outside.
	canary := canaryDir(t)
	events := opens(t, canary)
	secret := filepath.Join(canary, "file")
	img := hostileImage(t, e, ImageConfig{}, hostileDevices(t, secret, secret))
	dev := filepath.Join(layerTree(t, e, img), "dev")
	exchange(t, filepath.Join(dev, "console"), filepath.Join(dev, "console.2"))
	exchange(t, filepath.Join(dev, "pts/0"), filepath.Join(dev, "pts/0.2"))

	mounts := []Mount{{Source: canary, Target: canary}}
	// One process, which opens nothing itself: a shell opens /dev/null for others.
	const inside = `for n in null console ptmx tty; do ln -s $SECRET /dev/$n.2; done; mv /dev/pts /dev/other 2>&1
exec attack swap /dev/null /dev/null.2 /dev/console /dev/console.2 /dev/ptmx /dev/ptmx.2 /dev/tty /dev/tty.2`
	racer := of(t, e, img, Config{Mounts: mounts, Cmd: Cmd{Env: []string{"SECRET=" + secret}, Terminal: true}}, "sh", "-c", inside)
	ready := newSink("ready")
	require.NoError(t, racer.Start(t.Context(), IO{Stdout: ready}))
	ready.wait(t)

	n := testenv.Scale(t, 300)
	terminal, links := 0, 0
	for range n {
		var out bytes.Buffer
		c := of(t, e, img, Config{Mounts: mounts, Cmd: Cmd{Terminal: true}}, "sh", "-c", "tty; test -c /dev/console && test -t 0 && echo is one")
		require.NoError(t, c.Run(t.Context(), IO{Stdout: &out}))
		assert.Equal(t, "/dev/pts/0\r\nis one\r\n", out.String())
		require.NoError(t, c.Remove(t.Context(), false))

		out.Reset()
		p, err := racer.Exec(t.Context(), Cmd{Args: []string{"sh", "-c", "test -t 0 && echo is one; test -L /dev/null && echo link"}, Terminal: true}, IO{Stdout: &out})
		if err != nil {
			continue
		}
		p.Wait(t.Context())
		if strings.Contains(out.String(), "is one") {
			terminal++
		}
		if strings.Contains(out.String(), "link") {
			links++
		}
		if p, err := racer.Exec(t.Context(), Cmd{Args: []string{"true"}}, IO{}); err == nil { // with the container's null
			p.Wait(t.Context())
		}
	}
	assert.Zero(t, events(), "the canary was opened")
	t.Logf("%d runs and execs with a terminal; %d of the execs had one, %d met /dev/null as a link", n, terminal, links)
	assert.Positive(t, links, "the racer inside does not race")
	require.NoError(t, racer.Remove(t.Context(), true))

	for deadline := time.Now().Add(20 * time.Second); events() == 0; {
		require.True(t, time.Now().Before(deadline), "the control: the racer never wins")
		if f, err := os.Open(filepath.Join(dev, "console")); err == nil {
			f.Close()
		}
	}
}
