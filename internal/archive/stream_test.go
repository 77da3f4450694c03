package archive

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	digest "github.com/opencontainers/go-digest"
	imagespec "github.com/opencontainers/image-spec/specs-go/v1"
)

func TestReadCutStream(t *testing.T) {
	t.Parallel()
	m := newMemory()
	img := makeImage(t, m, amd64, "a")
	data := tarOf(t, layoutOf(t, []imagespec.Descriptor{img.Manifest}, m.blobsOf(img)...)...)
	for n := 0; n < len(data)-512; n += 61 {
		_, err := Read(t.Context(), bytes.NewReader(data[:n]), newMemory(), Options{})
		require.ErrorIs(t, err, ErrInvalid, "cut at %d", n)
		require.ErrorIs(t, err, io.ErrUnexpectedEOF, "cut at %d", n)
	}
	for _, end := range []string{"", strings.Repeat("\x00", 10240)} {
		_, err := Read(t.Context(), strings.NewReader(string(data)+end), newMemory(), Options{})
		assert.NoError(t, err)
	}
	_, err := Read(t.Context(), bytes.NewReader(data[:len(data)-512]), newMemory(), Options{})
	assert.NoError(t, err, "one block of zeros")
	_, err = Read(t.Context(), strings.NewReader(string(data)+"x"), newMemory(), Options{})
	assert.EqualError(t, err, "tar stream: garbage after its end")
	assert.ErrorIs(t, err, ErrInvalid)
	_, err = Read(t.Context(), io.MultiReader(bytes.NewReader(data), endless{}), newMemory(), Options{})
	assert.EqualError(t, err, "tar stream: more than the trailer size limit of 1048576")
}

// endless gives zeros.
type endless struct{}

func (endless) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// An error of the stream is returned as it is, wherever it happens.
func TestReadFailingStream(t *testing.T) {
	t.Parallel()
	m := newMemory()
	img := makeImage(t, m, amd64, "a")
	data := tarOf(t, layoutOf(t, []imagespec.Descriptor{img.Manifest}, m.blobsOf(img)...)...)
	broken := errors.New("broken pipe")
	for n := 0; n <= len(data); n += 61 {
		r := io.MultiReader(bytes.NewReader(data[:n]), iotest.ErrReader(broken))
		_, err := Read(t.Context(), r, newMemory(), Options{})
		require.ErrorIs(t, err, broken, "after %d", n)
		require.NotErrorIs(t, err, ErrInvalid, "after %d", n)
	}
}

// stopping cancels a context after n reads.
type stopping struct {
	io.Reader
	n      int
	cancel context.CancelFunc
}

func (s *stopping) Read(p []byte) (int, error) {
	if s.n--; s.n == 0 {
		s.cancel()
	}
	return s.Reader.Read(p[:min(len(p), 64)])
}

func TestReadCancelled(t *testing.T) {
	t.Parallel()
	m := newMemory()
	img := makeImage(t, m, amd64, "a")
	data := tarOf(t, layoutOf(t, []imagespec.Descriptor{img.Manifest}, m.blobsOf(img)...)...)
	for n := 1; n < len(data)/64; n += 7 {
		ctx, cancel := context.WithCancel(t.Context())
		_, err := Read(ctx, &stopping{bytes.NewReader(data), n, cancel}, newMemory(), Options{})
		require.ErrorIs(t, err, context.Canceled)
		require.NotErrorIs(t, err, ErrInvalid)
	}
}

// failing is a sink of which the n-th call fails.
type failing struct {
	*memory
	n int
}

var errSink = errors.New("no space left on device")

func (f *failing) call() error {
	if f.n--; f.n == 0 {
		return errSink
	}
	return nil
}

func (f *failing) Put(ctx context.Context, r io.Reader, want digest.Digest, size int64) (digest.Digest, int64, error) {
	if err := f.call(); err != nil {
		return "", 0, err
	}
	return f.memory.Put(ctx, r, want, size)
}

func (f *failing) Open(ctx context.Context, d digest.Digest) (io.ReadCloser, error) {
	if err := f.call(); err != nil {
		return nil, err
	}
	r, err := f.memory.Open(ctx, d)
	return &closing{r, f}, err
}

// closing counts its Close as a call.
type closing struct {
	io.ReadCloser
	f *failing
}

func (c *closing) Close() error { return errors.Join(c.ReadCloser.Close(), c.f.call()) }

func TestReadFailingSink(t *testing.T) {
	t.Parallel()
	m := newMemory()
	img := makeImage(t, m, amd64, "a", "b")
	for _, members := range [][]member{
		layoutOf(t, []imagespec.Descriptor{img.Manifest}, m.blobsOf(img)...),
		m.legacy(t, img),
	} {
		data := tarOf(t, members...)
		for n := 1; ; n++ {
			sink := &failing{newMemory(), n}
			c, err := Read(t.Context(), bytes.NewReader(data), sink, Options{})
			if sink.n > 0 {
				require.NoError(t, err)
				require.Greater(t, n, 5, "calls")
				break
			}
			require.ErrorIs(t, err, errSink, "call %d", n)
			require.NotErrorIs(t, err, ErrInvalid)
			require.Zero(t, c)
		}
	}
}

// lazy is a sink that says what it was asked for without reading.
type lazy struct{ *memory }

func (lazy) Put(_ context.Context, _ io.Reader, want digest.Digest, _ int64) (digest.Digest, int64, error) {
	return want, 0, nil
}

func TestReadDoesNotTrustTheSink(t *testing.T) {
	t.Parallel()
	m := newMemory()
	img := makeImage(t, m, amd64, "a")
	data := tarOf(t, layoutOf(t, []imagespec.Descriptor{img.Manifest}, m.blobsOf(img)...)...)
	_, err := Read(t.Context(), bytes.NewReader(data), lazy{newMemory()}, Options{})
	require.ErrorContains(t, err, "the sink took 0 bytes")
	assert.NotErrorIs(t, err, ErrInvalid)
}

// Every bit of a document or blob counts. index.json is left out: nothing vouches
// for it, and a bit of a name makes another name.
func TestReadAndUnpackFlippedBits(t *testing.T) {
	t.Parallel()
	m := newMemory()
	img := makeImage(t, m, amd64, "a", "b", "c", "d", "e")
	index := indexBytes(t, img.Manifest)
	members := layoutOf(t, []imagespec.Descriptor{descriptorOf(ociIndex, index)}, append(m.blobsOf(img), member{name: blobName(sum(index)), data: string(index)})...)
	flips := 0
	for i := range members {
		if members[i].name == "index.json" {
			continue
		}
		original := members[i].data
		for at := 0; at < len(original); at += 1 + len(original)/300 {
			changed := []byte(original)
			changed[at] ^= 1 << (at % 8)
			members[i].data = string(changed)
			_, err := load(t, Options{}, members...)
			require.ErrorIs(t, err, ErrInvalid, "%s: byte %d", members[i].name, at)
			flips++
		}
		members[i].data = original
	}
	t.Logf("%d of %d flipped bits refused", flips, flips)
}
