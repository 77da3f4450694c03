package main

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// archive writes what docker save would of an image of a static busybox with two
// names, b:1 and b:latest, and returns the file's name.
func archive(t *testing.T) string {
	t.Helper()
	busybox, err := os.ReadFile("/bin/busybox")
	if err != nil {
		lacking(t, "needs a static busybox: make deps")
	}
	var layer bytes.Buffer
	w := tar.NewWriter(&layer)
	add(t, w, tar.Header{Name: "bin/", Typeflag: tar.TypeDir, Mode: 0o755}, nil)
	add(t, w, tar.Header{Name: "bin/busybox", Typeflag: tar.TypeReg, Mode: 0o755}, busybox)
	for _, name := range []string{"sh", "cat", "echo", "hostname", "ls"} {
		add(t, w, tar.Header{Name: "bin/" + name, Typeflag: tar.TypeSymlink, Linkname: "busybox"}, nil)
	}
	require.NoError(t, w.Close())
	config := fmt.Sprintf(`{"architecture":"amd64","os":"linux","created":"2026-01-01T00:00:00Z","config":{"Cmd":["echo","from the image"],"Env":["PATH=/bin"]},
		"rootfs":{"type":"layers","diff_ids":["sha256:%x"]}}`, sha256.Sum256(layer.Bytes()))

	name := filepath.Join(t.TempDir(), "b.tar")
	file, err := os.Create(name)
	require.NoError(t, err)
	w = tar.NewWriter(file)
	add(t, w, tar.Header{Name: "config.json", Mode: 0o644}, []byte(config))
	add(t, w, tar.Header{Name: "layer.tar", Mode: 0o644}, layer.Bytes())
	add(t, w, tar.Header{Name: "manifest.json", Mode: 0o644}, []byte(`[{"Config":"config.json","RepoTags":["b:1","b:latest"],"Layers":["layer.tar"]}]`))
	require.NoError(t, w.Close())
	require.NoError(t, file.Close())
	return name
}

func add(t *testing.T, w *tar.Writer, h tar.Header, data []byte) {
	t.Helper()
	h.Size = int64(len(data))
	require.NoError(t, w.WriteHeader(&h))
	_, err := w.Write(data)
	require.NoError(t, err)
}

func TestLoadRunRemove(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	name := archive(t)
	assert.Equal(t, "REPOSITORY   TAG       IMAGE ID   CREATED   SIZE", c.ok("images"))
	assert.Equal(t, "Loaded image: b:1\nLoaded image: b:latest", c.ok("load", "-q", "-i", name))
	from, err := os.Open(name)
	require.NoError(t, err)
	defer from.Close()
	cmd := c.command("load")
	cmd.Stdin = from
	assert.Equal(t, outcome{stdout: "Loaded image: b:1\nLoaded image: b:latest\n"}, c.finish(cmd), "once more, from stdin")

	id := c.ok("images", "-q")
	assert.Regexp(t, "^[0-9a-f]{12}$", id, "two names, one image")
	rows := strings.Split(c.ok("images"), "\n")
	require.Len(t, rows, 3)
	for i, tag := range []string{"1", "latest"} {
		assert.Regexp(t, regexp.MustCompile(`^b +`+tag+` +`+id+` +.* ago +[0-9.]+MB$`), rows[i+1])
	}
	assert.Equal(t, rows[1], strings.Split(c.ok("images", "b:1"), "\n")[1])
	assert.Equal(t, "sha256:"+id, c.ok("inspect", "-f", "{{.Id}}", "b")[:19])

	assert.Equal(t, "from the image", c.ok("run", "--rm", "b"))
	assert.Equal(t, "own", c.ok("run", "--rm", "b:1", "echo", "own"))
	assert.Equal(t, "by ID", c.ok("run", "--rm", id, "--", "echo", "by ID"))
	c.refuse(127, "python: it is not in the image", "run", "--rm", "b", "python")
	c.ok("run", "--name", "user", "b")
	assert.Contains(t, c.ok("ps", "-a"), `"echo 'from the imag…"`, "the image's command")

	assert.Equal(t, "Untagged: b:latest", c.ok("rmi", "b"))
	c.refuse(125, "No such image: b", "rmi", "b")
	c.refuse(125, "in use", "rmi", "b:1")
	c.ok("rm", "user")
	assert.Regexp(t, "^Untagged: b:1\nDeleted: sha256:"+id+"[0-9a-f]{52}$", c.ok("rmi", "b:1"))
	assert.Empty(t, c.ok("images", "-q"))
	c.refuse(125, "no such file", "load", "-i", "/there/is/none")
	c.refuse(125, "", "load", "-i", "/bin/busybox")
}

func TestCommitSaveLoad(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	c.ok("load", "-i", archive(t))
	c.ok("run", "--name", "w", "b", "sh", "-c", "echo written > /new")
	id := c.ok("commit", "-a", "me", "-m", "a file", "-c", `CMD ["cat", "/new"]`, "-c", "ENV A=b", "w", "x/y:z")
	assert.Regexp(t, "^sha256:[0-9a-f]{64}$", id)
	assert.Equal(t, "written", c.ok("run", "--rm", "x/y:z"))
	assert.Equal(t, "b", c.ok("run", "--rm", id, "sh", "-c", "echo $A"))
	assert.Equal(t, "me", c.ok("inspect", "-f", "{{.Author}}", "x/y:z"))
	c.refuse(125, "not a valid change", "commit", "-c", "RUN x", "w")
	c.refuse(125, "No such container", "commit", "nope")

	assert.Empty(t, c.ok("tag", "x/y:z", "again"))
	assert.Equal(t, "written", c.ok("run", "--rm", "again"))
	c.refuse(125, "No such image: nope", "tag", "nope", "x")

	for _, format := range []string{"docker", "oci"} {
		name := filepath.Join(t.TempDir(), "saved.tar")
		assert.Empty(t, c.ok("save", "--format", format, "-o", name, "again", "b:1"))
		other := newStore(t)
		assert.Equal(t, "Loaded image: again:latest\nLoaded image: b:1", other.ok("load", "-i", name))
		assert.Equal(t, "written", other.ok("run", "--rm", "again"))
		assert.Equal(t, id[7:19], other.ok("images", "-q", "again"), "the same image")
	}
	piped := c.run("save", "again")
	assert.Equal(t, 0, piped.code)
	dir := t.TempDir()
	c.refuse(125, "No such image: nope", "save", "-o", filepath.Join(dir, "x"), "nope")
	c.refuse(125, "docker or oci", "save", "--format", "zip", "-o", filepath.Join(dir, "x"), "again")
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Empty(t, left)
}

func TestHostImage(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	c.ok("run", "--name", "w", "host", "sh", "-c", "echo written > /coracle-test-new; mkdir -p /opt/d; echo more > /opt/d/f")
	assert.NoFileExists(t, "/coracle-test-new")
	assert.Regexp(t, `\nhost +latest +[0-9a-f]{12} +N/A +0B$`, c.ok("images"))
	c.ok("commit", "w", "committed")
	assert.Equal(t, "written\nmore", c.ok("run", "--rm", "committed", "cat", "/coracle-test-new", "/opt/d/f"))
	file := filepath.Join(t.TempDir(), "x")
	c.refuse(125, "not portable", "save", "-o", file, "committed")
	assert.NoFileExists(t, file)
	var one []map[string]json.RawMessage
	require.NoError(t, json.Unmarshal([]byte(c.ok("inspect", "host")), &one))
	c.refuse(125, "", "tag", "nope", "host")
}
