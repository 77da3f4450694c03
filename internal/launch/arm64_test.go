//go:build linux && amd64

package launch

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// The interpreter of arm64 runs under user-mode emulation: this package's tests of
// it are compiled for arm64, and the helpers that they make are arm64 programs.
func TestARM64(t *testing.T) {
	const qemu = "/usr/bin/qemu-aarch64-static"
	if _, err := os.Stat(qemu); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("%v: run make deps", err)
		}
		t.Skipf("%v: run make deps", err)
	}
	binary := filepath.Join(t.TempDir(), "launch.test")
	build := exec.Command("go", "test", "-c", "-o", binary, ".")
	build.Env = append(os.Environ(), "GOARCH=arm64", "CGO_ENABLED=0")
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)

	test := exec.Command(qemu, binary, "-test.run=Interpreter", "-test.v")
	test.Env = append(os.Environ(), emulator+"="+qemu)
	out, err = test.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "--- PASS: TestInterpreterErrors")
	t.Logf("%s", out)
}
