package archive

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	digest "github.com/opencontainers/go-digest"
	imagespec "github.com/opencontainers/image-spec/specs-go/v1"
)

// counting is a sink that keeps what is small and counts all.
type counting struct {
	*memory
	bytes int64
	opens int
}

func (c *counting) Open(ctx context.Context, d digest.Digest) (io.ReadCloser, error) {
	c.opens++
	return c.memory.Open(ctx, d)
}

func (c *counting) Put(ctx context.Context, r io.Reader, want digest.Digest, size int64) (digest.Digest, int64, error) {
	if size <= MaxDocument {
		c.bytes += size
		return c.memory.Put(ctx, r, want, size)
	}
	n, err := io.Copy(io.Discard, r)
	c.bytes += n
	return want, n, err
}

// rawHeader is a block of a tar stream for an entry that has no content, whatever
// its size says.
func rawHeader(name string, flag byte, size string) string {
	block := make([]byte, blockSize)
	copy(block, name)
	copy(block[100:], "0000644\x00")
	copy(block[124:], size)
	copy(block[136:], "00000000000\x00")
	copy(block[148:], "        ")
	block[156] = flag
	copy(block[257:], "ustar\x0000")
	checksum := 0
	for _, b := range block {
		checksum += int(b)
	}
	copy(block[148:], fmt.Sprintf("%06o\x00 ", checksum))
	return string(block)
}

// pax is a header with PAX records of names and values in turn.
func pax(records ...string) string {
	var text string
	for i := 0; i < len(records); i += 2 {
		record := " " + records[i] + "=" + records[i+1] + "\n"
		text += strconv.Itoa(len(record)+2) + record // all of them have 10 to 99 bytes
	}
	return rawHeader("pax", 'x', fmt.Sprintf("%011o", len(text))) + text + strings.Repeat("\x00", blockSize-len(text))
}

// repeating gives the same bytes over and over, n times.
type repeating struct {
	text string
	at   int
	n    int
}

func (r *repeating) Read(p []byte) (int, error) {
	if r.n == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.text[r.at:])
	if r.at += n; r.at == len(r.text) {
		r.at, r.n = 0, r.n-1
	}
	return n, nil
}

func TestHostileStreams(t *testing.T) {
	t.Parallel()
	huge := "\x80\x00\x00\x00\x3f\xff\xff\xff\xff\xff\xff\xff" // 2^62-1 in base 256
	tb := "\x80\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00"   // 2^40
	manyNames := `[{"Config":"c","Layers":[],"RepoTags":["a` + strings.Repeat(`","a`, 99_000) + `"]}]`
	for _, tt := range []struct {
		name  string
		data  io.Reader
		limit string // the limit that a LimitError names, if it is one
	}{
		{"a size of 2^62", io.MultiReader(strings.NewReader(rawHeader("x", '0', huge)), endless{}), "Bytes"},
		{"a size of 1 TiB", io.MultiReader(strings.NewReader(rawHeader("x", '0', tb)), endless{}), "Bytes"},
		{"a document of 1 TiB", io.MultiReader(strings.NewReader(rawHeader("index.json", '0', tb)), endless{}), "Bytes"},
		{"a document of 5 MiB", io.MultiReader(strings.NewReader(rawHeader("manifest.json", '0', "00024000000")), endless{}), "document size"},
		{"a folder with a size", strings.NewReader(rawHeader("x/", '5', "00000001000")), ""},
		{"a link with a size", strings.NewReader(rawHeader("x", '2', "00000001000")), ""},
		{"a negative size", strings.NewReader(rawHeader("x", '0', "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff")), ""},
		{"an unknown type", strings.NewReader(rawHeader("x", 'Z', "00000000000")), ""},
		{"sparse of format 1.0, 2^62 bytes", strings.NewReader(pax("GNU.sparse.major", "1", "GNU.sparse.minor", "0", "GNU.sparse.realsize", strconv.Itoa(1<<62-1), "GNU.sparse.name", "x") + rawHeader("x", '0', "00000001000") + "0\n" + strings.Repeat("\x00", 510)), ""},
		{"sparse of format 0.1, 2^62 bytes", strings.NewReader(pax("GNU.sparse.size", strconv.Itoa(1<<62-1), "GNU.sparse.numblocks", "0", "GNU.sparse.map", "") + rawHeader("x", '0', "00000000000")), ""},
		{"garbage", strings.NewReader(strings.Repeat("garbage ", 1000)), ""},
		{"compressed", bytes.NewReader(gzipped(t, bytes.Repeat([]byte("x"), 5000))), ""},
		{"endless zeros", endless{}, "trailer size"},
		{"endless folders", &repeating{text: rawHeader("x/", '5', "00000000000"), n: -1}, "Entries"},
		{"endless global headers", &repeating{text: rawHeader("g", 'g', "00000000000"), n: -1}, "Entries"},
		{"endless PAX headers", &repeating{text: rawHeader("x", 'x', "00000000000"), n: -1}, "header size"},
		{"endless empty files", &repeating{text: rawHeader("x", '0', "00000000000"), n: -1}, "Blobs"},
		{"many values", bytes.NewReader(tarOf(t, member{name: "manifest.json", data: `[` + strings.Repeat(`{},`, 1_000_000) + `{}]`})), "document values"},
		{"many names", bytes.NewReader(tarOf(t, member{name: "manifest.json", data: manyNames}, member{name: "c", data: "{}"})), ""},
		{"one key of 4 MiB", bytes.NewReader(tarOf(t, member{name: "manifest.json", data: `[{"` + strings.Repeat("x", MaxDocument-100) + `":1}]`})), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			sink := &counting{memory: newMemory()}
			begun := time.Now()
			_, err := Read(t.Context(), tt.data, sink, Options{})
			t.Logf("refused after %v: %v", time.Since(begun), err)
			require.ErrorIs(t, err, ErrInvalid)
			if strings.HasPrefix(tt.name, "sparse") {
				assert.EqualError(t, err, "x: a sparse file has no place in an image archive")
			}
			assert.Less(t, len(err.Error()), 1000)
			assert.Less(t, sink.bytes, int64(64<<20))
			var limit *LimitError
			if tt.limit != "" {
				require.ErrorAs(t, err, &limit)
				assert.Equal(t, tt.limit, limit.Limit)
			}
		})
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	m := newMemory()
	img := makeImage(t, m, own(), "a", "b")
	members := append([]member{{name: "blobs", header: tar.Header{Typeflag: tar.TypeDir}}}, layoutOf(t, []imagespec.Descriptor{img.Manifest}, m.blobsOf(img)...)...)
	var size int64
	for _, e := range members {
		size += int64(len(e.data))
	}
	for _, tt := range []struct {
		name         string
		enough, less Limits
	}{
		{"Bytes", Limits{Bytes: size}, Limits{Bytes: size - 1}},
		{"Entries", Limits{Entries: 7}, Limits{Entries: 6}},
		{"Blobs", Limits{Blobs: 4}, Limits{Blobs: 3}},
		{"Documents", Limits{Documents: 5000}, Limits{Documents: 500}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := load(t, Options{Limits: tt.enough}, members...)
			require.NoError(t, err)
			_, err = load(t, Options{Limits: tt.less}, members...)
			var limit *LimitError
			require.ErrorAs(t, err, &limit)
			require.ErrorIs(t, err, ErrInvalid)
			assert.Equal(t, tt.name, limit.Limit)
		})
	}
}

// Indexes that lead to each other many times over are read once for each entry of
// index.json, and no more often than the limit of documents allows.
func TestHostileIndexes(t *testing.T) {
	t.Parallel()
	m := newMemory()
	img := makeImage(t, m, own(), "a")
	level := []imagespec.Descriptor{img.Manifest}
	var members []member
	for depth := range 3 {
		var next []imagespec.Descriptor
		for i := range 30 {
			data := encode(t, map[string]any{"schemaVersion": 2, "manifests": level, "x": fmt.Sprint(depth, i)})
			members = append(members, member{name: blobName(sum(data)), data: string(data)})
			next = append(next, descriptorOf(ociIndex, data))
		}
		level = next
	}
	data := tarOf(t, layoutOf(t, level, append(members, m.blobsOf(img)...)...)...)
	sink := &counting{memory: newMemory()}
	c, err := Read(t.Context(), bytes.NewReader(data), sink, Options{})
	require.NoError(t, err)
	assert.Equal(t, []Image{img}, c.Images)
	assert.Equal(t, 30*(1+30+30)+2, sink.opens)

	entries := make([]imagespec.Descriptor, 12_000)
	for i := range entries {
		entries[i] = entryFor(img, &imagespec.Platform{OS: "linux", Architecture: strconv.Itoa(i)})
	}
	data = tarOf(t, layoutOf(t, entries, m.blobsOf(img)...)...)
	sink = &counting{memory: newMemory()}
	_, err = Read(t.Context(), bytes.NewReader(data), sink, Options{})
	var platform *PlatformError
	require.ErrorAs(t, err, &platform)
	assert.Len(t, platform.Have, len(entries))
	assert.Less(t, len(err.Error()), 1000)
	assert.Equal(t, 2, sink.opens)
}
