package archive

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	imagespec "github.com/opencontainers/image-spec/specs-go/v1"
)

// seed gives a fuzz target the documents of the table that are of its kind.
func seed(f *testing.F, is func(kind string) bool) {
	for _, tt := range documents {
		if is(tt.kind) && len(tt.text) < 2000 {
			f.Add([]byte(digests.Replace(tt.text)))
		}
	}
}

// sound reports whether a document was accepted, and checks what is true of every
// one: it is JSON, and its descriptors are complete. Refusals are ErrInvalid and
// short.
func sound(t *testing.T, data []byte, err error, descriptors ...imagespec.Descriptor) bool {
	t.Helper()
	if err != nil {
		require.ErrorIs(t, err, ErrInvalid)
		require.Less(t, len(err.Error()), 2000)
		return false
	}
	require.True(t, json.Valid(data))
	for _, d := range descriptors {
		_, err := ParseDigest(d.Digest.String())
		require.NoError(t, err)
		require.GreaterOrEqual(t, d.Size, int64(0))
		require.NotEmpty(t, d.MediaType)
	}
	return true
}

// same makes sure that a reader which takes keys exactly as they are written, and
// the first of two, understands a value under a key as it was understood here.
func same(t *testing.T, data []byte, key string, got any) {
	t.Helper()
	var object map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(data, &object))
	exact := reflect.New(reflect.TypeOf(got))
	if raw, ok := object[key]; ok {
		require.NoError(t, json.Unmarshal(raw, exact.Interface()))
	}
	require.Equal(t, exact.Elem().Interface(), got, key)
}

func FuzzManifest(f *testing.F) {
	seed(f, func(kind string) bool { return IsManifest(kind) })
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, kind := range []string{ociManifest, mediaTypeDockerManifest} {
			m, err := ParseManifest(descriptorOf(kind, data), data)
			if sound(t, data, err, append(m.Layers, m.Config)...) {
				same(t, data, "layers", m.Layers)
				same(t, data, "config", m.Config)
				_, err := ParseIndex(descriptorOf(ociIndex, data), data)
				require.Error(t, err, "a manifest is no index")
			}
		}
	})
}

func FuzzIndex(f *testing.F) {
	seed(f, IsIndex)
	f.Fuzz(func(t *testing.T, data []byte) {
		index, err := ParseIndex(descriptorOf(ociIndex, data), data)
		if sound(t, data, err, index.Manifests...) {
			same(t, data, "manifests", index.Manifests)
			_, err := ParseManifest(descriptorOf(ociManifest, data), data)
			require.Error(t, err, "an index is no manifest")
			for _, d := range index.Manifests {
				if l, err := labelOf(d); err == nil && l.name != "" {
					_, err := parseName(l.name)
					require.NoError(t, err)
				}
			}
		}
	})
}

func FuzzConfig(f *testing.F) {
	seed(f, isConfig)
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := ParseConfig(descriptorOf(ociConfig, data), data)
		if sound(t, data, err) {
			for _, d := range c.RootFS.DiffIDs {
				_, err := ParseDigest(d.String())
				require.NoError(t, err)
			}
			same(t, data, "config", c.Config)
			same(t, data, "rootfs", c.RootFS)
			same(t, data, "architecture", c.Architecture)
		}
	})
}

func FuzzDockerManifest(f *testing.F) {
	seed(f, func(kind string) bool { return kind == dockerManifest })
	f.Fuzz(func(t *testing.T, data []byte) {
		list, err := parseDocker(data)
		if !sound(t, data, err) {
			return
		}
		require.NotEmpty(t, list)
		for _, e := range list {
			for _, name := range append(e.Layers, e.Config) {
				require.False(t, strings.HasPrefix(name, "/") || name == ".." || strings.HasPrefix(name, "../"), "%q", name)
			}
			for _, name := range e.RepoTags {
				tagged, err := parseName(name)
				require.NoError(t, err)
				require.Equal(t, name, tagged.String(), "complete")
			}
		}
	})
}

func FuzzDigest(f *testing.F) {
	f.Add("sha256:" + strings.Repeat("a", 64))
	f.Add("sha256:../../x")
	f.Fuzz(func(t *testing.T, s string) {
		d, err := ParseDigest(s)
		if err != nil {
			return
		}
		require.Equal(t, s, d.String())
		require.NoError(t, d.Validate(), "the standard's own parser agrees")
		require.Len(t, blobName(d), len("blobs/sha256/")+64)
		require.NotContains(t, blobName(d), "..")
	})
}

// FuzzRead reads whole archives. The sink is the only witness: what is returned
// is in it, complete.
func FuzzRead(f *testing.F) {
	m := newMemory()
	img := named(makeImage(f, m, own(), "a", "b"), "docker.io/library/x:1")
	for _, members := range [][]member{
		layoutOf(f, []imagespec.Descriptor{entryFor(img, nil, annotationImageName, "x:1")}, m.blobsOf(img)...),
		m.legacy(f, img, "x:1"),
	} {
		f.Add(tarOf(f, members...))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		sink := newMemory()
		c, err := Read(t.Context(), bytes.NewReader(data), sink, Options{Limits: Limits{Bytes: 1 << 20}})
		if err != nil {
			var platform *PlatformError
			require.True(t, errors.Is(err, ErrInvalid) || errors.As(err, &platform), "%v", err)
			return
		}
		require.NotEmpty(t, c.Images)
		for _, img := range c.Images {
			for _, b := range img.Blobs() {
				require.Len(t, sink.blobs[b.Digest], int(b.Size))
				require.Equal(t, b.Digest, sum(sink.blobs[b.Digest]))
			}
		}
		var b bytes.Buffer
		require.NoError(t, WriteDocker(t.Context(), &b, c.Images, sink))
		again, err := Read(t.Context(), &b, newMemory(), Options{})
		if assert.NoError(t, err) {
			require.Len(t, again.Images, len(c.Images))
		}
	})
}
