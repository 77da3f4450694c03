package coracle

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	digest "github.com/opencontainers/go-digest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coraclehq/coracle/internal/testenv"
)

// busyboxImage makes an image of the machine's busybox.
func busyboxImage(t testing.TB, e *Engine) *Image {
	i, err := e.NewImage(t.Context(), "busybox", FromFS(os.DirFS(testenv.Busybox(t)), ImageConfig{Cmd: []string{"sh"}}))
	require.NoError(t, err)
	return i
}

// smallImage makes an image of a few files that nobody can run.
func smallImage(t testing.TB, e *Engine, name string, files ...string) *Image {
	i, err := e.NewImage(t.Context(), name, FromFS(mapFS(files...), ImageConfig{}))
	require.NoError(t, err)
	return i
}

// mapFS has files of those names; each contains its name.
func mapFS(files ...string) fs.FS {
	m := fstest.MapFS{}
	for _, f := range files {
		m[f] = &fstest.MapFile{Data: []byte(f), Mode: 0o644}
	}
	return m
}

// inventory is everything that a store holds of images, but for the index for other
// tools, which is derived: paths with what the files contain.
func inventory(t testing.TB, e *Engine) map[string]string {
	require.NoError(t, e.store.Settle(t.Context()))
	all := map[string]string{}
	root := e.store.Path()
	for _, dir := range []string{"blobs", "layers", "layer-ids", "names.json", "tmp"} {
		require.NoError(t, filepath.WalkDir(filepath.Join(root, dir), func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			name := strings.TrimPrefix(path, root)
			switch {
			case dir == "tmp" && strings.Count(name, "/") <= 2:
				return nil // the directory of a writer is empty, as a rule
			case d.Type().IsRegular():
				data, err := os.ReadFile(path)
				if all[name] = string(data); len(data) > 500 {
					all[name] = digest.FromBytes(data).String()
				}
				return err
			case d.Type() == fs.ModeSymlink:
				to, err := os.Readlink(path)
				all[name] = to
				return err
			}
			all[name] = d.Type().String()
			return nil
		}))
	}
	return all
}

func names(t testing.TB, i *Image) []string {
	n, err := i.Names(t.Context())
	require.NoError(t, err)
	return n
}

func TestNewImageIsRefused(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	other := testEngine(t)
	foreign := smallImage(t, other, "foreign", "a")
	foreignLayers, err := foreign.Layers(t.Context())
	require.NoError(t, err)
	before := inventory(t, e)
	for _, tt := range []struct {
		name, image string
		src         Source
		want        error
	}{
		{"a bad name", "UPPER", FromFS(mapFS("a"), ImageConfig{}), ErrInvalid},
		{"a path", "../x", FromFS(mapFS("a"), ImageConfig{}), ErrInvalid},
		{"a name like an ID", strings.Repeat("a", 64), FromFS(mapFS("a"), ImageConfig{}), ErrInvalid},
		{"the host's name", "host", FromFS(mapFS("a"), ImageConfig{}), ErrInvalid},
		{"no file system", "x", FromFS(nil, ImageConfig{}), ErrInvalid},
		{"a file system that fails", "x", FromFS(os.DirFS("/nowhere"), ImageConfig{}), fs.ErrNotExist},
		{"a whiteout", "x", FromFS(mapFS(".wh.a"), ImageConfig{}), nil},
		{"no archive", "x", FromArchive(nil), ErrInvalid},
		{"not an archive", "x", FromArchive(strings.NewReader("hello")), ErrInvalid},
		{"an empty archive", "x", FromArchive(strings.NewReader("")), ErrInvalid},
		{"a variable without value", "x", FromFS(mapFS("a"), ImageConfig{Env: []string{"A"}}), ErrInvalid},
		{"a variable without name", "x", FromFS(mapFS("a"), ImageConfig{Env: []string{"=1"}}), ErrInvalid},
		{"a bad signal", "x", FromFS(mapFS("a"), ImageConfig{StopSignal: "SIGWHAT"}), ErrInvalid},
		{"a NUL byte", "x", FromFS(mapFS("a"), ImageConfig{Cmd: []string{"a\x00b"}}), ErrInvalid},
		{"no layer", "x", FromLayers(ImageConfig{}, nil), ErrInvalid},
		{"another engine's layer", "x", FromLayers(ImageConfig{}, foreignLayers...), ErrInvalid},
		{"a large configuration", "x", FromFS(mapFS("a"), ImageConfig{Labels: map[string]string{"a": strings.Repeat("x", 5<<20)}}), ErrInvalid},
	} {
		t.Run(tt.name, func(t *testing.T) {
			i, err := e.NewImage(t.Context(), tt.image, tt.src)
			require.Error(t, err)
			assert.Nil(t, i)
			if tt.want != nil {
				require.ErrorIs(t, err, tt.want)
			}
			var named *Error
			require.ErrorAs(t, err, &named)
			assert.Equal(t, "new image", named.Op)
			assert.Equal(t, before, inventory(t, e), "what is left")
		})
	}
	_, err = e.NewImage(t.Context(), "alpine", nil)
	var unsupported *UnsupportedError
	require.ErrorAs(t, err, &unsupported)
}

func TestImageConfigRoundTrip(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	cfg := ImageConfig{
		Entrypoint: []string{"/entry", "-x"}, Cmd: []string{"run"}, Env: []string{"A=1", "B="}, Dir: "/srv", User: "app:app",
		StopSignal: "SIGQUIT", ExposedPorts: []string{"443/tcp", "80/tcp"}, Volumes: []string{"/data"},
		Labels: map[string]string{"org.example": "yes"}, Author: "me", Created: time.Date(2026, 5, 6, 7, 8, 9, 10, time.UTC),
		OS: "linux", Architecture: "arm64", Variant: "v8",
	}
	i, err := e.NewImage(t.Context(), "full", FromFS(mapFS("a"), cfg))
	require.NoError(t, err)
	got, err := i.Config(t.Context())
	require.NoError(t, err)
	require.Equal(t, cfg, got)

	again, err := e.NewImage(t.Context(), "again", FromFS(mapFS("a"), cfg))
	require.NoError(t, err)
	require.Equal(t, i.ID(), again.ID(), "the same files and configuration")
	assert.Equal(t, []string{"again:latest", "full:latest"}, names(t, i))
	cfg.Created = cfg.Created.Add(1)
	later, err := e.NewImage(t.Context(), "later", FromFS(mapFS("a"), cfg))
	require.NoError(t, err)
	require.NotEqual(t, i.ID(), later.ID())
}

func TestImageLookups(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	i := smallImage(t, e, "quay.io/some/thing:1.0", "a")
	for _, ref := range []string{"quay.io/some/thing:1.0", i.ID(), strings.TrimPrefix(i.ID(), "sha256:"), i.ID()[7:19]} {
		found, err := e.Image(t.Context(), ref)
		require.NoError(t, err, ref)
		require.Equal(t, i.ID(), found.ID())
	}
	for _, ref := range []string{"quay.io/some/thing", "thing:1.0", "", "host"} {
		_, err := e.Image(t.Context(), ref)
		require.Error(t, err, ref)
	}
	_, err := e.Image(t.Context(), "nothing")
	require.ErrorIs(t, err, ErrNotFound)
	require.EqualError(t, err, "image nothing: image nothing: not found")
}

func TestNamesOfAnImage(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	ctx := t.Context()
	a := smallImage(t, e, "one", "a")
	b := smallImage(t, e, "two", "b")
	require.Equal(t, []string{"one:latest"}, names(t, a))
	require.NoError(t, a.Tag(ctx, "docker.io/library/more:2"))
	require.NoError(t, a.Tag(ctx, "localhost:5000/x/y"))
	require.Equal(t, []string{"localhost:5000/x/y:latest", "more:2", "one:latest"}, names(t, a))
	require.NoError(t, a.Tag(ctx, "two"), "taken away from b")
	require.Empty(t, names(t, b))
	require.ErrorIs(t, a.Tag(ctx, "host"), ErrInvalid)
	require.ErrorIs(t, a.Tag(ctx, "a b"), ErrInvalid)

	require.ErrorIs(t, b.Untag(ctx, "two"), ErrNotFound)
	require.NoError(t, a.Untag(ctx, "two"))
	require.ErrorIs(t, a.Untag(ctx, "two"), ErrNotFound)
	for _, n := range names(t, a) {
		require.NoError(t, a.Untag(ctx, n))
	}
	require.Empty(t, names(t, a))
	_, err := e.Image(ctx, a.ID())
	require.NoError(t, err, "it is still there")

	listed := map[string]bool{}
	for i, err := range e.Images(ctx) {
		require.NoError(t, err)
		require.False(t, listed[i.ID()], "twice")
		listed[i.ID()] = true
	}
	require.Equal(t, map[string]bool{a.ID(): true, b.ID(): true}, listed)
}

func TestRemoveImageAndItsFiles(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	ctx := t.Context()
	empty := inventory(t, e)
	a := smallImage(t, e, "one", "a")
	require.NoError(t, a.Tag(ctx, "two"))
	c, err := e.Create(ctx, a, Config{Cmd: Cmd{Args: []string{"x"}}})
	require.NoError(t, err)
	require.ErrorIs(t, a.Remove(ctx, true), ErrInUse)
	require.NoError(t, c.Remove(ctx, false))
	require.ErrorIs(t, a.Remove(ctx, false), ErrInUse, "two names")
	require.NoError(t, a.Remove(ctx, true))
	require.ErrorIs(t, a.Remove(ctx, true), ErrNotFound)
	after := inventory(t, e)
	empty["/names.json"], after["/names.json"] = "", ""
	require.Equal(t, empty, after)

	for _, f := range []func() error{
		func() error { _, err := a.Names(ctx); return err },
		func() error { _, err := a.Config(ctx); return err },
		func() error { _, err := a.Layers(ctx); return err },
		func() error { _, err := a.History(ctx); return err },
		func() error { _, err := a.Size(ctx); return err },
		func() error { return a.Tag(ctx, "x") },
		func() error { _, err := e.Create(ctx, a, Config{}); return err },
	} {
		require.ErrorIs(t, f(), ErrNotFound)
	}
	_, err = e.Create(ctx, nil, Config{})
	require.ErrorIs(t, err, ErrInvalid)
}

func TestSizeAndHistory(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	ctx := t.Context()
	var layers []*Layer
	for n := range 3 {
		i := smallImage(t, e, fmt.Sprint("part", n), strings.Repeat("x", n+1))
		l, err := i.Layers(ctx)
		require.NoError(t, err)
		layers = append(layers, l...)
	}
	i, err := e.NewImage(ctx, "whole", FromLayers(ImageConfig{Created: time.Unix(1e9, 0)}, layers...))
	require.NoError(t, err)
	size, err := i.Size(ctx)
	require.NoError(t, err)
	require.EqualValues(t, 1+2+3, size)
	history, err := i.History(ctx)
	require.NoError(t, err)
	require.Len(t, history, 3)
	for n, h := range history {
		require.Equal(t, layers[n].DiffID(), h.Layer.DiffID())
		require.Equal(t, layers[n].Digest(), h.Layer.Digest())
		require.Positive(t, h.Layer.Size())
		require.True(t, h.Created.Equal(time.Unix(1e9, 0)))
	}
}

func TestClosedEngineMakesNoImages(t *testing.T) {
	t.Parallel()
	testenv.Root(t)
	e, err := Open(t.TempDir(), &Options{Volatile: true})
	require.NoError(t, err)
	i := smallImage(t, e, "one", "a")
	require.NoError(t, e.Close())
	ctx := context.Background()
	_, err = e.NewImage(ctx, "two", FromFS(mapFS("b"), ImageConfig{}))
	require.ErrorIs(t, err, ErrClosed)
	_, err = e.Load(ctx, strings.NewReader(""), LoadOptions{})
	require.ErrorIs(t, err, ErrClosed)
	_, err = e.NewLayer(ctx, strings.NewReader(""))
	require.ErrorIs(t, err, ErrClosed)
	require.ErrorIs(t, i.Tag(ctx, "x"), ErrClosed)
	require.ErrorIs(t, i.Remove(ctx, true), ErrClosed)
	_, err = i.Names(ctx)
	require.ErrorIs(t, err, ErrClosed)
}
