package archive

import (
	"archive/tar"
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	digest "github.com/opencontainers/go-digest"
	specs "github.com/opencontainers/image-spec/specs-go"
	imagespec "github.com/opencontainers/image-spec/specs-go/v1"
)

const layoutFile = `{"imageLayoutVersion":"1.0.0"}`

// blob is a blob of m as a member of a layout.
func (m *memory) blob(d digest.Digest) member {
	return member{name: blobName(d), data: string(m.blobs[d])}
}

// blobsOf are the blobs of images as members of a layout, each once.
func (m *memory) blobsOf(images ...Image) []member {
	var list []member
	seen := make(map[digest.Digest]bool)
	for _, img := range images {
		for _, d := range img.Blobs() {
			if !seen[d.Digest] {
				seen[d.Digest] = true
				list = append(list, m.blob(d.Digest))
			}
		}
	}
	return list
}

// entryFor is an entry of an index, with annotations of names and values in turn.
func entryFor(img Image, p *imagespec.Platform, annotations ...string) imagespec.Descriptor {
	d := img.Manifest
	d.Platform = p
	for i := 0; i+1 < len(annotations); i += 2 {
		if d.Annotations == nil {
			d.Annotations = make(map[string]string)
		}
		d.Annotations[annotations[i]] = annotations[i+1]
	}
	return d
}

func indexBytes(t testing.TB, entries ...imagespec.Descriptor) []byte {
	return encode(t, imagespec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, Manifests: entries})
}

// layoutOf are the members of a layout.
func layoutOf(t testing.TB, entries []imagespec.Descriptor, blobs ...member) []member {
	return append([]member{{name: "oci-layout", data: layoutFile}, {name: "index.json", data: string(indexBytes(t, entries...))}}, blobs...)
}

// legacy are the members of what Docker before version 25 saves.
func (m *memory) legacy(t testing.TB, img Image, tags ...string) []member {
	e := dockerEntry{Config: img.ID().Encoded() + ".json", RepoTags: tags}
	var list []member
	for i, l := range img.Layers {
		dir := strings.Repeat(string(rune('a'+i)), 64)
		list = append(list,
			member{name: dir + "/", header: tar.Header{Typeflag: tar.TypeDir}},
			member{name: dir + "/VERSION", data: "1.0"},
			member{name: dir + "/json", data: "{}"},
			member{name: dir + "/layer.tar", data: string(m.blobs[l.Digest])})
		e.Layers = append(e.Layers, dir+"/layer.tar")
	}
	return append(list,
		member{name: e.Config, data: string(img.ConfigBytes)},
		member{name: "manifest.json", data: string(encode(t, []dockerEntry{e}))},
		member{name: "repositories", data: "{}"})
}

// load reads an archive made of members and makes sure that the sink has all of
// what is returned.
func load(t testing.TB, o Options, members ...member) (Contents, error) {
	t.Helper()
	sink := newMemory()
	c, err := Read(t.Context(), bytes.NewReader(tarOf(t, members...)), sink, o)
	if err != nil {
		assert.Zero(t, c)
		return c, err
	}
	require.NotEmpty(t, c.Images)
	for _, img := range c.Images {
		for _, b := range img.Blobs() {
			require.Len(t, sink.blobs[b.Digest], int(b.Size))
		}
		again, err := NewImage(img.Manifest, img.ManifestBytes, img.ConfigBytes)
		require.NoError(t, err)
		again.Names, again.Refs = img.Names, img.Refs
		require.Equal(t, again, img)
	}
	return c, err
}

func TestReadLayoutInAnyOrder(t *testing.T) {
	t.Parallel()
	m := newMemory()
	img := makeImage(t, m, amd64, "a", "b", "c")
	img.Names = []string{"docker.io/library/x:1"}
	members := layoutOf(t, []imagespec.Descriptor{entryFor(img, &amd64, annotationImageName, "x:1", imagespec.AnnotationRefName, "1")}, m.blobsOf(img)...)
	for range members {
		members = append(members[1:], members[0])
		c, err := load(t, Options{}, members...)
		require.NoError(t, err)
		assert.Equal(t, Contents{Images: []Image{img}}, c)
	}
	slices.Reverse(members)
	c, err := load(t, Options{}, members...)
	require.NoError(t, err)
	assert.Equal(t, Contents{Images: []Image{img}}, c)
}

func TestReadLayoutOfAFolderInATar(t *testing.T) {
	t.Parallel()
	m := newMemory()
	img := makeImage(t, m, amd64, "a")
	members := layoutOf(t, []imagespec.Descriptor{img.Manifest}, m.blobsOf(img)...)
	for i := range members {
		members[i].name = "./" + members[i].name
	}
	members = append([]member{
		{name: "./", header: tar.Header{Typeflag: tar.TypeDir}},
		{name: "./blobs/", header: tar.Header{Typeflag: tar.TypeDir}},
		{name: "./large", data: strings.Repeat("x", 5000)},
		{name: "./blobs/sha512/x", data: "not looked at"},
		{name: "pax_global_header", header: tar.Header{Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{"comment": "x"}}},
	}, members...)
	c, err := load(t, Options{}, members...)
	require.NoError(t, err)
	assert.Equal(t, Contents{Images: []Image{img}}, c)
}

func TestReadDockerSave(t *testing.T) {
	t.Parallel()
	m := newMemory()
	img := makeImage(t, m, amd64, "a", "b")
	for _, tt := range []struct {
		name   string
		change func(list []member) []member
	}{
		{"as it is", func(l []member) []member { return l }},
		{"manifest first", func(l []member) []member { slices.Reverse(l); return l }},
		{"symbolic link to a layer", func(l []member) []member {
			l[3].name = "b.tar"
			return append(l, member{name: strings.Repeat("a", 64) + "/layer.tar", header: tar.Header{Typeflag: tar.TypeSymlink, Linkname: "../b.tar"}})
		}},
		{"hard link to a layer", func(l []member) []member {
			l[3].name = "b.tar"
			return append(l, member{name: strings.Repeat("a", 64) + "/layer.tar", header: tar.Header{Typeflag: tar.TypeLink, Linkname: "b.tar"}})
		}},
		{"the same file twice", func(l []member) []member { return append(l, l...) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c, err := load(t, Options{}, tt.change(m.legacy(t, img, "x:1", "localhost:5000/y", "x:1"))...)
			require.NoError(t, err)
			require.Len(t, c.Images, 1)
			got := c.Images[0]
			assert.Equal(t, []string{"docker.io/library/x:1", "localhost:5000/y:latest"}, got.Names)
			// The manifest is composed, and for OCI media types comes out like the
			// one that the image had.
			assert.Equal(t, img.ManifestBytes, got.ManifestBytes)
			assert.Equal(t, img.Layers, got.Layers)
		})
	}
}

func TestReadBothForms(t *testing.T) {
	t.Parallel()
	m := newMemory()
	one, two := makeImage(t, m, amd64, "a"), makeImage(t, m, arm64, "b")
	docker := func(images ...Image) member {
		for i := range images {
			images[i].Names = []string{"docker.io/library/" + images[i].ID().Encoded()[:8] + ":1"}
		}
		return member{name: "manifest.json", data: string(encode(t, dockerOf(images)))}
	}
	entries := []imagespec.Descriptor{entryFor(one, &amd64), entryFor(two, &arm64)}

	c, err := load(t, Options{Platform: &amd64}, append(layoutOf(t, entries, m.blobsOf(one, two)...), docker(one, two))...)
	require.NoError(t, err)
	require.Len(t, c.Images, 1, "manifest.json may have other platforms")
	assert.Equal(t, []string{"docker.io/library/" + one.ID().Encoded()[:8] + ":1"}, c.Images[0].Names)

	_, err = load(t, Options{Platform: &amd64}, append(layoutOf(t, entries[:1], m.blobsOf(one, two)...), docker(two))...)
	require.ErrorIs(t, err, ErrInvalid)
	assert.EqualError(t, err, "manifest.json: /0/Config: an image that index.json does not lead to")
}

func TestReadFS(t *testing.T) {
	t.Parallel()
	m := newMemory()
	img := makeImage(t, m, amd64, "a", "b")
	for name, members := range map[string][]member{
		"layout":      layoutOf(t, []imagespec.Descriptor{img.Manifest}, m.blobsOf(img)...),
		"docker save": m.legacy(t, img),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fsys := fstest.MapFS{"unrelated": {Data: []byte("x")}}
			for _, e := range members {
				fsys[strings.TrimSuffix(e.name, "/")] = &fstest.MapFile{Data: []byte(e.data)}
			}
			sink := newMemory()
			c, err := ReadFS(t.Context(), fsys, sink, Options{})
			require.NoError(t, err)
			assert.Equal(t, Contents{Images: []Image{img}}, c)
			assert.Len(t, sink.blobs, len(img.Blobs()), "nothing but the image")

			_, err = ReadFS(t.Context(), fsys, newMemory(), Options{Limits: Limits{Bytes: 100}})
			var limit *LimitError
			require.ErrorAs(t, err, &limit)
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			_, err = ReadFS(ctx, fsys, newMemory(), Options{})
			assert.ErrorIs(t, err, context.Canceled)
		})
	}
	_, err := ReadFS(t.Context(), fstest.MapFS{"img/index.json": {Data: []byte("{}")}}, newMemory(), Options{})
	assert.EqualError(t, err, `neither index.json nor manifest.json: not in the archive; there is "img/index.json"`)
}
