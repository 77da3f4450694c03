package archive

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	digest "github.com/opencontainers/go-digest"
)

// layers is a sink of layers that counts what becomes of each. Its fail-th call
// fails.
type layers struct {
	mu                sync.Mutex // guards all fields
	has               map[digest.Digest]bool
	fail              int
	calls             int
	begun, aborted    int
	committed         []digest.Digest
	running, together int
}

func (l *layers) call() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.calls++; l.calls == l.fail {
		return errSink
	}
	return nil
}

func (l *layers) Has(_ context.Context, d digest.Digest) (bool, error) {
	err := l.call()
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.has[d], err
}

func (l *layers) New(context.Context) (LayerWriter, error) {
	if err := l.call(); err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.begun++
	return &layerWriter{l}, nil
}

type layerWriter struct{ *layers }

func (w *layerWriter) Unpack(_ context.Context, r io.Reader) (digest.Digest, error) {
	w.mu.Lock()
	w.running++
	w.together = max(w.together, w.running)
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		w.running--
		w.mu.Unlock()
	}()
	if err := w.call(); err != nil {
		return "", err
	}
	data, err := io.ReadAll(r)
	if err != nil {
		return "", fmt.Errorf("unpack: %w", err)
	}
	if compressionOf(data) == gzipCompression {
		z, err := gzip.NewReader(bytes.NewReader(data))
		if err != nil {
			return "", err
		}
		if data, err = io.ReadAll(z); err != nil {
			return "", err
		}
	}
	return sum(data), nil
}

func (w *layerWriter) Commit(_ context.Context, d digest.Digest) error {
	if err := w.call(); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.committed = append(w.committed, d)
	return nil
}

func (w *layerWriter) Abort() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.aborted++
	return nil
}

func TestUnpack(t *testing.T) {
	t.Parallel()
	m := newMemory()
	img := makeImage(t, m, own(), "a", "b", "c", "b", "d", "d")
	diffIDs := img.Config.RootFS.DiffIDs
	for parallel := -1; parallel < 6; parallel++ {
		dst := &layers{has: map[digest.Digest]bool{diffIDs[2]: true}}
		require.NoError(t, Unpack(t.Context(), img, m, dst, parallel))
		assert.Equal(t, []digest.Digest{diffIDs[0], diffIDs[1], diffIDs[4]}, dst.committed, "each once, the lowest first")
		assert.Equal(t, 3, dst.begun)
		assert.Zero(t, dst.aborted)
		assert.LessOrEqual(t, dst.together, max(parallel, 1))
	}
}

func TestUnpackRefuses(t *testing.T) {
	t.Parallel()
	m := newMemory()
	img := makeImage(t, m, own(), "a", "b", "c")
	change := func(f func(*Image)) Image {
		c := img
		c.Layers = append([]Layer(nil), img.Layers...)
		f(&c)
		return c
	}
	for _, tt := range []struct {
		name, err string
		img       Image
		src       Source
	}{
		{"diffID", "layer " + img.Layers[1].Digest.String() + ": diffID is", change(func(i *Image) { i.Layers[1].DiffID = sum(nil) }), m},
		{"size", "size is", change(func(i *Image) { i.Layers[1].Size++ }), m},
		{"less size", "longer than its size", change(func(i *Image) { i.Layers[1].Size-- }), m},
		{"digest", "digest is", img, swapped(m, img.Layers[1].Digest, bytes.Repeat([]byte("x"), int(img.Layers[1].Size)))},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dst := &layers{}
			err := Unpack(t.Context(), tt.img, tt.src, dst, 2)
			require.ErrorIs(t, err, ErrInvalid)
			assert.ErrorContains(t, err, tt.err)
			assert.Empty(t, dst.committed)
			assert.Equal(t, dst.begun, dst.aborted)
		})
	}
}

// swapped has other content for one blob.
func swapped(m *memory, d digest.Digest, data []byte) *memory {
	c := newMemory()
	for k, v := range m.blobs {
		c.blobs[k] = v
	}
	c.blobs[d] = data
	return c
}

func TestUnpackFails(t *testing.T) {
	t.Parallel()
	m := newMemory()
	img := makeImage(t, m, own(), "a", "b", "c")
	for fail := 1; ; fail++ {
		dst := &layers{fail: fail}
		err := Unpack(t.Context(), img, m, dst, 2)
		if dst.calls < fail {
			require.NoError(t, err)
			require.Equal(t, 12, dst.calls)
			break
		}
		require.ErrorIs(t, err, errSink, "call %d", fail)
		require.Equal(t, dst.begun, dst.aborted+len(dst.committed), "call %d", fail)
	}
	for n := 1; ; n++ {
		src := &failing{m, n}
		dst := &layers{}
		err := Unpack(t.Context(), img, src, dst, 1)
		if src.n > 0 {
			require.NoError(t, err)
			break
		}
		require.ErrorIs(t, err, errSink)
		require.Empty(t, dst.committed)
		require.Equal(t, dst.begun, dst.aborted)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	reason := errors.New("no more interest")
	cancel(reason)
	dst := &layers{}
	require.ErrorIs(t, Unpack(ctx, img, m, dst, 2), reason)
	assert.Empty(t, dst.committed)
}
