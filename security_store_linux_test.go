package coracle

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coraclehq/coracle/internal/testenv"
)

// An image whose /etc leads out gets its files of names neither there nor from there.
func TestEtcLeadsOutside(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	for _, up := range []string{"", "../../../../../../../.."} {
		canary := canaryDir(t)
		img := hostileImage(t, e, ImageConfig{}, func(root string) {
			require.NoError(t, os.Rename(filepath.Join(root, "etc"), filepath.Join(root, "usr/etc")))
			require.NoError(t, os.Symlink(up+canary, filepath.Join(root, "etc")))
			data, err := os.ReadFile(filepath.Join(root, "etc/file"))
			require.NoError(t, err)
			require.Contains(t, string(data), "canary", "the control: by name it leads there")
		})
		err := of(t, e, img, Config{}, "true").Run(t.Context(), IO{})
		require.ErrorContains(t, err, "open /etc: no such file or directory")
		_, err = e.Create(t.Context(), img, Config{Cmd: Cmd{Args: []string{"true"}, User: "canary"}})
		require.ErrorIs(t, err, ErrInvalid)
	}
}

// A full disk is ErrNoSpace to whatever needs more of it, leaves nothing half made,
// and what is there works on.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	testenv.Root(t)
	disk := testenv.Tmpfs(t, 24<<20, 0)
	census := testenv.Census(t)
	e, err := Open(filepath.Join(disk, "store"), &Options{Volatile: true})
	require.NoError(t, err)
	defer func() { require.NoError(t, e.Close()) }()
	census.Mark(e.store.ID())
	img := hostileImage(t, e, ImageConfig{}, nil)
	c := of(t, e, img, Config{}, "sh", "-c", "echo written > /tmp/file && cat /tmp/file")
	before := entries(t, filepath.Join(e.store.Path(), "layers"))

	// All but nothing.
	filler, err := os.Create(filepath.Join(disk, "filler"))
	require.NoError(t, err)
	for block := make([]byte, 1<<20); len(block) > 0; {
		if _, err := filler.Write(block); err != nil {
			require.ErrorIs(t, err, syscall.ENOSPC)
			block = block[:len(block)/2]
		}
	}
	_, err = e.NewImage(t.Context(), "", FromFS(os.DirFS(hostileTree(t, func(root string) {
		require.NoError(t, os.WriteFile(filepath.Join(root, "more"), bytes.Repeat([]byte("x"), 1<<20), 0o644))
	})), ImageConfig{}))
	require.ErrorIs(t, err, ErrNoSpace)
	_, err = e.Create(t.Context(), img, Config{Cmd: Cmd{Args: []string{"true"}}, Labels: map[string]string{"large": strings.Repeat("x", 64<<10)}})
	require.ErrorIs(t, err, ErrNoSpace)
	_, err = Open(filepath.Join(disk, "other"), nil)
	require.ErrorIs(t, err, ErrNoSpace)
	var out bytes.Buffer
	err = c.Run(t.Context(), IO{Stdout: &out, Stderr: &out})
	require.ErrorIs(t, err, ErrNoSpace, "%s", &out)
	t.Logf("start on a full disk: %v %s", err, &out)
	assert.Equal(t, before, entries(t, filepath.Join(e.store.Path(), "layers")))
	assert.Equal(t, []string{c.ID()}, entries(t, filepath.Join(e.store.Path(), "containers")))

	require.NoError(t, filler.Close())
	require.NoError(t, os.Remove(filler.Name()))
	assert.Equal(t, "written\n", output(t, c))
	require.NoError(t, c.Remove(t.Context(), false))
}

// A store that a newer program has written can be read; every change is ErrReadOnly.
func TestNewerStore(t *testing.T) {
	t.Parallel()
	testenv.Root(t)
	dir := t.TempDir()
	e, err := Open(dir, &Options{Volatile: true})
	require.NoError(t, err)
	img := hostileImage(t, e, ImageConfig{Cmd: []string{"true"}}, nil)
	require.NoError(t, img.Tag(t.Context(), "kept"))
	c := of(t, e, img, Config{Name: "kept"}, "true")
	require.NoError(t, e.Close())
	file := filepath.Join(dir, "version")
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	var version map[string]any
	require.NoError(t, json.Unmarshal(data, &version))
	version["version"] = 99
	version["new"] = "unknown"
	data, err = json.Marshal(version)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, data, 0o600))
	census := testenv.Census(t).Dir(dir)

	e, err = Open(dir, nil)
	require.NoError(t, err)
	census.Mark(e.store.ID())
	ctx := t.Context()
	kept, err := e.Image(ctx, "kept")
	require.NoError(t, err)
	assert.Equal(t, img.ID(), kept.ID())
	found, err := e.Container(ctx, "kept")
	require.NoError(t, err)
	assert.Equal(t, c.ID(), found.ID())
	_, err = found.Status(ctx)
	require.NoError(t, err)
	_, create := e.Create(ctx, kept, Config{})
	_, host := e.NewImage(ctx, "host", FromHost())
	_, layer := e.NewLayer(ctx, strings.NewReader(""))
	_, exec := found.Exec(ctx, Cmd{Args: []string{"true"}}, IO{})
	require.ErrorIs(t, exec, ErrNotRunning)
	for what, err := range map[string]error{
		"create": create, "image": host, "layer": layer, "start": found.Start(ctx, IO{}), "remove": found.Remove(ctx, true),
		"tag": kept.Tag(ctx, "other"), "untag": kept.Untag(ctx, "kept"), "remove image": kept.Remove(ctx, true),
	} {
		assert.ErrorIs(t, err, ErrReadOnly, what)
	}
	require.NoError(t, e.Close())
	now, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, string(data), string(now))
}
