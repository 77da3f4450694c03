package archive

import (
	"slices"
	"strings"

	imagespec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Media types of Docker's "Image Manifest V 2, Schema 2", which registries and
// docker save use beside OCI's, and of what came before it.
const (
	mediaTypeDockerList     = "application/vnd.docker.distribution.manifest.list.v2+json"
	mediaTypeDockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
	mediaTypeDockerConfig   = "application/vnd.docker.container.image.v1+json"

	mediaTypeSchema1       = "application/vnd.docker.distribution.manifest.v1+json"
	mediaTypeSchema1Signed = "application/vnd.docker.distribution.manifest.v1+prettyjws"
)

// IsIndex reports whether mediaType is that of an OCI index or Docker's manifest
// list.
func IsIndex(mediaType string) bool {
	return mediaType == imagespec.MediaTypeImageIndex || mediaType == mediaTypeDockerList
}

// IsManifest reports whether mediaType is that of an OCI manifest or Docker's
// schema 2.
func IsManifest(mediaType string) bool {
	return mediaType == imagespec.MediaTypeImageManifest || mediaType == mediaTypeDockerManifest
}

// isConfig reports whether mediaType is that of the config of an image. A
// manifest with another config is an artifact.
func isConfig(mediaType string) bool {
	return mediaType == imagespec.MediaTypeImageConfig || mediaType == mediaTypeDockerConfig
}

// isLayer reports whether mediaType is that of a layer which can be unpacked.
// The compression that it names is only a hint: readers go by the first bytes,
// because registries hold layers under the wrong name.
func isLayer(mediaType string) bool {
	base := strings.TrimRight(mediaType, "abcdefghijklmnopqrstuvwxyz")
	suffix := mediaType[len(base):]
	switch base {
	case "application/vnd.oci.image.layer.v1.tar+", "application/vnd.oci.image.layer.nondistributable.v1.tar+",
		"application/vnd.docker.image.rootfs.diff.tar.", "application/vnd.docker.image.rootfs.foreign.diff.tar.":
		return suffix == "gzip" || suffix == "zstd"
	case "application/vnd.oci.image.layer.v1.", "application/vnd.oci.image.layer.nondistributable.v1.",
		"application/vnd.docker.image.rootfs.diff.", "application/vnd.docker.image.rootfs.foreign.diff.":
		return suffix == "tar"
	}
	return false
}

// compression is what the content of a layer begins with.
type compression string

const (
	noCompression    compression = "" // or nothing that is known
	gzipCompression  compression = "gzip"
	zstdCompression  compression = "zstd"
	bzip2Compression compression = "bzip2"
	xzCompression    compression = "xz"
)

// headSize is how many bytes compressionOf wants to see.
const headSize = 10

func compressionOf(head []byte) compression {
	begins := string(head)
	switch {
	case strings.HasPrefix(begins, "\x1f\x8b"): // RFC 1952, 2.3.1
		return gzipCompression
	case strings.HasPrefix(begins, "\x28\xb5\x2f\xfd"): // RFC 8878, 3.1.1
		return zstdCompression
	case strings.HasPrefix(begins, "\xfd7zXZ\x00"): // The .xz File Format, 2.1.1.1
		return xzCompression
	case strings.HasPrefix(begins, "BZh") && strings.HasSuffix(begins, "1AY&SY"): // a tar stream can begin with BZh
		return bzip2Compression
	}
	return noCompression
}

// layerMediaType is the media type for a layer of which only the content is
// known, and false if OCI has none for its compression.
func (c compression) layerMediaType() (string, bool) {
	if c == noCompression {
		return imagespec.MediaTypeImageLayer, true
	}
	return imagespec.MediaTypeImageLayer + "+" + string(c), slices.Contains([]compression{gzipCompression, zstdCompression}, c)
}
