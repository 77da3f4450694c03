package layer

import (
	"archive/tar"
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// naiveUnpack is how one unpacks a tar without thinking of who made it. What it
// removes must lie in fence, a directory of the test.
func naiveUnpack(t *testing.T, blob []byte, root, fence string) {
	r := tar.NewReader(bytes.NewReader(blob))
	for {
		h, err := r.Next()
		if err == io.EOF {
			return
		}
		require.NoError(t, err)
		name := naivePath(root, h.Name)
		dir, base := filepath.Split(name)
		if strings.HasPrefix(filepath.Base(h.Name), whPrefix) {
			naiveWhiteout(t, filepath.Dir(filepath.Join(root, h.Name)), filepath.Base(h.Name), fence)
			continue
		}
		_ = os.MkdirAll(dir, 0o755)
		switch h.Typeflag {
		case tar.TypeReg:
			data, err := io.ReadAll(r)
			require.NoError(t, err)
			_ = os.WriteFile(name, data, 0o644)
		case tar.TypeDir:
			_ = os.MkdirAll(name, 0o755)
			_ = os.Chmod(name, h.FileInfo().Mode())
			_ = os.Chown(name, h.Uid, h.Gid)
		case tar.TypeSymlink:
			naiveRemove(t, filepath.Join(dir, base), fence)
			_ = os.Symlink(h.Linkname, filepath.Clean(name))
		case tar.TypeLink:
			_ = os.Link(naivePath(root, h.Linkname), name)
		}
	}
}

func naivePath(root, name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(root, name)
}

func naiveWhiteout(t *testing.T, dir, base, fence string) {
	if base == whOpaque {
		names, err := filepath.Glob(dir + "/*")
		require.NoError(t, err)
		for _, n := range names {
			naiveRemove(t, n, fence)
		}
		return
	}
	naiveRemove(t, filepath.Join(dir, strings.TrimPrefix(base, whPrefix)), fence)
}

func naiveRemove(t *testing.T, path, fence string) {
	require.True(t, path == fence || strings.HasPrefix(path, fence+"/"), "%s is not the test's to remove", path)
	require.NoError(t, os.RemoveAll(path))
}
