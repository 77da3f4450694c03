package archive

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	imagespec "github.com/opencontainers/image-spec/specs-go/v1"
)

// own and foreign are platforms of which this machine runs the first alone.
func own() imagespec.Platform { return machine() }

func foreign() imagespec.Platform {
	if runtime.GOARCH == "arm64" {
		return amd64
	}
	return arm64
}

func TestChoosePlatform(t *testing.T) {
	t.Parallel()
	m := newMemory()
	mine, alien, third := makeImage(t, m, own(), "a"), makeImage(t, m, foreign(), "b"), makeImage(t, m, riscv, "c")
	all := m.blobsOf(mine, alien, third)
	pm, pf, pr := own(), foreign(), riscv
	unknown := imagespec.Platform{OS: "unknown", Architecture: "unknown"}

	// nested is a layout that leads to an index, which is named by annotations.
	nested := func(entries ...imagespec.Descriptor) func(blobs []member, annotations ...string) []member {
		data := indexBytes(t, entries...)
		return func(blobs []member, annotations ...string) []member {
			d := entryFor(Image{Manifest: descriptorOf(ociIndex, data)}, nil, annotations...)
			return layoutOf(t, []imagespec.Descriptor{d}, append([]member{{name: blobName(sum(data)), data: string(data)}}, blobs...)...)
		}
	}
	attestation := entryFor(third, &unknown, "vnd.docker.reference.type", "attestation-manifest")
	artifact := makeArtifact(t, m)

	for _, tt := range []struct {
		name     string
		members  []member
		platform *imagespec.Platform
		want     []Image
		skipped  int
		err      string
	}{
		{"index: this machine's", nested(entryFor(alien, &pf), entryFor(mine, &pm), entryFor(third, &pr))(all), nil, []Image{mine}, 0, ""},
		{"index: asked for", nested(entryFor(mine, &pm), entryFor(alien, &pf), entryFor(third, &pr))(all), &pf, []Image{alien}, 0, ""},
		{"index: of the config", nested(entryFor(alien, nil), entryFor(mine, nil))(all), nil, []Image{mine}, 0, ""},
		{"index: the first of two", nested(entryFor(third, &pm), entryFor(mine, &pm))(all), nil, []Image{third}, 0, ""},
		{"index: only one in the archive", nested(entryFor(mine, &pm), entryFor(alien, &pf))(m.blobsOf(alien)), nil, []Image{alien}, 0, ""},
		{"index: only the manifests of the others", nested(entryFor(mine, &pm), entryFor(alien, &pf))(append(m.blobsOf(mine), m.blob(alien.Manifest.Digest))), nil, []Image{mine}, 0, ""},
		{"index: one for others", nested(entryFor(alien, &pf))(all), nil, []Image{alien}, 0, ""},
		{"index: one for others, but asked for", nested(entryFor(alien, &pf))(all), &pm, nil, 0, "no image for " + platformString(pm) + ", only for " + platformString(pf)},
		{"index: several for others", nested(entryFor(alien, &pf), entryFor(third, &pr))(all), nil, nil, 0, "no image for " + platformString(pm) + ", only for " + platformString(pf) + ", linux/riscv64"},
		{"index: with an attestation", nested(entryFor(alien, &pf), attestation)(all), nil, []Image{alien}, 0, ""},
		{"index: in an index twice", nested(entryFor(mine, &pm), entryFor(mine, &pm))(all), nil, []Image{mine}, 0, ""},

		{"layout: this machine's of one name", layoutOf(t, []imagespec.Descriptor{entryFor(alien, &pf, annotationImageName, "x:1"), entryFor(mine, &pm, annotationImageName, "x:1")}, all...), nil, []Image{named(mine, "docker.io/library/x:1")}, 1, ""},
		{"layout: this machine's of one tag", layoutOf(t, []imagespec.Descriptor{entryFor(alien, &pf, imagespec.AnnotationRefName, "1"), entryFor(mine, &pm, imagespec.AnnotationRefName, "1")}, all...), nil, []Image{tagged(mine, "1")}, 1, ""},
		{"layout: this machine's of those without a name", layoutOf(t, []imagespec.Descriptor{entryFor(alien, &pf), entryFor(mine, &pm)}, all...), nil, []Image{mine}, 1, ""},
		{"layout: all without a platform", layoutOf(t, []imagespec.Descriptor{entryFor(alien, nil), entryFor(mine, nil)}, all...), nil, []Image{alien, mine}, 0, ""},
		{"layout: two names of one image", layoutOf(t, []imagespec.Descriptor{entryFor(mine, nil, annotationImageName, "x:1"), entryFor(mine, nil, annotationImageName, "y:1"), entryFor(mine, nil, imagespec.AnnotationRefName, "z")}, all...), nil, []Image{tagged(named(mine, "docker.io/library/x:1", "docker.io/library/y:1"), "z")}, 0, ""},
		{"layout: asked for", layoutOf(t, []imagespec.Descriptor{entryFor(alien, nil), entryFor(mine, nil)}, all...), &pm, nil, 0, "no image for " + platformString(pm) + ", only for " + platformString(pf)},
		{"layout: an artifact and an image", layoutOf(t, []imagespec.Descriptor{artifact, entryFor(mine, nil), {MediaType: "application/xml", Digest: sum(nil), Size: 5}}, append(all, m.blob(artifact.Digest))...), nil, []Image{mine}, 2, ""},
		{"layout: an artifact", layoutOf(t, []imagespec.Descriptor{artifact}, m.blob(artifact.Digest)), nil, nil, 0, "index.json: no image among its 1 entries"},
		{"docker: for others", m.legacy(t, alien), nil, []Image{alien}, 0, ""},
		{"docker: asked for", m.legacy(t, alien), &pm, nil, 0, "no image for " + platformString(pm) + ", only for " + platformString(pf)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c, err := load(t, Options{Platform: tt.platform}, tt.members...)
			if tt.err != "" {
				require.EqualError(t, err, tt.err)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, tt.want, c.Images)
			assert.Len(t, c.Skipped, tt.skipped)
		})
	}
}

func named(img Image, names ...string) Image { img.Names = names; return img }
func tagged(img Image, refs ...string) Image { img.Refs = refs; return img }

// makeArtifact puts the manifest of something that is no image into m.
func makeArtifact(t testing.TB, m *memory) imagespec.Descriptor {
	data := []byte(`{"schemaVersion":2,"config":{"mediaType":"application/vnd.cncf.helm.config.v1+json","digest":"` + sum(nil).String() + `","size":0},"layers":[]}`)
	m.add(data)
	_, err := NewImage(descriptorOf(ociManifest, data), data, nil)
	require.ErrorContains(t, err, "an artifact of type")
	return descriptorOf(ociManifest, data)
}

// nest puts indexes around a descriptor, and returns them as members.
func nest(t testing.TB, d imagespec.Descriptor, depth int) (imagespec.Descriptor, []member) {
	var members []member
	for range depth {
		data := indexBytes(t, d)
		members = append(members, member{name: blobName(sum(data)), data: string(data)})
		d = descriptorOf(ociIndex, data)
	}
	return d, members
}

func TestIndexDepth(t *testing.T) {
	t.Parallel()
	m := newMemory()
	img := makeImage(t, m, own(), "a")
	for depth := range 6 {
		d, members := nest(t, img.Manifest, depth)
		_, err := load(t, Options{}, layoutOf(t, []imagespec.Descriptor{d}, append(members, m.blobsOf(img)...)...)...)
		if depth < maxIndexDepth { // index.json is one
			require.NoError(t, err, "depth %d", depth)
			continue
		}
		var limit *LimitError
		require.ErrorAs(t, err, &limit, "depth %d", depth)
		assert.Equal(t, "index depth", limit.Limit)
	}
}

func TestNewImageRefuses(t *testing.T) {
	t.Parallel()
	d0, d1 := "sha256:"+strings.Repeat("0", 64), "sha256:"+strings.Repeat("1", 64)
	layer := func(mediaType, digest string, size int) string {
		return fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":%d}`, mediaType, digest, size)
	}
	for _, tt := range []struct {
		name, layers, diffIDs, err string
	}{
		{"fewer layers", ``, `"` + d0 + `"`, "/layers: 0 layers, but the config has 1 diff_ids"},
		{"more layers", layer(imagespec.MediaTypeImageLayer, d0, 1), ``, "/layers: 1 layers, but the config has 0 diff_ids"},
		{"no layer", layer("text/plain", d0, 1), `"` + d0 + `"`, `/layers/0/mediaType: media type "text/plain" is not supported here`},
		{"encrypted", layer(imagespec.MediaTypeImageLayerGzip+"+encrypted", d0, 1), `"` + d0 + `"`, `/layers/0/mediaType: media type "application/vnd.oci.image.layer.v1.tar+gzip+encrypted" is not supported here`},
		{"one blob, two sizes", layer(imagespec.MediaTypeImageLayer, d0, 1) + "," + layer(imagespec.MediaTypeImageLayer, d0, 2), `"` + d0 + `","` + d0 + `"`, "/layers/1: the same blob as a layer below with another size or diffID"},
		{"one blob, two diffIDs", layer(imagespec.MediaTypeImageLayer, d0, 1) + "," + layer(imagespec.MediaTypeImageLayer, d0, 1), `"` + d0 + `","` + d1 + `"`, "/layers/1: the same blob as a layer below with another size or diffID"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			config := []byte(`{"rootfs":{"type":"layers","diff_ids":[` + tt.diffIDs + `]}}`)
			manifest := []byte(`{"schemaVersion":2,"config":` + layer(ociConfig, sum(config).String(), len(config)) + `,"layers":[` + tt.layers + `]}`)
			d := descriptorOf(ociManifest, manifest)
			img, err := NewImage(d, manifest, config)
			require.ErrorIs(t, err, ErrInvalid)
			assert.EqualError(t, err, "manifest "+d.Digest.String()+": "+tt.err)
			assert.Zero(t, img)
		})
	}
}
