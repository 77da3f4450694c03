package coracle

import (
	"archive/tar"
	"bytes"
	"context"
	"embed"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	digest "github.com/opencontainers/go-digest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coraclehq/coracle/internal/testenv"
)

// entry is an entry of a layer's tar stream.
type entry struct {
	name, data string
	tar.Header
}

// tarOf makes the tar stream of a layer.
func tarOf(t testing.TB, entries ...entry) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		h := e.Header
		h.Name, h.Size = e.name, int64(len(e.data))
		if h.Typeflag == 0 {
			h.Typeflag = tar.TypeReg
		}
		if h.Mode == 0 {
			h.Mode = 0o755
		}
		require.NoError(t, w.WriteHeader(&h))
		_, err := io.WriteString(w, e.data)
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return b.Bytes()
}

func dirEntry(name string, mode int64) entry {
	return entry{name: name, Header: tar.Header{Typeflag: tar.TypeDir, Mode: mode}}
}

func gzipped(t testing.TB, data []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write(data)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.Bytes()
}

func newLayer(t testing.TB, e *Engine, data []byte) *Layer {
	l, err := e.NewLayer(t.Context(), bytes.NewReader(data))
	require.NoError(t, err)
	return l
}

// onBusybox makes an image of layers on top of busybox'.
func onBusybox(t testing.TB, e *Engine, layers ...*Layer) *Image {
	below, err := busyboxImage(t, e).Layers(t.Context())
	require.NoError(t, err)
	i, err := e.NewImage(t.Context(), "", FromLayers(ImageConfig{Cmd: []string{"sh"}}, append(below, layers...)...))
	require.NoError(t, err)
	return i
}

// sh runs a shell command in a container of an image.
func sh(t testing.TB, e *Engine, i *Image, command string) string {
	c, err := e.Create(t.Context(), i, Config{Cmd: Cmd{Args: []string{"sh", "-c", command}}})
	require.NoError(t, err)
	return output(t, c)
}

//go:embed source.go
var embedded embed.FS

func TestFromFS(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	dir := testenv.Busybox(t)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "etc/note"), []byte("hello"), 0o640))
	i, err := e.NewImage(t.Context(), "busybox", FromFS(os.DirFS(dir), ImageConfig{Cmd: []string{"sh", "-c", "cat /etc/note; stat -c ' %a %u' /etc/note; readlink /bin/sh"}}))
	require.NoError(t, err)
	c, err := e.Create(t.Context(), i, Config{})
	require.NoError(t, err)
	assert.Equal(t, "hello 640 0\nbusybox\n", output(t, c))

	i, err = e.NewImage(t.Context(), "embedded", FromFS(embedded, ImageConfig{}))
	require.NoError(t, err)
	l, err := i.Layers(t.Context())
	require.NoError(t, err)
	require.Len(t, l, 1)
}

func TestFromNoLayers(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	i, err := e.NewImage(t.Context(), "scratch", FromLayers(ImageConfig{}))
	require.NoError(t, err)
	l, err := i.Layers(t.Context())
	require.NoError(t, err)
	require.Empty(t, l)
}

// What a layer does to those below: files and directories replaced, removed, made
// anew, linked to, and parents that it does not list.
func TestFromLayers(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	first := tarOf(t,
		dirEntry("a", 0o711), entry{name: "a/old", data: "old"}, entry{name: "a/kept", data: "kept"},
		dirEntry("b", 0o755), entry{name: "b/old", data: "old"},
		dirEntry("lib", 0o755), entry{name: "lib/f", data: "f"},
		entry{name: "link", Header: tar.Header{Typeflag: tar.TypeSymlink, Linkname: "lib"}},
	)
	second := tarOf(t,
		entry{name: "a/.wh.old"}, entry{name: "a/new", data: "new"}, // a is not listed: its mode is from below
		entry{name: "b/.wh..wh..opq"}, entry{name: "b/new", data: "new"},
		entry{name: "hard", Header: tar.Header{Typeflag: tar.TypeLink, Linkname: "a/kept"}},
		entry{name: "link/g", data: "g"}, // lies in lib
	)
	for _, tt := range []struct {
		name   string
		layers [][]byte
		want   string
	}{
		{"one after the other", [][]byte{first, second}, "/a:\nkept\nnew\n\n/b:\nnew\n\n/lib:\nf\ng\n711 kept lib\n"},
		// Twice the same: the second one changes nothing, and is another tree all the same,
		// since it lies on something else.
		{"twice", [][]byte{first, second, second}, "/a:\nkept\nnew\n\n/b:\nnew\n\n/lib:\nf\ng\n711 kept lib\n"},
		{"taken back", [][]byte{first, second, gzipped(t, tarOf(t, entry{name: ".wh.b"}, entry{name: "lib/.wh.g"}, dirEntry("a", 0o755)))},
			"/a:\nkept\nnew\n\n/lib:\nf\n755 kept lib\n"},
		{"and again from below", [][]byte{first, second, tarOf(t, entry{name: ".wh.b"}), first}, "/a:\nkept\nnew\nold\n\n/b:\nold\n\n/lib:\nf\ng\n711 kept lib\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var layers []*Layer
			for _, l := range tt.layers {
				layers = append(layers, newLayer(t, e, l))
			}
			i := onBusybox(t, e, layers...)
			assert.Equal(t, tt.want, sh(t, e, i, "ls /a $(ls -d /b 2>/dev/null) /lib; stat -c %a /a | tr '\\n' ' '; cat /hard; echo -n ' '; readlink /link"))

			// The same through an archive, in a store that has none of it.
			var saved bytes.Buffer
			require.NoError(t, i.WriteArchive(t.Context(), &saved, OCIArchive))
			there := testEngine(t)
			loaded, err := there.NewImage(t.Context(), "x", FromArchive(&saved))
			require.NoError(t, err)
			assert.Equal(t, i.ID(), loaded.ID())
			assert.Equal(t, tt.want, sh(t, there, loaded, "ls /a $(ls -d /b 2>/dev/null) /lib; stat -c %a /a | tr '\\n' ' '; cat /hard; echo -n ' '; readlink /link"))
		})
	}
}

func TestNewLayerIsRefused(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	good := tarOf(t, entry{name: "a", data: strings.Repeat("a", 10000)})
	before := inventory(t, e)
	for name, data := range map[string][]byte{
		"text":           []byte("hello"),
		"cut":            good[:5000],
		"no end":         good[:len(good)-1024],
		"cut gzip":       gzipped(t, good)[:30],
		"xz":             []byte("\xfd7zXZ\x00 and so on"),
		"leads out":      tarOf(t, entry{name: "../a"}),
		"whiteout of ..": tarOf(t, entry{name: "a/.wh..."}),
		"nothing":        nil,
	} {
		t.Run(name, func(t *testing.T) {
			l, err := e.NewLayer(t.Context(), bytes.NewReader(data))
			require.ErrorIs(t, err, ErrInvalid)
			assert.Nil(t, l)
			assert.Equal(t, before, inventory(t, e))
		})
	}
	broken := io.MultiReader(bytes.NewReader(good[:3000]), failing{})
	_, err := e.NewLayer(t.Context(), broken)
	require.ErrorIs(t, err, errBroken)
	require.NotErrorIs(t, err, ErrInvalid)
	assert.Equal(t, before, inventory(t, e))
}

type failing struct{}

const errBroken = constError("broken")

type constError string

func (e constError) Error() string { return string(e) }

func (failing) Read([]byte) (int, error) { return 0, errBroken }

// A layer on which another one can never lie right is found out when it is put
// there.
func TestLayersThatDoNotFit(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	below := newLayer(t, e, tarOf(t, entry{name: "f", data: "a file"}))
	for name, data := range map[string][]byte{
		"a file as a directory":    tarOf(t, entry{name: "f/g"}),
		"a hard link to nothing":   tarOf(t, entry{name: "h", Header: tar.Header{Typeflag: tar.TypeLink, Linkname: "nothing"}}),
		"a hard link to something": tarOf(t, entry{name: "h", Header: tar.Header{Typeflag: tar.TypeLink, Linkname: "f/g"}}),
	} {
		t.Run(name, func(t *testing.T) {
			above := newLayer(t, e, data)
			before := inventory(t, e)
			_, err := e.NewImage(t.Context(), "x", FromLayers(ImageConfig{}, below, above))
			require.ErrorIs(t, err, ErrInvalid)
			assert.Equal(t, before, inventory(t, e))
			runtime.KeepAlive(above)
		})
	}
	runtime.KeepAlive(below)
}

// A layer stays as long as the program holds on to it, whatever else is removed.
func TestLayerIsKept(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	ctx := t.Context()
	l := newLayer(t, e, tarOf(t, dirEntry("d", 0o755), entry{name: "d/a", data: "a"}))
	second := newLayer(t, e, tarOf(t, dirEntry("d", 0o755), entry{name: "d/b", data: "b"}))
	require.NoError(t, smallImage(t, e, "other", "b").Remove(ctx, false))
	_, err := e.NewImage(ctx, "x", FromLayers(ImageConfig{}, l, second))
	require.NoError(t, err)

	l = newLayer(t, e, tarOf(t, entry{name: "lost", data: "lost"}))
	d := l.Digest()
	runtime.KeepAlive(l)
	runtime.KeepAlive(second)
	require.Eventually(t, func() bool { // nobody has it any more
		runtime.GC()
		e.pins.mu.Lock()
		defer e.pins.mu.Unlock()
		return e.pins.n == 0
	}, 30*time.Second, time.Millisecond)
	require.NoError(t, smallImage(t, e, "other", "c").Remove(ctx, false))
	_, err = blobs{e.store}.Open(ctx, digest.Digest(d))
	require.ErrorIs(t, err, fs.ErrNotExist)
}

func TestNewImageEndsWithItsContext(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	before := inventory(t, e)
	ctx, cancel := context.WithCancel(t.Context())
	reads := 0
	r := readFunc(func(p []byte) (int, error) {
		if reads++; reads == 20 {
			cancel()
		}
		clear(p)
		return len(p), nil
	})
	h := tarOf(t, entry{name: "big", data: strings.Repeat("x", 1<<20)})[:512]
	copy(h[124:136], "77777777777\x00") // 8 GiB
	fixSum(h)
	_, err := e.NewLayer(ctx, io.MultiReader(bytes.NewReader(h), r))
	require.ErrorIs(t, err, context.Canceled)
	require.Less(t, reads, 10000)
	assert.Equal(t, before, inventory(t, e))

	_, err = e.NewImage(ctx, "x", FromFS(mapFS("a"), ImageConfig{}))
	require.ErrorIs(t, err, context.Canceled)
	assert.Equal(t, before, inventory(t, e))
}

type readFunc func([]byte) (int, error)

func (f readFunc) Read(p []byte) (int, error) { return f(p) }

// fixSum makes the checksum of a tar header right.
func fixSum(h []byte) {
	copy(h[148:156], "        ")
	sum := 0
	for _, b := range h {
		sum += int(b)
	}
	for i := 5; i >= 0; i-- {
		h[148+i] = byte('0' + sum&7)
		sum >>= 3
	}
	h[154] = 0
}
