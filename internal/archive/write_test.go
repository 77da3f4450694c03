package archive

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	imagespec "github.com/opencontainers/image-spec/specs-go/v1"
)

type writer func(context.Context, io.Writer, []Image, Source) error

func TestWriteAndReadBack(t *testing.T) {
	t.Parallel()
	m := newMemory()
	one := named(makeImage(t, m, own(), "a", "b"), "docker.io/library/x:1", "localhost:5000/y:latest")
	two := tagged(makeImage(t, m, own(), "a", "c", "a"), "stable", "v1.0.0-vendor.0")
	three := makeImage(t, m, imagespec.Platform{}, "d")
	empty, alien := makeImage(t, m, own()), makeImage(t, m, foreign(), "a")
	images := []Image{one, two, three, empty, alien}
	for name, write := range map[string]writer{"OCI": WriteOCI, "docker": WriteDocker} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var first, second bytes.Buffer
			require.NoError(t, write(t.Context(), &first, images, m))
			require.NoError(t, write(t.Context(), &second, images, m))
			assert.Equal(t, first.Bytes(), second.Bytes(), "same bytes")

			c, err := Read(t.Context(), &first, newMemory(), Options{})
			require.NoError(t, err)
			assert.Equal(t, Contents{Images: images}, c)
		})
	}
	t.Run("folder", func(t *testing.T) {
		t.Parallel()
		dir := filepath.Join(t.TempDir(), "layout")
		require.NoError(t, WriteDir(t.Context(), dir, images, m))
		c, err := ReadDir(t.Context(), dir, newMemory(), Options{})
		require.NoError(t, err)
		assert.Equal(t, images, c.Images)
		err = WriteDir(t.Context(), dir, images, m)
		require.ErrorIs(t, err, os.ErrExist)
		_, err = ReadDir(t.Context(), dir, newMemory(), Options{})
		require.NoError(t, err, "untouched")
	})
}

// What is written for readers that know the docker form alone.
func TestWriteDockerForm(t *testing.T) {
	t.Parallel()
	m := newMemory()
	img := named(makeImage(t, m, own(), "a", "b"), "docker.io/library/x:1", "localhost:5000/y:latest")
	var b bytes.Buffer
	require.NoError(t, WriteDocker(t.Context(), &b, []Image{img}, m))

	files := make(map[string]string)
	var names []string
	tr := tar.NewReader(&b)
	for {
		hdr, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		data, err := io.ReadAll(tr)
		require.NoError(t, err)
		files[hdr.Name] = string(data)
		names = append(names, hdr.Name)
		assert.Zero(t, hdr.ModTime.Unix())
		assert.Zero(t, hdr.Uid+hdr.Gid)
	}
	assert.Equal(t, []string{"blobs/", "blobs/sha256/", "oci-layout", "index.json", "manifest.json"}, names[:5])
	assert.Len(t, names, 9)
	assert.JSONEq(t, layoutFile, files["oci-layout"])
	assert.JSONEq(t, `[{"Config":"`+blobName(img.ID())+`","RepoTags":["x:1","localhost:5000/y:latest"],"Layers":["`+blobName(img.Layers[0].Digest)+`","`+blobName(img.Layers[1].Digest)+`"]}]`, files["manifest.json"])
	index, err := parseIndex("index.json", "", []byte(files["index.json"]))
	require.NoError(t, err)
	require.Len(t, index.Manifests, 2)
	assert.Equal(t, map[string]string{annotationImageName: "localhost:5000/y:latest", imagespec.AnnotationRefName: "latest"}, index.Manifests[1].Annotations)
}

// What cannot be read back is refused by readers, too: the stream has no end.
func TestWriteFails(t *testing.T) {
	t.Parallel()
	m := newMemory()
	img := makeImage(t, m, own(), "a", "b")
	wrong := newMemory()
	for d, data := range m.blobs {
		wrong.blobs[d] = bytes.ToUpper(data)
	}
	bad := img
	bad.Manifest.Digest = "sha256:../../x"
	lost := img
	lost.ManifestBytes = []byte("{}")
	for _, tt := range []struct {
		name   string
		images []Image
		src    Source
		err    string
	}{
		{"no image", nil, m, "no image to write"},
		{"no blob", []Image{img}, newMemory(), "write " + blobName(img.Layers[0].Digest) + ": open"},
		{"a wrong blob", []Image{img}, wrong, "write " + blobName(img.Layers[0].Digest) + ": " + blobName(img.Layers[0].Digest) + ": digest is"},
		{"a wrong digest", []Image{bad}, m, "not a sha256 digest"},
		{"wrong bytes of the manifest", []Image{lost}, m, "write " + blobName(img.Manifest.Digest) + ": " + blobName(img.Manifest.Digest) + ": size is 2"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var b bytes.Buffer
			err := WriteOCI(t.Context(), &b, tt.images, tt.src)
			require.Error(t, err)
			assert.True(t, strings.HasPrefix(err.Error(), tt.err), err)
			_, err = Read(t.Context(), &b, newMemory(), Options{})
			require.ErrorIs(t, err, ErrInvalid)

			dir := t.TempDir()
			require.Error(t, WriteDir(t.Context(), dir, tt.images, tt.src))
			left, err := os.ReadDir(dir)
			require.NoError(t, err)
			assert.Empty(t, left)
			dir = filepath.Join(dir, "new")
			require.Error(t, WriteDir(t.Context(), dir, tt.images, tt.src))
			assert.NoDirExists(t, dir)
		})
	}
}

// short is a writer that fails after n bytes.
type short struct{ n int }

func (s *short) Write(p []byte) (int, error) {
	if len(p) > s.n {
		return s.n, errSink
	}
	s.n -= len(p)
	return len(p), nil
}

func TestWriteToFailingWriter(t *testing.T) {
	t.Parallel()
	m := newMemory()
	img := makeImage(t, m, own(), "a")
	var b bytes.Buffer
	require.NoError(t, WriteDocker(t.Context(), &b, []Image{img}, m))
	for n := 0; n < b.Len(); n += 61 {
		require.ErrorIs(t, WriteDocker(t.Context(), &short{n}, []Image{img}, m), errSink, "after %d", n)
	}
	for n := 1; ; n++ {
		src := &failing{m, n}
		err := WriteOCI(t.Context(), io.Discard, []Image{img}, src)
		if src.n > 0 {
			require.NoError(t, err)
			require.Equal(t, 3, n, "open and close of one layer")
			break
		}
		require.ErrorIs(t, err, errSink)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	assert.ErrorIs(t, WriteOCI(ctx, io.Discard, []Image{img}, m), context.Canceled)
}
