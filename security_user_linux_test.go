package coracle

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// hostileUsers are values of USER that another reading makes root of.
var hostileUsers = []string{
	"2147483648", "4294967295", "4294967296", "4294967297:0", "18446744073709551616", "-1", "-0", "+0", "+1", "0x0", "0X0", "0b0", "00x", "0_0",
	"1e9", "1000:", ":", ":0", ":1000", "1000:-1", "1000:4294967296", "1000:+0", "1000:1000:0", " 0", "0 ", "\t0", "0\n", "٠", "０", "１", "²", "1000:１",
	"evil\x00", "nosuch", "app:nosuch",
}

// A USER that is no name of the image's and no number from 0 to 2^31-1 is refused,
// also where the image's passwd names it, and root says so; nothing of it becomes
// user 0 (CVE-2024-40635, CVE-2026-30892, CVE-2026-46680). The control reads the
// number and looks names up as C programs do.
func TestUsersThatAreNone(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	base := hostileImage(t, e, ImageConfig{}, func(root string) {
		var passwd, group strings.Builder
		for _, u := range hostileUsers {
			name, _, _ := strings.Cut(u, ":")
			if name != "nosuch" && name != "app" {
				passwd.WriteString(name + ":x:0:0:root:/:/bin/sh\n")
				group.WriteString(name + ":x:0:\n")
			}
		}
		passwd.WriteString("app:x:1000:1000::/:/bin/sh\n")
		require.NoError(t, os.WriteFile(filepath.Join(root, "etc/passwd"), []byte(passwd.String()), 0o644))
		require.NoError(t, os.WriteFile(filepath.Join(root, "etc/group"), []byte(group.String()), 0o644))
	})
	layers, err := base.Layers(t.Context())
	require.NoError(t, err)
	running := of(t, e, base, Config{}, "sleep", "1000")
	require.NoError(t, running.Start(t.Context(), IO{}))
	naive := 0
	for _, user := range hostileUsers {
		var failed *Error
		_, err := e.Create(t.Context(), base, Config{Cmd: Cmd{Args: []string{"id"}, User: user}})
		assert.ErrorIs(t, err, ErrInvalid, "%q", user)
		assert.ErrorAs(t, err, &failed)
		_, err = running.Exec(t.Context(), Cmd{Args: []string{"id"}, User: user}, IO{})
		assert.ErrorIs(t, err, ErrInvalid, "exec %q", user)
		if img, err := e.NewImage(t.Context(), "", FromLayers(ImageConfig{User: user, Cmd: []string{"id"}}, layers...)); err == nil {
			_, err = e.Create(t.Context(), img, Config{})
			assert.ErrorIs(t, err, ErrInvalid, "image %q", user)
		} else {
			assert.ErrorIs(t, err, ErrInvalid, "image %q", user)
		}
		name, _, _ := strings.Cut(user, ":")
		if n, err := strconv.ParseInt(strings.TrimSpace(name), 0, 64); err == nil && int32(n) == 0 || err != nil && name != "nosuch" && name != "app" {
			naive++ // wrapped to 0, or found in passwd as such
		}
	}
	require.NoError(t, running.Remove(t.Context(), true))
	assert.Empty(t, entries(t, filepath.Join(e.store.Path(), "containers")), "nothing is left of what was refused")
	require.Greater(t, naive, 10, "the control")
	t.Logf("%d users, in image, run and exec; %d of them root to the naive reader", len(hostileUsers), naive)
}

const (
	accountsVar = "CORACLE_TEST_ACCOUNTS"
	mostMemory  = "VmHWM:" // of /proc/self/status
)

// accounts are things that an image has in the place of passwd and group, or that a
// container puts there.
var accounts = map[string]func(file, canary string) error{
	"as they are":    func(string, string) error { return nil },
	"link out":       func(file, canary string) error { return os.Symlink(canary, file) },
	"link upwards":   func(file, canary string) error { return os.Symlink("../../../../../../.."+canary, file) },
	"link to device": func(file, _ string) error { return os.Symlink("/dev/zero", file) },
	"link to proc":   func(file, _ string) error { return os.Symlink("/proc/self/root"+file, file) },
	"FIFO":           func(file, _ string) error { return syscall.Mkfifo(file, 0o644) },
	"device":         func(file, _ string) error { return syscall.Mknod(file, syscall.S_IFCHR|0o666, 1<<8|5) },
	"directory":      func(file, _ string) error { return os.Mkdir(file, 0o755) },
	"sparse file of 1 GiB": func(file, _ string) error {
		return errors.Join(os.WriteFile(file, nil, 0o644), os.Truncate(file, 1<<30))
	},
	"5 million users": func(file, _ string) error {
		return os.WriteFile(file, []byte(strings.Repeat("u:x:1:1\n", 5_000_000)), 0o644)
	},
}

// TestAccountsChild is a process that makes containers of an image with such files
// and runs a process in one; on its own it does nothing. Its memory is measured.
func TestAccountsChild(t *testing.T) {
	dir := os.Getenv(accountsVar)
	if dir == "" {
		return
	}
	ctx := context.Background()
	e, err := Open(dir, nil)
	require.NoError(t, err)
	c, err := e.Container(ctx, "running")
	require.NoError(t, err)
	require.NoError(t, c.Start(ctx, IO{}))
	img, err := e.Image(ctx, "hostile")
	require.NoError(t, err)
	found := map[string]string{}
	note := func(how string, f func() error) {
		begin := time.Now()
		found[how] = "ok"
		if err := f(); errors.Is(err, ErrInvalid) {
			found[how] = "refused"
		} else if err != nil {
			found[how] = err.Error()
		}
		if d := time.Since(begin); d > 2*time.Second {
			found[how] += " after " + d.String()
		}
	}
	for _, user := range []string{"app", "1000", "0:wheel"} {
		note("create "+user, func() error {
			_, err := e.Create(ctx, img, Config{Cmd: Cmd{Args: []string{"true"}, User: user}})
			return err
		})
		note("exec "+user, func() error {
			p, err := c.Exec(ctx, Cmd{Args: []string{"sh", "-c", `test "$(id -u)" != 4242`}, User: user}, IO{})
			if err == nil {
				err = p.Wait(ctx)
			}
			return err
		})
	}
	require.NoError(t, c.Remove(ctx, true))
	require.NoError(t, e.Close())
	status, err := os.ReadFile("/proc/self/status")
	require.NoError(t, err)
	_, found[mostMemory], _ = strings.Cut(string(status), mostMemory)
	data, err := json.Marshal(found)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(os.Getenv(accountsVar+"_RESULT"), data, 0o600))
}

// Who is who in an image is never read from the host, from what blocks or has no
// end, and in little memory (CVE-2024-9341, CVE-2024-9676, CVE-2026-47262).
func TestAccountFilesOfImages(t *testing.T) {
	t.Parallel()
	canary := filepath.Join(t.TempDir(), "passwd")
	require.NoError(t, os.WriteFile(canary, []byte("app:x:4242:4242::/:/bin/sh\nwheel:x:4242:\n"), 0o644))
	base := 0
	names := []string{"as they are"}
	for name := range accounts {
		if name != names[0] {
			names = append(names, name)
		}
	}
	for _, name := range names {
		e := testEngine(t)
		img := hostileImage(t, e, ImageConfig{}, nil)
		require.NoError(t, img.Tag(t.Context(), "hostile"))
		of(t, e, img, Config{Name: "running"}, "sleep", "1000")
		tree := layerTree(t, e, img)
		for _, file := range []string{"etc/passwd", "etc/group"} {
			if name != names[0] {
				require.NoError(t, os.Remove(filepath.Join(tree, file)))
			}
			require.NoError(t, accounts[name](filepath.Join(tree, file), canary), name)
		}

		result := filepath.Join(t.TempDir(), "result")
		cmd := exec.Command(os.Args[0], "-test.run=^TestAccountsChild$")
		cmd.Env = append(os.Environ(), accountsVar+"="+e.store.Path(), accountsVar+"_RESULT="+result)
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s: %s", name, out)
		data, err := os.ReadFile(result)
		require.NoError(t, err)
		var found map[string]string
		require.NoError(t, json.Unmarshal(data, &found))
		var memory int
		_, err = fmt.Sscan(found[mostMemory], &memory) // KiB
		require.NoError(t, err)
		delete(found, mostMemory)
		for how, what := range found {
			assert.Contains(t, []string{"ok", "refused"}, what, "%s, %s", name, how)
		}
		if base == 0 {
			base = memory
		}
		assert.Less(t, memory-base, 64<<10, name)
		t.Logf("%s: %d KiB more, %v", name, memory-base, found)

		switch file := filepath.Join(tree, "etc/passwd"); name {
		case "link out":
			data, err := os.ReadFile(file)
			require.NoError(t, err)
			require.Contains(t, string(data), "4242", "the control")
		case "FIFO":
			_, err := os.OpenFile(file, os.O_WRONLY|syscall.O_NONBLOCK, 0)
			require.ErrorIs(t, err, syscall.ENXIO, "the control: a reader would wait")
		}
	}
}
