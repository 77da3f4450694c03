package coracle

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coraclehq/coracle/internal/layer"
	"github.com/coraclehq/coracle/internal/testenv"
)

// otherEngine is one more engine of a test, on a store that keeps no census of its
// own.
func otherEngine(t testing.TB, dir string) *Engine {
	e, err := Open(dir, &Options{Volatile: true})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, e.Close()) })
	return e
}

func saved(t testing.TB, format ArchiveFormat, images ...*Image) []byte {
	var b bytes.Buffer
	require.NoError(t, images[0].e.Save(t.Context(), &b, format, images...))
	return b.Bytes()
}

func load(t testing.TB, e *Engine, data []byte) []*Image {
	images, err := e.Load(t.Context(), bytes.NewReader(data), LoadOptions{})
	require.NoError(t, err)
	return images
}

// threeLayers makes an image whose layers are stored plain, by gzip and by zstd.
func threeLayers(t testing.TB, e *Engine, name string) *Image {
	var layers []*Layer
	for i, c := range []layer.Compression{layer.Uncompressed, layer.Gzip, layer.Zstd} {
		var b bytes.Buffer
		w, err := layer.Compress(&b, c)
		require.NoError(t, err)
		_, err = w.Write(tarOf(t, dirEntry("d", 0o755), entry{name: fmt.Sprint("d/", name, i), data: strings.Repeat(name, 3000)}))
		require.NoError(t, err)
		require.NoError(t, w.Close())
		layers = append(layers, newLayer(t, e, b.Bytes()))
	}
	image, err := e.NewImage(t.Context(), name, FromLayers(ImageConfig{Cmd: []string{"/x"}, Labels: map[string]string{"of": name}}, layers...))
	require.NoError(t, err)
	return image
}

func TestSaveAndLoad(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	one, two := threeLayers(t, e, "one"), threeLayers(t, e, "two")
	require.NoError(t, one.Tag(t.Context(), "quay.io/one:1"))
	byID, err := e.Image(t.Context(), one.ID())
	require.NoError(t, err)
	for _, format := range []ArchiveFormat{"", DockerArchive, OCIArchive} {
		t.Run("format "+string(format), func(t *testing.T) {
			data := saved(t, format, byID, two, byID)
			require.Equal(t, data, saved(t, format, byID, two), "each once, and always the same bytes")
			for _, c := range []layer.Compression{layer.Uncompressed, layer.Gzip, layer.Zstd} {
				var b bytes.Buffer
				w, err := layer.Compress(&b, c)
				require.NoError(t, err)
				_, err = w.Write(data)
				require.NoError(t, err)
				require.NoError(t, w.Close())

				there := otherEngine(t, t.TempDir())
				images := load(t, there, b.Bytes())
				require.Len(t, images, 2)
				assert.Equal(t, one.ID(), images[0].ID())
				assert.Equal(t, two.ID(), images[1].ID())
				assert.Equal(t, []string{"one:latest", "quay.io/one:1"}, names(t, images[0]))
				assert.Equal(t, []string{"two:latest"}, names(t, images[1]))
				assert.Equal(t, data, saved(t, format, images...), "and back again")
			}
		})
	}
	require.ErrorIs(t, e.Save(t.Context(), io.Discard, "squashfs", one), ErrInvalid)
	require.ErrorIs(t, e.Save(t.Context(), io.Discard, OCIArchive), ErrInvalid)
	require.ErrorIs(t, e.Save(t.Context(), io.Discard, OCIArchive, nil), ErrInvalid)
	require.ErrorIs(t, e.Save(t.Context(), failingWriter{}, OCIArchive, one), errBroken)
}

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, errBroken }

// An image that was looked up by a name is saved with that name alone.
func TestSaveByName(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	ctx := t.Context()
	require.NoError(t, smallImage(t, e, "one", "a").Tag(ctx, "secret.example/two"))
	i, err := e.Image(ctx, "one")
	require.NoError(t, err)
	data := saved(t, DockerArchive, i)
	require.NotContains(t, string(data), "secret")
	images := load(t, otherEngine(t, t.TempDir()), data)
	require.Equal(t, []string{"one:latest"}, names(t, images[0]))

	require.NoError(t, i.Untag(ctx, "one")) // then it is one that has lost that name
	require.Contains(t, string(saved(t, DockerArchive, i)), "secret")
}

func TestLoadOfWhatIsThere(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	ctx := t.Context()
	i := threeLayers(t, e, "one")
	data := saved(t, OCIArchive, i)
	before := inventory(t, e)
	again := load(t, e, data)
	require.Equal(t, i.ID(), again[0].ID())
	require.Equal(t, before, inventory(t, e))

	// The same, compressed in another way: the blobs that are there stay, the others go.
	recompressed := recompress(t, e, i)
	again = load(t, e, recompressed)
	require.Equal(t, i.ID(), again[0].ID())
	require.Equal(t, before, inventory(t, e))

	// What is damaged is repaired.
	layers, err := i.Layers(ctx)
	require.NoError(t, err)
	blob := filepath.Join(e.store.Path(), "blobs/sha256", strings.TrimPrefix(layers[0].Digest(), "sha256:"))
	require.NoError(t, os.Truncate(blob, 100))
	require.ErrorIs(t, i.WriteArchive(ctx, io.Discard, OCIArchive), ErrDamaged)
	load(t, e, data)
	require.NoError(t, i.WriteArchive(ctx, io.Discard, OCIArchive))
}

// recompress returns an archive of the image with all layers plain.
func recompress(t testing.TB, e *Engine, i *Image) []byte {
	there := otherEngine(t, t.TempDir())
	layers, err := i.Layers(t.Context())
	require.NoError(t, err)
	var plain []*Layer
	for _, l := range layers {
		f, err := e.store.OpenBlob(l.blob.Digest)
		require.NoError(t, err)
		r, _, err := layer.Decompress(f, layer.Limits{})
		require.NoError(t, err)
		data, err := io.ReadAll(r)
		require.NoError(t, errors.Join(err, r.Close(), f.Close()))
		plain = append(plain, newLayer(t, there, data))
	}
	cfg, err := i.Config(t.Context())
	require.NoError(t, err)
	p, err := there.NewImage(t.Context(), "one", FromLayers(cfg, plain...))
	require.NoError(t, err)
	require.Equal(t, i.ID(), p.ID())
	return saved(t, OCIArchive, p)
}

func TestNamesOfAnArchive(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	ctx := t.Context()
	data := saved(t, OCIArchive, threeLayers(t, e, "one"), threeLayers(t, e, "two"))
	for _, tt := range []struct {
		name string
		load func(*Engine) error
		want map[string]bool // names, and whether they are the archive's now
		err  error
	}{
		{"its own names are taken", func(e *Engine) error {
			_, err := e.Load(ctx, bytes.NewReader(data), LoadOptions{})
			return err
		}, map[string]bool{"two": false}, ErrExists},
		{"and replaced", func(e *Engine) error {
			_, err := e.Load(ctx, bytes.NewReader(data), LoadOptions{Replace: true})
			return err
		}, map[string]bool{"one": true, "two": true}, nil},
		{"no name", func(e *Engine) error {
			_, err := e.NewImage(ctx, "", FromArchive(bytes.NewReader(data)))
			return err
		}, map[string]bool{"two": false}, ErrExists},
		{"one of its names", func(e *Engine) error {
			i, err := e.NewImage(ctx, "two:latest", FromArchive(bytes.NewReader(data)))
			if err == nil {
				assert.Equal(t, []string{"two:latest"}, names(t, i))
			}
			return err
		}, map[string]bool{"two": true}, nil},
		{"another name", func(e *Engine) error {
			_, err := e.NewImage(ctx, "three", FromArchive(bytes.NewReader(data)))
			return err
		}, map[string]bool{"two": false}, ErrInvalid},
		{"the host's name", func(e *Engine) error {
			_, err := e.NewImage(ctx, "host", FromArchive(bytes.NewReader(data)))
			return err
		}, map[string]bool{"two": false}, ErrInvalid},
	} {
		t.Run(tt.name, func(t *testing.T) {
			there := otherEngine(t, t.TempDir())
			mine := smallImage(t, there, "two", "mine")
			before := inventory(t, there)
			err := tt.load(there)
			if tt.err != nil {
				require.ErrorIs(t, err, tt.err)
				require.Equal(t, before, inventory(t, there))
			} else {
				require.NoError(t, err)
			}
			got := map[string]bool{}
			for _, n := range []string{"one", "two"} {
				if i, err := there.Image(ctx, n); err == nil {
					got[n] = i.ID() != mine.ID()
				}
			}
			require.Equal(t, tt.want, got)
		})
	}
	i, err := otherEngine(t, t.TempDir()).NewImage(ctx, "", FromArchive(bytes.NewReader(data)))
	require.NoError(t, err)
	require.Equal(t, []string{"one:latest"}, names(t, i), "the first one")
}

// One bit of any blob is changed at a time: the archive is refused, and nothing of
// it is left.
func TestFlippedBits(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	for _, format := range []ArchiveFormat{DockerArchive, OCIArchive} {
		data := saved(t, format, threeLayers(t, e, "one"))
		var spans [][2]int64 // of the contents of blobs
		r := bytes.NewReader(data)
		tr := tar.NewReader(r)
		for {
			h, err := tr.Next()
			if err == io.EOF {
				break
			}
			require.NoError(t, err)
			if strings.HasPrefix(h.Name, "blobs/sha256/") && h.Size > 0 {
				at := r.Size() - int64(r.Len())
				spans = append(spans, [2]int64{at, h.Size})
			}
		}
		require.Len(t, spans, 5)
		there := otherEngine(t, t.TempDir())
		before := inventory(t, there)
		random := rand.New(rand.NewPCG(1, 2))
		for range testenv.Scale(t, 1000) {
			s := spans[random.IntN(len(spans))]
			at := s[0] + random.Int64N(s[1])
			bad := bytes.Clone(data)
			bad[at] ^= 1 << random.IntN(8)
			_, err := there.Load(t.Context(), bytes.NewReader(bad), LoadOptions{})
			require.ErrorIs(t, err, ErrInvalid, "offset %d", at)
			require.Equal(t, before, inventory(t, there), "offset %d", at)
		}
		for _, n := range []int{0, 511, 512, len(data) / 2, len(data) - 2000} {
			_, err := there.Load(t.Context(), bytes.NewReader(data[:n]), LoadOptions{})
			require.ErrorIs(t, err, ErrInvalid, "cut at %d", n)
			require.Equal(t, before, inventory(t, there), "cut at %d", n)
		}
	}
}

// A layer that has the right digest and is not the one that the configuration
// names.
func TestWrongDiffID(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	a := newLayer(t, e, gzipped(t, tarOf(t, entry{name: "a", data: "a"})))
	b := newLayer(t, e, gzipped(t, tarOf(t, entry{name: "b", data: "b"})))
	a.blob.DiffID = b.blob.DiffID
	there := otherEngine(t, t.TempDir())
	image, err := e.NewImage(t.Context(), "x", FromLayers(ImageConfig{}, a))
	require.NoError(t, err, "the tree is there already")
	before := inventory(t, there)
	_, err = there.Load(t.Context(), bytes.NewReader(saved(t, OCIArchive, image)), LoadOptions{})
	require.ErrorIs(t, err, ErrInvalid)
	require.ErrorContains(t, err, "diffID")
	require.Equal(t, before, inventory(t, there))
}

func TestLoadOnAFullDisk(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	data := saved(t, OCIArchive, busyboxImage(t, e))
	refused, loaded := 0, 0
	for size := int64(1 << 20); loaded == 0; size += 256 << 10 {
		there, err := Open(testenv.Tmpfs(t, size, 0), &Options{Volatile: true})
		require.NoError(t, err)
		before := inventory(t, there)
		_, err = there.Load(t.Context(), bytes.NewReader(data), LoadOptions{})
		if err == nil {
			loaded++
		} else {
			refused++
			require.ErrorIs(t, err, ErrNoSpace, "%d bytes", size)
			require.Equal(t, before, inventory(t, there))
		}
		require.NoError(t, there.Close())
	}
	require.Greater(t, refused, 5)
}

func TestHostIsNotPortable(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	ctx := t.Context()
	host, err := e.NewImage(ctx, "", FromHost())
	require.NoError(t, err)
	require.Equal(t, []string{"host"}, names(t, host))
	require.NoError(t, host.Tag(ctx, "mine"))
	require.ErrorIs(t, host.WriteArchive(ctx, io.Discard, OCIArchive), ErrNotPortable)
	require.ErrorIs(t, e.Save(ctx, io.Discard, OCIArchive, smallImage(t, e, "a", "a"), host), ErrNotPortable)
	size, err := host.Size(ctx)
	require.NoError(t, err)
	require.Zero(t, size)

	// An archive cannot hold an image that would be taken for it.
	s, err := host.stored()
	require.NoError(t, err)
	manifest, err := e.store.ReadBlob(s.Manifest.Digest)
	require.NoError(t, err)
	evil := tarOf(t,
		entry{name: "oci-layout", data: `{"imageLayoutVersion":"1.0.0"}`},
		entry{name: "index.json", data: fmt.Sprintf(`{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":%q,"size":%d}]}`, s.Manifest.Digest, len(manifest))},
		entry{name: "blobs/sha256/" + s.Manifest.Digest.Encoded(), data: string(manifest)},
		entry{name: "blobs/sha256/" + s.ID.Encoded(), data: string(s.RawConfig)},
	)
	before := inventory(t, e)
	_, err = e.NewImage(ctx, "evil", FromArchive(bytes.NewReader(evil)))
	require.ErrorIs(t, err, ErrInvalid)
	require.ErrorContains(t, err, "rootfs")
	require.Equal(t, before, inventory(t, e))
}

// Engines on one store load, remove and make images at the same time. What a load
// returned can be used until its image is removed.
func TestLoadsAtOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	e := testEngine(t)
	data := [][]byte{saved(t, OCIArchive, threeLayers(t, e, "one")), saved(t, DockerArchive, threeLayers(t, e, "two"))}
	var running sync.WaitGroup
	for worker := range 4 {
		there, err := Open(dir, &Options{Volatile: true})
		require.NoError(t, err)
		running.Go(func() {
			defer func() { assert.NoError(t, there.Close()) }()
			for round := range 10 {
				images, err := there.Load(context.Background(), bytes.NewReader(data[(worker+round)%2]), LoadOptions{Replace: true})
				if !assert.NoError(t, err) {
					return
				}
				if err := images[0].WriteArchive(context.Background(), io.Discard, OCIArchive); err != nil {
					assert.ErrorIs(t, err, ErrNotFound, "another one has removed it")
				}
				if err := images[0].Remove(context.Background(), true); err != nil {
					assert.ErrorIs(t, err, ErrNotFound)
				}
			}
		})
	}
	running.Wait()
	there := otherEngine(t, dir)
	require.NoError(t, there.collect(t.Context()))
	left := inventory(t, there)
	require.Contains(t, left["/names.json"], `"images":[]`)
	for name := range left {
		require.False(t, strings.HasPrefix(name, "/layers/") || strings.HasPrefix(name, "/layer-ids/") || strings.HasPrefix(name, "/blobs/sha256/"), name)
	}
}

// Archives that other tools have made, if the machine has any: those in the folder
// that CORACLE_IMAGES names, of images of one platform with a name.
func TestArchivesOfOthers(t *testing.T) {
	t.Parallel()
	dir := os.Getenv("CORACLE_IMAGES")
	if dir == "" {
		t.Skip("CORACLE_IMAGES names no folder of image archives")
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.tar"))
	require.NoError(t, err)
	for _, name := range files {
		t.Run(filepath.Base(name), func(t *testing.T) {
			e := testEngine(t)
			f, err := os.Open(name)
			require.NoError(t, err)
			defer f.Close()
			images, err := e.Load(t.Context(), f, LoadOptions{})
			require.NoError(t, err)
			for _, format := range []ArchiveFormat{DockerArchive, OCIArchive} {
				again := load(t, otherEngine(t, t.TempDir()), saved(t, format, images...))
				require.Len(t, again, len(images))
				for n, i := range images {
					require.Equal(t, i.ID(), again[n].ID())
					require.Equal(t, names(t, i), names(t, again[n]))
				}
			}
		})
	}
}

// A store that a newer Coracle has written can be saved from, and not loaded into.
func TestSaveFromANewerStore(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	want := saved(t, OCIArchive, smallImage(t, e, "one", "a"))
	require.NoError(t, os.WriteFile(filepath.Join(e.store.Path(), "version"), []byte(`{"version":9,"id":"`+e.store.ID()+`"}`), 0o600))
	newer := otherEngine(t, e.store.Path())
	i, err := newer.Image(t.Context(), "one")
	require.NoError(t, err)
	require.Equal(t, want, saved(t, OCIArchive, i))
	_, err = newer.Load(t.Context(), bytes.NewReader(want), LoadOptions{})
	require.ErrorIs(t, err, ErrReadOnly)
	_, err = newer.NewImage(t.Context(), "two", FromFS(mapFS("b"), ImageConfig{}))
	require.ErrorIs(t, err, ErrReadOnly)
	_, err = newer.NewLayer(t.Context(), bytes.NewReader(nil))
	require.ErrorIs(t, err, ErrReadOnly)
	require.ErrorIs(t, i.Tag(t.Context(), "three"), ErrReadOnly)
}
