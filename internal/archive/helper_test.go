package archive

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	digest "github.com/opencontainers/go-digest"
	specs "github.com/opencontainers/image-spec/specs-go"
	imagespec "github.com/opencontainers/image-spec/specs-go/v1"
)

// A memory is a sink and a source of blobs.
type memory struct {
	mu    sync.Mutex // guards blobs
	blobs map[digest.Digest][]byte
}

func newMemory() *memory { return &memory{blobs: make(map[digest.Digest][]byte)} }

func (m *memory) Open(_ context.Context, d digest.Digest) (io.ReadCloser, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	data, ok := m.blobs[d]
	if !ok {
		return nil, fmt.Errorf("open %s: %w", d, fs.ErrNotExist)
	}
	return io.NopCloser(bytes.NewReader(data)), nil
}

func (m *memory) Put(_ context.Context, r io.Reader, want digest.Digest, size int64) (digest.Digest, int64, error) {
	data, err := io.ReadAll(r)
	if err != nil {
		return "", 0, fmt.Errorf("put: %w", err)
	}
	got := sum(data)
	if want != "" && got != want {
		return "", 0, wrongDigest("blob", got, want)
	}
	if size >= 0 && int64(len(data)) != size {
		return "", 0, wrongSize("blob", int64(len(data)), size)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.blobs[got] = data
	return got, int64(len(data)), nil
}

func (m *memory) add(data []byte) digest.Digest {
	d := sum(data)
	m.blobs[d] = data
	return d
}

// member is an entry of a tar stream that a test makes.
type member struct {
	name, data string
	header     tar.Header // what is not a regular file with data
}

func tarOf(t testing.TB, members ...member) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, m := range members {
		h := m.header
		if h.Typeflag == 0 {
			h.Typeflag = tar.TypeReg
		}
		if h.Typeflag != tar.TypeXGlobalHeader {
			h.Name, h.Size, h.Mode = m.name, int64(len(m.data)), 0o644
		}
		require.NoError(t, w.WriteHeader(&h))
		_, err := io.WriteString(w, m.data)
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return b.Bytes()
}

// layerTar is the tar stream of a layer with one file.
func layerTar(t testing.TB, name string) []byte {
	return tarOf(t, member{name: name, data: "content of " + name})
}

func gzipped(t testing.TB, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write(data)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.Bytes()
}

func encode(t testing.TB, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	require.NoError(t, err)
	return data
}

func descriptorOf(mediaType string, data []byte) imagespec.Descriptor {
	return imagespec.Descriptor{MediaType: mediaType, Digest: sum(data), Size: int64(len(data))}
}

var (
	amd64 = imagespec.Platform{OS: "linux", Architecture: "amd64"}
	arm64 = imagespec.Platform{OS: "linux", Architecture: "arm64", Variant: "v8"}
	riscv = imagespec.Platform{OS: "linux", Architecture: "riscv64"}
)

// makeImage makes an image of layers with one file each, every second of them
// compressed, and puts its blobs into m.
func makeImage(t testing.TB, m *memory, p imagespec.Platform, layers ...string) Image {
	t.Helper()
	config := imagespec.Image{Platform: p, RootFS: imagespec.RootFS{Type: "layers", DiffIDs: []digest.Digest{}}}
	config.Config.Cmd = []string{"/hello"}
	manifest := imagespec.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: imagespec.MediaTypeImageManifest, Layers: []imagespec.Descriptor{}}
	for i, name := range layers {
		data, mediaType := layerTar(t, name), imagespec.MediaTypeImageLayer
		config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, sum(data))
		if i%2 == 1 {
			data, mediaType = gzipped(t, data), imagespec.MediaTypeImageLayerGzip
		}
		m.add(data)
		manifest.Layers = append(manifest.Layers, descriptorOf(mediaType, data))
	}
	configBytes := encode(t, config)
	manifest.Config = descriptorOf(imagespec.MediaTypeImageConfig, configBytes)
	m.add(configBytes)
	manifestBytes := encode(t, manifest)
	m.add(manifestBytes)
	img, err := NewImage(descriptorOf(imagespec.MediaTypeImageManifest, manifestBytes), manifestBytes, configBytes)
	require.NoError(t, err)
	return img
}
