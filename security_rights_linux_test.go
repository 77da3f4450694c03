package coracle

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coraclehq/coracle/internal/sys"
)

// rightsVar, in the environment, says what a test process with more rights than it
// should have is to do: rightsOrder as JSON.
const rightsVar = "CORACLE_TEST_RIGHTS"

type rightsOrder struct{ Store, Script, Result string }

// TestRightsChild is that process; on its own it does nothing. It runs a script as a
// container, as root and as a user in another one, and itself: the control.
func TestRightsChild(t *testing.T) {
	text := os.Getenv(rightsVar)
	if text == "" {
		return
	}
	var order rightsOrder
	require.NoError(t, json.Unmarshal([]byte(text), &order))
	ctx := context.Background()
	e, err := Open(order.Store, nil)
	require.NoError(t, err)
	found := map[string]string{}
	first, err := e.Container(ctx, "first")
	require.NoError(t, err)
	found["run"] = output(t, first)
	other, err := e.Container(ctx, "other")
	require.NoError(t, err)
	require.NoError(t, other.Start(ctx, IO{}))
	for name, user := range map[string]string{"exec": "", "exec as user": "app", "exec as number": "2000"} {
		found[name] = outputOfExec(t, other, Cmd{Args: []string{"sh", "-c", order.Script}, User: user})
	}
	require.NoError(t, other.Remove(ctx, true))
	require.NoError(t, e.Close())
	out, err := exec.Command("sh", "-c", order.Script).CombinedOutput()
	require.NoError(t, err, "%s", out)
	found["control"] = string(out)
	data, err := json.Marshal(found)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(order.Result, data, 0o600))
}

// withRights runs a script in containers of a host program that has inheritable and
// ambient capabilities, supplementary groups and a key in its session keyring, and
// in that program itself. It returns what the script wrote in each.
func withRights(t *testing.T, spec func(*specs.Spec) error, script string) map[string]string {
	e := testEngine(t)
	img := hostileImage(t, e, ImageConfig{}, nil)
	of(t, e, img, Config{Name: "first", Spec: spec}, "sh", "-c", script)
	of(t, e, img, Config{Name: "other", Spec: spec}, "sleep", "1000")
	attack := attackFile(t)
	order := rightsOrder{Store: e.store.Path(), Script: script, Result: filepath.Join(t.TempDir(), "result")}
	text, err := json.Marshal(order)
	require.NoError(t, err)
	cmd := exec.Command(attack, "keyring", os.Args[0], "-test.run=^TestRightsChild$")
	cmd.Env = append(os.Environ(), rightsVar+"="+string(text), "PATH="+filepath.Dir(attack)+":"+os.Getenv("PATH"))
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Credential:  &syscall.Credential{Groups: []uint32{0, 4, 27, 999}},
		AmbientCaps: []uintptr{sys.CAP_CHOWN, sys.CAP_SYS_ADMIN, sys.CAP_NET_RAW},
	}
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	data, err := os.ReadFile(order.Result)
	require.NoError(t, err)
	found := map[string]string{}
	require.NoError(t, json.Unmarshal(data, &found))
	return found
}

// Capabilities that the host program can inherit are not inherited (CVE-2022-24769,
// CVE-2022-27649, CVE-2022-27650, CVE-2022-29162).
func TestCapabilitiesAreNotInherited(t *testing.T) {
	t.Parallel()
	found := withRights(t, nil, "grep -E '^Cap(Inh|Amb)' /proc/self/status")
	const none = "CapInh:\t0000000000000000\nCapAmb:\t0000000000000000\n"
	assert.NotEqual(t, none, found["control"])
	assert.NotContains(t, found["control"], "CapAmb:\t0000000000000000")
	for name, text := range found {
		if name != "control" {
			assert.Equal(t, none, text, name)
		}
	}
}

// The groups are those that the image gives its users, none of the host program's
// (CVE-2022-36109, CVE-2022-2989, CVE-2023-25173).
func TestGroupsAreTheImages(t *testing.T) {
	t.Parallel()
	found := withRights(t, nil, "awk '/^Groups/ { for (i = 2; i <= NF; i++) print $i }' /proc/self/status | sort -n | tr '\\n' ' '")
	assert.Equal(t, map[string]string{
		"run": "0 10 ", "exec": "0 10 ", "exec as user": "10 1000 ", "exec as number": "0 ", "control": "0 4 27 999 ",
	}, found)
}

// The session keyring is a new one, also where the calls for it are allowed.
func TestSessionKeyringIsNew(t *testing.T) {
	t.Parallel()
	for name, text := range withRights(t, withoutFilter, "attack key") {
		if name == "control" {
			assert.Equal(t, "found\n", text)
			continue
		}
		assert.Contains(t, []string{"required key not available\n", "permission denied\n"}, text, name)
	}
	for name, text := range withRights(t, nil, "attack key") {
		if name != "control" {
			assert.Equal(t, "operation not permitted\n", text, name)
		}
	}
}

// What the default leaves of root's capabilities is not enough for devices, raw
// sockets below IP and mounts, and of a user's nothing; ping works without any.
func TestDefaultCapabilities(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	img := hostileImage(t, e, ImageConfig{}, nil)
	c := of(t, e, img, Config{}, "sleep", "1000")
	require.NoError(t, c.Start(t.Context(), IO{}))
	script := `awk '/^Cap/ { print $2 }' /proc/self/status | tr '\n' ' '
mknod /tmp/disk b 254 0 2>&1; mknod /tmp/null c 1 3 2>&1; mount -t tmpfs x /mnt 2>&1; arping -c 1 -I lo 127.0.0.1 2>&1
attack call ICMP`
	script = strings.ReplaceAll(script, "ICMP", fmt.Sprintf("%d:%d:%d:%d", number(t, "socket"), syscall.AF_INET, syscall.SOCK_DGRAM, syscall.IPPROTO_ICMP))
	zero := strings.Repeat("0", 16) + " "
	for _, user := range []string{"", "app"} {
		got := outputOfExec(t, c, Cmd{Args: []string{"sh", "-c", script}, User: user})
		sets := strings.Repeat(zero, 5)
		if user == "" {
			sets = zero + strings.Repeat("00000000000425fb ", 3) + zero
		}
		assert.True(t, strings.HasPrefix(got, sets), "%q: %s", user, got)
		for _, refused := range []string{
			"mknod: /tmp/disk: Operation not permitted", "mknod: /tmp/null: Operation not permitted", "mount: permission denied", "arping: socket: Address family not supported",
		} {
			assert.Contains(t, got, refused, user)
		}
		assert.Contains(t, got, "\n[0]\n", user) // a socket to ping with
	}
	require.NoError(t, c.Remove(t.Context(), true))

	fd, err := syscall.Socket(syscall.AF_PACKET, syscall.SOCK_RAW, 0)
	require.NoError(t, err, "the control")
	require.NoError(t, syscall.Close(fd))
	require.NoError(t, syscall.Mknod(filepath.Join(t.TempDir(), "null"), syscall.S_IFCHR|0o600, 1<<8|3), "the control")
}

// number is a system call's on this machine.
func number(t testing.TB, name string) int {
	nr, ok := sys.HostArch().Number(name)
	require.True(t, ok, name)
	return int(nr)
}
