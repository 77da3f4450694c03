package archive

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	imagespec "github.com/opencontainers/image-spec/specs-go/v1"
)

func TestFold(t *testing.T) {
	t.Parallel()
	for _, pair := range [][2]string{{"layers", "LAYERS"}, {"layers", "layerſ"}, {"k", "\u212a"}, {"é", "É"}, {"os.version", "OS.Version"}, {"", ""}} {
		assert.True(t, strings.EqualFold(pair[0], pair[1]))
		assert.Equal(t, fold(pair[0]), fold(pair[1]))
	}
	assert.NotEqual(t, fold("layer"), fold("layers"))
	assert.NotEqual(t, fold("e\u0301"), fold("é"), "not the same to encoding/json either")
}

func TestPointer(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		path []string
		want string
	}{
		{nil, ""},
		{[]string{"layers", "0"}, "/layers/0"},
		{[]string{"a/b", "~", ""}, "/a~1b/~0/"},
		{[]string{"\x1b[2J\n\""}, `/\x1b[2J\n\"`},
		{[]string{strings.Repeat("x", 4000)}, "/" + strings.Repeat("x", 100) + "..."},
	} {
		assert.Equal(t, tt.want, pointer(tt.path))
	}
	assert.Less(t, len(pointer(strings.Split(strings.Repeat("abcdefgh ", 4000), " "))), 600)
}

func TestIsLayer(t *testing.T) {
	t.Parallel()
	for mediaType, want := range map[string]bool{
		"application/vnd.oci.image.layer.v1.tar":                       true,
		"application/vnd.oci.image.layer.v1.tar+gzip":                  true,
		"application/vnd.oci.image.layer.v1.tar+zstd":                  true,
		"application/vnd.oci.image.layer.nondistributable.v1.tar":      true,
		"application/vnd.oci.image.layer.nondistributable.v1.tar+gzip": true,
		"application/vnd.oci.image.layer.nondistributable.v1.tar+zstd": true,
		"application/vnd.docker.image.rootfs.diff.tar":                 true,
		"application/vnd.docker.image.rootfs.diff.tar.gzip":            true,
		"application/vnd.docker.image.rootfs.diff.tar.zstd":            true,
		"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip":    true,
		"application/vnd.docker.image.rootfs.foreign.diff.tar":         true,
		"application/vnd.oci.image.layer.v1.tar+gzip+encrypted":        false,
		"application/vnd.oci.image.layer.v1.tar+":                      false,
		"application/vnd.oci.image.layer.v1.tar.gzip":                  false,
		"application/vnd.oci.image.layer.v1.tar+xz":                    false,
		"application/vnd.oci.image.layer.v1.erofs":                     false,
		"application/vnd.docker.image.rootfs.diff.tar+gzip":            false,
		"application/vnd.docker.image.rootfs.diff.gzip":                false,
		"application/vnd.docker.plugin.v1+json":                        false,
		"APPLICATION/VND.OCI.IMAGE.LAYER.V1.TAR":                       false,
		"application/vnd.oci.image.manifest.v1+json":                   false,
		"application/vnd.oci.image.layer.v1.tar+gzip; charset=utf-8":   false,
		"": false,
	} {
		assert.Equal(t, want, isLayer(mediaType), mediaType)
	}
}

func TestCompressionOf(t *testing.T) {
	t.Parallel()
	for head, want := range map[string]compression{
		"":                         noCompression,
		"\x1f":                     noCompression,
		"\x1f\x8b\x08\x00":         gzipCompression,
		"\x28\xb5\x2f\xfd\x04":     zstdCompression,
		"BZh91AY&SY":               bzip2Compression,
		"BZhack.txt":               noCompression,
		"\xfd7zXZ\x00\x00\x04":     xzCompression,
		"etc/passwd":               noCompression,
		"\x00\x00\x00\x00\x00\x00": noCompression,
	} {
		assert.Equal(t, want, compressionOf([]byte(head)), "%q", head)
	}
}

func TestRank(t *testing.T) {
	t.Parallel()
	p := func(s string) imagespec.Platform {
		parts := append(strings.Split(s, "/"), "")
		return imagespec.Platform{OS: parts[0], Architecture: parts[1], Variant: parts[2]}
	}
	for _, tt := range []struct {
		want, have string
		rank       int
		ok         bool
	}{
		{"linux/amd64", "linux/amd64", 0, true},
		{"linux/amd64", "linux/amd64/v1", 0, true},
		{"linux/amd64", "linux/amd64/v2", 0, false},
		{"linux/amd64/v3", "linux/amd64/v2", 1, true},
		{"linux/amd64/v3", "linux/amd64", 2, true},
		{"linux/amd64", "linux/386", 0, false},
		{"linux/amd64", "windows/amd64", 0, false},
		{"linux/arm64", "linux/arm64/v8", 0, true},
		{"linux/arm64/v8", "linux/arm64", 0, true},
		{"linux/arm64", "linux/arm/v7", 0, false},
		{"linux/arm", "linux/arm/v6", 1, true},
		{"linux/arm", "linux/arm/v5", 2, true},
		{"linux/arm", "linux/arm/v8", 0, false},
		{"linux/arm/v6", "linux/arm/v7", 0, false},
		{"linux/arm/v7", "linux/arm/x", 0, false},
		{"linux/riscv64", "linux/riscv64", 0, true},
		{"linux/riscv64", "linux/riscv64/rva23", 0, false},
		{"linux/riscv64/x", "linux/riscv64/x", 0, true},
		{"linux/amd64", "/", 0, false},
	} {
		r, ok := rank(p(tt.want), p(tt.have))
		assert.Equal(t, tt.ok, ok, "%s serves %s", tt.have, tt.want)
		assert.Equal(t, tt.rank, r, "%s serves %s", tt.have, tt.want)
	}
}

func TestLabelOf(t *testing.T) {
	t.Parallel()
	d := "sha256:" + strings.Repeat("a", 64)
	other := "sha256:" + strings.Repeat("b", 64)
	for _, tt := range []struct {
		full, ref string
		want      label
		err       bool
	}{
		{"", "", label{}, false},
		{"docker.io/library/hello-world:latest", "latest", label{name: "docker.io/library/hello-world:latest"}, false},
		{"alpine", "", label{name: "docker.io/library/alpine:latest"}, false},
		{"localhost:5000/a", "", label{name: "localhost:5000/a:latest"}, false},
		{"a/b:1@" + d, "", label{name: "docker.io/a/b:1"}, false},
		{"a/b@" + d, "", label{}, false},
		{"localhost:5000/a@" + d, "", label{}, false},
		{"a/b:1@" + other, "", label{}, true},
		{"a/b:1@", "", label{}, true},
		{"../../etc:1", "", label{}, true},
		{"a b", "", label{}, true},
		{strings.Repeat("a", 64), "", label{}, true},
		{strings.Repeat("a/", 2000) + "a", "", label{}, true},
		{"", "latest", label{ref: "latest"}, false},
		{"", "localhost/one:1", label{name: "localhost/one:1"}, false},
		{"", "foo/bar", label{name: "docker.io/foo/bar:latest"}, false},
		{"", "v1.0.0-vendor.0", label{ref: "v1.0.0-vendor.0"}, false},
		{"", "Upper/Case:1", label{ref: "Upper/Case:1"}, false},
		{"", "a/b@" + d, label{ref: "a/b@" + d}, false},
		{"", "../../../etc/passwd", label{ref: "../../../etc/passwd"}, false},
		{"", "a\x1b[2Jb", label{}, true},
		{"", "a\u009bb", label{}, true},
		{"", strings.Repeat("a", 1025), label{}, true},
	} {
		got, err := labelOf(imagespec.Descriptor{Digest: "sha256:" + "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", Annotations: map[string]string{
			annotationImageName: tt.full, imagespec.AnnotationRefName: tt.ref,
		}})
		if tt.err {
			assert.Error(t, err, "%q %q", tt.full, tt.ref)
			continue
		}
		require.NoError(t, err, "%q %q", tt.full, tt.ref)
		assert.Equal(t, tt.want, got, "%q %q", tt.full, tt.ref)
	}
}

func TestErrorsAreFitToShow(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		err  error
		want string
	}{
		{missing("a/b.tar"), "a/b.tar: not in the archive"},
		{missing("a\x1b[2Jb"), `"a\x1b[2Jb": not in the archive`},
		{missing(strings.Repeat("x", 5000)), `"` + strings.Repeat("x", 100) + `"...: not in the archive`},
		{&LimitError{"Bytes", 5, "a\n"}, `"a\n": more than the Bytes limit of 5`},
		{&MismatchError{"a\n", "size", "1", "2"}, `"a\n": size is 1, not 2`},
		{&PlatformError{Want: amd64}, "no image for linux/amd64"},
		{&PlatformError{amd64, []imagespec.Platform{arm64, {OS: "\n"}}}, `no image for linux/amd64, only for linux/arm64/v8, \n/unknown`},
		{&PlatformError{amd64, make([]imagespec.Platform, 1000)}, "no image for linux/amd64, only for " + strings.Repeat("unknown/unknown, ", 20) + "..."},
	} {
		assert.EqualError(t, tt.err, tt.want)
	}
}
