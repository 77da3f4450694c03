package store

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/coraclehq/coracle/internal/sys"
	digest "github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	imagespec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// open opens a volatile store for the length of the test.
func open(tb testing.TB, dir string) *Store {
	tb.Helper()
	if _, err := sys.Open("/", sys.O_RDONLY, 0); errors.Is(err, sys.ErrNotLinux) {
		tb.Skip(err)
	}
	s, err := Open(context.Background(), dir, Options{Volatile: true})
	require.NoError(tb, err)
	tb.Cleanup(func() {
		if err := s.Close(); !errors.Is(err, ErrClosed) {
			assert.NoError(tb, err)
		}
	})
	return s
}

// addLayer makes a layer with one file of that content.
func addLayer(tb testing.TB, s *Store, content string) Layer {
	tb.Helper()
	w, err := s.NewLayer()
	require.NoError(tb, err)
	require.NoError(tb, w.Dir.WriteFile("file", []byte(content), 0o644, false))
	l, err := w.Commit(context.Background(), Layer{DiffID: digest.FromString(content), Size: int64(len(content))})
	require.NoError(tb, err)
	return l
}

func putBlob(tb testing.TB, s *Store, mediaType string, data []byte) imagespec.Descriptor {
	tb.Helper()
	d, err := s.PutBlob(data)
	require.NoError(tb, err)
	return imagespec.Descriptor{MediaType: mediaType, Digest: d, Size: int64(len(data))}
}

// addManifest stores the documents of an image with these layers, and the layers.
func addManifest(tb testing.TB, s *Store, layers ...string) imagespec.Descriptor {
	tb.Helper()
	config := imagespec.Image{Platform: imagespec.Platform{OS: "linux", Architecture: "amd64"}}
	config.RootFS.Type = "layers"
	m := imagespec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: imagespec.MediaTypeImageManifest,
		Layers: []imagespec.Descriptor{},
	}
	for _, l := range layers {
		config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, addLayer(tb, s, l).DiffID)
		m.Layers = append(m.Layers, putBlob(tb, s, imagespec.MediaTypeImageLayer, []byte("blob of "+l)))
	}
	m.Config = putBlob(tb, s, imagespec.MediaTypeImageConfig, must(json.Marshal(config)))
	return putBlob(tb, s, imagespec.MediaTypeImageManifest, must(json.Marshal(m)))
}

// addImage makes an image of these layers.
func addImage(tb testing.TB, s *Store, name string, layers ...string) Image {
	tb.Helper()
	n := NewImage{Manifest: addManifest(tb, s, layers...)}
	if name != "" {
		n.Names = []string{name}
	}
	i, err := s.PutImage(context.Background(), n)
	require.NoError(tb, err)
	return i
}

func addContainer(tb testing.TB, s *Store, name string) Record {
	tb.Helper()
	r, err := s.CreateContainer(context.Background(), NewContainer{Record: Record{Name: name}, Spec: []byte("{}")})
	require.NoError(tb, err)
	return r
}

// requireWhole opens the store anew and finds everything in it in agreement, and
// nothing half-made.
func requireWhole(tb testing.TB, dir string) *Store {
	tb.Helper()
	s := open(tb, dir)
	require.NoError(tb, s.Settle(context.Background()))
	names, err := s.tmp.Names()
	require.NoError(tb, err)
	if s.writer != nil { // repair has written
		require.Equal(tb, []string{s.writer.name}, names)
	} else {
		require.Empty(tb, names)
	}
	wantLinks := map[string]string{}
	for r, err := range s.Containers() {
		require.NoError(tb, err)
		if r.Name != "" {
			require.NotContains(tb, wantLinks, r.Name)
			wantLinks[r.Name] = r.ID
		}
	}
	require.Equal(tb, wantLinks, links(tb, filepath.Join(dir, "container-names")))
	for link, id := range links(tb, filepath.Join(dir, "layer-ids")) {
		l, err := s.Layer(id)
		require.NoError(tb, err)
		require.Equal(tb, link, linkName(l.key()))
	}
	for _, err := range s.Images() {
		require.NoError(tb, err)
	}
	x, err := s.readIndex()
	require.NoError(tb, err)
	require.Equal(tb, string(must(x.render())), readFile(tb, dir, "index.json"))
	blobs, err := s.blobs.Names()
	require.NoError(tb, err)
	for _, b := range blobs {
		require.Equal(tb, b, digest.FromString(readFile(tb, dir, "blobs/sha256", b)).Encoded())
	}
	left, err := filepath.Glob(filepath.Join(dir, sys.AsidePrefix+"*"))
	require.NoError(tb, err)
	require.Empty(tb, left)
	return s
}

func links(tb testing.TB, dir string) map[string]string {
	tb.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(tb, err)
	m := map[string]string{}
	for _, e := range entries {
		m[e.Name()], err = os.Readlink(filepath.Join(dir, e.Name()))
		require.NoError(tb, err)
	}
	return m
}

func readFile(tb testing.TB, path ...string) string {
	tb.Helper()
	data, err := os.ReadFile(filepath.Join(path...))
	require.NoError(tb, err)
	return string(data)
}

// tree describes a directory: names, permissions, link targets and contents.
func tree(tb testing.TB, dir string) map[string]string {
	tb.Helper()
	m := map[string]string{}
	require.NoError(tb, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		var text []byte
		switch {
		case info.Mode().IsRegular():
			text, err = os.ReadFile(path)
		case info.Mode()&os.ModeSymlink != 0:
			var to string
			to, err = os.Readlink(path)
			text = []byte(to)
		}
		m[strings.TrimPrefix(path, dir)] = info.Mode().String() + " " + string(bytes.Clone(text))
		return err
	}))
	return m
}

func itoa(n int) string { return strconv.Itoa(n) }
