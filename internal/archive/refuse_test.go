package archive

import (
	"archive/tar"
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	imagespec "github.com/opencontainers/image-spec/specs-go/v1"
)

func TestReadRefuses(t *testing.T) {
	t.Parallel()
	m := newMemory()
	img, other := makeImage(t, m, amd64, "a", "b"), makeImage(t, m, amd64, "c")
	blobs := m.blobsOf(img)
	layout := func(change func([]member) []member) []member {
		return change(layoutOf(t, []imagespec.Descriptor{img.Manifest}, slices.Clone(blobs)...))
	}
	add := func(l ...member) []member { return layout(func(m []member) []member { return append(m, l...) }) }
	special := func(flag byte, link string) member {
		return member{name: "x", header: tar.Header{Typeflag: flag, Linkname: link}}
	}
	manifestName, configName, layerName := blobs[0].name, blobs[1].name, blobs[2].name
	for _, tt := range []struct {
		name    string
		members []member
		err     string
	}{
		{"nothing", nil, "neither index.json nor manifest.json: not in the archive"},
		{"a layout below the top", []member{{name: "img/index.json", data: "{}"}}, `neither index.json nor manifest.json: not in the archive; there is "img/index.json"`},
		{"no oci-layout", layout(func(l []member) []member { return l[1:] }), "oci-layout: not in the archive"},
		{"no index.json", layout(func(l []member) []member { return append(l[:1], l[2:]...) }), "index.json: not in the archive"},
		{"another version", layout(func(l []member) []member { l[0].data = `{"imageLayoutVersion":"2.0.0"}`; return l }), `oci-layout: /imageLayoutVersion: "2.0.0", not 1.0.0`},
		{"no manifest", layout(func(l []member) []member { return append(l[:2], l[3:]...) }), manifestName + ": not in the archive"},
		{"no config", layout(func(l []member) []member { return append(l[:3], l[4:]...) }), configName + ": not in the archive"},
		{"no layer", layout(func(l []member) []member { return append(l[:4], l[5:]...) }), layerName + ": not in the archive"},
		{"a blob with another content", layout(func(l []member) []member { l[4].data = strings.ToUpper(l[4].data); return l }), layerName + ": blob: digest is"},
		{"an empty index", layoutOf(t, []imagespec.Descriptor{}, blobs...), "index.json: no image among its 0 entries"},
		{"a wrong size of a layer", sizeOfLayer(t, m, img), layerName + ": size is 2048, not 2049"},
		{"a wrong size of a manifest", layoutOf(t, []imagespec.Descriptor{{MediaType: ociManifest, Digest: img.Manifest.Digest, Size: 5}}, blobs...), "manifest " + img.Manifest.Digest.String() + ": size is"},
		{"a bad name", layoutOf(t, []imagespec.Descriptor{entryFor(img, nil, annotationImageName, "../x")}, blobs...), "index.json: /manifests/0/annotations: annotation io.containerd.image.name: not a name"},
		{"two images of one name", layoutOf(t, []imagespec.Descriptor{entryFor(img, nil, annotationImageName, "x:1"), entryFor(other, nil, annotationImageName, "x:1")}, m.blobsOf(img, other)...), `index.json: /manifests: "docker.io/library/x:1" stands for two images for one platform`},
		{"two images of one tag", layoutOf(t, []imagespec.Descriptor{entryFor(img, nil, imagespec.AnnotationRefName, "1"), entryFor(other, nil, imagespec.AnnotationRefName, "1")}, m.blobsOf(img, other)...), `index.json: /manifests: "1" stands for two images for one platform`},
		{"two docker images of one name", twoOfOneName(t, m, img, other), "the name docker.io/library/x:1 stands for two images"},

		{"index.json twice", add(member{name: "index.json", data: "{}"}), "index.json: stands twice, with different content"},
		{"index.json as a link besides", add(member{name: "index.json", header: tar.Header{Typeflag: tar.TypeSymlink, Linkname: "x"}}), "index.json: stands twice, with different content"},
		{"a file twice", []member{{name: "x", data: "1"}, {name: "./x", data: "2"}}, "x: stands twice, with different content"},
		{"a link twice", []member{special(tar.TypeSymlink, "a"), special(tar.TypeSymlink, "b")}, "x: stands twice, with different content"},
		{"a file and a link", []member{{name: "x", data: "1"}, special(tar.TypeSymlink, "b")}, "x: stands twice, with different content"},
		{"a link and a file", []member{special(tar.TypeSymlink, "b"), {name: "x", data: "1"}}, "x: stands twice, with different content"},
		{"a name that climbs", add(member{name: "../x", data: "1"}), `an entry named "../x" has no place`},
		{"a name that climbs inside", add(member{name: "a/../../x", data: "1"}), `an entry named "a/../../x" has no place`},
		{"an absolute name", add(member{name: "/x", data: "1"}), `an entry named "/x" has no place`},
		{"a link out", add(special(tar.TypeSymlink, "../x")), `x: link to "../x", which is outside of the archive`},
		{"an absolute link", add(special(tar.TypeSymlink, "/etc/passwd")), `x: link to "/etc/passwd", which is outside`},
		{"a hard link out", add(special(tar.TypeLink, "../x")), `x: link to "../x", which is outside`},
		{"a FIFO", add(special(tar.TypeFifo, "")), "x: an entry of type '6' has no place"},
		{"a device", add(special(tar.TypeChar, "")), "x: an entry of type '3' has no place"},

		{"docker: no config", []member{{name: "manifest.json", data: `[{"Config":"c","Layers":[]}]`}}, "c: not in the archive"},
		{"docker: no layer", docker(t, img, nil), "l.tar: not in the archive"},
		{"docker: a name of the config that is wrong", []member{{name: "manifest.json", data: digests.Replace(`[{"Config":"H3.json","Layers":[]}]`)}, {name: strings.Repeat("3", 64) + ".json", data: "{}"}}, "manifest.json: /0/Config: " + strings.Repeat("3", 64) + ".json: digest is sha256:44136fa3"},
		{"docker: other layers", docker(t, other, m.blobs[img.Layers[0].Digest]), "l.tar: diffID is " + img.Layers[0].Digest.String() + ", not " + other.Layers[0].DiffID.String()},
		{"docker: too many layers", docker(t, img, m.blobs[img.Layers[0].Digest]), "manifest.json: /0/Layers: 1 layers, but the config has 2 diff_ids"},
		{"docker: bzip2", docker(t, other, []byte("BZh91AY&SY")), "l.tar: a layer compressed with bzip2 is not supported"},
		{"docker: xz", docker(t, other, []byte("\xfd7zXZ\x00")), "l.tar: a layer compressed with xz is not supported"},
		{"docker: links in a ring", []member{
			{name: "manifest.json", data: `[{"Config":"x","Layers":[]}]`},
			special(tar.TypeSymlink, "y"), {name: "y", header: tar.Header{Typeflag: tar.TypeSymlink, Linkname: "x"}},
		}, "x: not in the archive"},
		{"docker: before version 1.10", []member{{name: "repositories", data: "{}"}, {name: "abc/layer.tar", data: "x"}, {name: "abc/json", data: "{}"}}, "neither index.json nor manifest.json"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := load(t, Options{}, tt.members...)
			require.ErrorIs(t, err, ErrInvalid)
			assert.True(t, strings.HasPrefix(err.Error(), tt.err), err)
		})
	}
}

// docker are the members of a docker archive of an image that has its one layer
// in l.tar; nil leaves the layer out.
func docker(t testing.TB, img Image, layer []byte) []member {
	e := dockerEntry{Config: "c.json", Layers: []string{"l.tar"}}
	if layer == nil {
		e.Layers = append(e.Layers, "l.tar")
	}
	list := []member{{name: "manifest.json", data: string(encode(t, []dockerEntry{e}))}, {name: "c.json", data: string(img.ConfigBytes)}}
	if layer != nil {
		list = append(list, member{name: "l.tar", data: string(layer)})
	}
	return list
}

// sizeOfLayer are the members of a layout of which the manifest has the size of
// the lowest layer wrong.
func sizeOfLayer(t testing.TB, m *memory, img Image) []member {
	text := bytes.Replace(img.ManifestBytes, []byte(`"size":2048`), []byte(`"size":2049`), 1)
	require.NotEqual(t, img.ManifestBytes, text)
	d := descriptorOf(ociManifest, text)
	return layoutOf(t, []imagespec.Descriptor{d}, append(m.blobsOf(img), member{name: blobName(d.Digest), data: string(text)})...)
}

// twoOfOneName are the members of a docker archive that has a name twice.
func twoOfOneName(t testing.TB, m *memory, one, two Image) []member {
	one.Names, two.Names = []string{"docker.io/library/x:1"}, []string{"docker.io/library/x:1"}
	return append(m.blobsOf(one, two), member{name: "manifest.json", data: string(encode(t, dockerOf([]Image{one, two})))})
}
