package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coraclehq/coracle"
)

// as is the variable that makes the test program be the program.
const as = "CORACLE_TWENTY_TEST"

func TestMain(m *testing.M) {
	if os.Getenv(as) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// TestTwenty runs the program on an archive. The store of the machine is out of its
// reach: /var/lib is a new file system to it.
func TestTwenty(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		lacking(t, "needs root")
	}
	archive := image(t)
	self, err := os.Executable()
	require.NoError(t, err)
	// The second time, the store has the image.
	cmd := exec.Command("unshare", "--mount", "sh", "-c", "mount -t tmpfs none /var/lib && "+self+" < "+archive+" && "+self+" < "+archive)
	cmd.Env = append(os.Environ(), as+"=1")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	assert.Regexp(t, "^(pid 1 on [0-9a-f]{12}\nbin\ndev\netc\nproc\nsys\n){2}$", string(out))
}

// image writes an archive with a static busybox and returns its name.
func image(t *testing.T) string {
	t.Helper()
	busybox, err := os.ReadFile("/bin/busybox")
	if err != nil {
		lacking(t, "needs a static busybox: make deps")
	}
	root := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(root, "bin"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(root, "bin/busybox"), busybox, 0o755))
	for _, name := range []string{"sh", "ls", "hostname"} {
		require.NoError(t, os.Symlink("busybox", filepath.Join(root, "bin", name)))
	}
	ctx := context.Background()
	e, err := coracle.Open(t.TempDir(), &coracle.Options{Volatile: true})
	require.NoError(t, err)
	defer e.Close()
	i, err := e.NewImage(ctx, "busybox", coracle.FromFS(os.DirFS(root), coracle.ImageConfig{}))
	require.NoError(t, err)
	name := filepath.Join(t.TempDir(), "image.tar")
	file, err := os.Create(name)
	require.NoError(t, err)
	require.NoError(t, i.WriteArchive(ctx, file, coracle.DockerArchive))
	require.NoError(t, file.Close())
	return name
}

// lacking skips the test, or fails it where CI is set.
func lacking(t *testing.T, reason string) {
	t.Helper()
	if os.Getenv("CI") != "" && os.Getenv("CORACLE_ALLOW_SKIP") == "" {
		t.Fatal(reason)
	}
	t.Skip(reason)
}
