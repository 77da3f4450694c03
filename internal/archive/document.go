package archive

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	digest "github.com/opencontainers/go-digest"
	imagespec "github.com/opencontainers/image-spec/specs-go/v1"
)

// The documents of an image are parsed with structs of their own: those of
// image-spec, and the keys by which a document could pass for one of another
// kind. A document has to be of one kind (CVE-2021-41190).
type (
	indexDocument struct {
		SchemaVersion int `json:"schemaVersion"`
		imagespec.Index
		Layers   json.RawMessage `json:"layers"`
		Config   json.RawMessage `json:"config"`
		FSLayers json.RawMessage `json:"fsLayers"`
		Blobs    json.RawMessage `json:"blobs"`
	}
	manifestDocument struct {
		SchemaVersion int `json:"schemaVersion"`
		imagespec.Manifest
		Manifests json.RawMessage `json:"manifests"`
		FSLayers  json.RawMessage `json:"fsLayers"`
		Blobs     json.RawMessage `json:"blobs"`
	}
)

// ParseIndex parses the OCI index or Docker manifest list that d describes. The
// bytes are verified against the digest and size of d, and every descriptor in it
// has a valid digest. Entries of unknown media types are allowed and returned.
func ParseIndex(d imagespec.Descriptor, data []byte) (imagespec.Index, error) {
	name := "index " + d.Digest.String()
	if !IsIndex(d.MediaType) {
		return imagespec.Index{}, &DocumentError{name, "", unsupported(d.MediaType)}
	}
	if err := verify(name, d, data); err != nil {
		return imagespec.Index{}, err
	}
	return parseIndex(name, d.MediaType, data)
}

// parseIndex parses an index. An empty mediaType stands for a document that no
// descriptor refers to.
func parseIndex(name, mediaType string, data []byte) (imagespec.Index, error) {
	doc, err := decode[indexDocument](name, data)
	if err != nil {
		return imagespec.Index{}, err
	}
	c := checker{name: name}
	c.version(doc.SchemaVersion)
	c.absent("layers", doc.Layers)
	c.absent("config", doc.Config)
	c.absent("fsLayers", doc.FSLayers)
	c.absent("blobs", doc.Blobs)
	if mediaType == "" {
		if doc.MediaType != "" && !IsIndex(doc.MediaType) {
			c.refuse("/mediaType", "not an index: %s", quote(doc.MediaType))
		}
	} else {
		c.mediaType(doc.MediaType, mediaType)
	}
	if doc.Manifests == nil {
		c.refuse("/manifests", "missing")
	}
	for i, d := range doc.Manifests {
		c.descriptor("/manifests/"+strconv.Itoa(i), d)
	}
	if doc.Subject != nil {
		c.descriptor("/subject", *doc.Subject)
	}
	if c.err != nil {
		return imagespec.Index{}, c.err
	}
	doc.Index.SchemaVersion = doc.SchemaVersion
	return doc.Index, nil
}

// ParseManifest parses the OCI or Docker schema 2 manifest that d describes. The
// bytes are verified against the digest and size of d, and every descriptor in it
// has a valid digest. It may be the manifest of an artifact: [NewImage] refuses
// those.
func ParseManifest(d imagespec.Descriptor, data []byte) (imagespec.Manifest, error) {
	name := "manifest " + d.Digest.String()
	if !IsManifest(d.MediaType) {
		return imagespec.Manifest{}, &DocumentError{name, "", unsupported(d.MediaType)}
	}
	if err := verify(name, d, data); err != nil {
		return imagespec.Manifest{}, err
	}
	doc, err := decode[manifestDocument](name, data)
	if err != nil {
		return imagespec.Manifest{}, err
	}
	c := checker{name: name}
	c.version(doc.SchemaVersion)
	c.absent("manifests", doc.Manifests)
	c.absent("fsLayers", doc.FSLayers)
	c.absent("blobs", doc.Blobs)
	c.mediaType(doc.MediaType, d.MediaType)
	c.descriptor("/config", doc.Config)
	if doc.Layers == nil {
		c.refuse("/layers", "missing")
	}
	for i, l := range doc.Layers {
		c.descriptor("/layers/"+strconv.Itoa(i), l)
	}
	if doc.Subject != nil {
		c.descriptor("/subject", *doc.Subject)
	}
	if c.err != nil {
		return imagespec.Manifest{}, c.err
	}
	doc.Manifest.SchemaVersion = doc.SchemaVersion
	return doc.Manifest, nil
}

// unsupported says why a document of a media type cannot be used.
func unsupported(mediaType string) error {
	switch mediaType {
	case mediaTypeSchema1, mediaTypeSchema1Signed:
		return errors.New("docker schema 1 is not supported: pull and push the image once with Docker 1.10 or later")
	case "":
		return errors.New("no media type")
	}
	return fmt.Errorf("media type %s is not supported here", quote(mediaType))
}

// verify checks the bytes of a document against its descriptor.
func verify(name string, d imagespec.Descriptor, data []byte) error {
	want, err := ParseDigest(d.Digest.String())
	if err != nil {
		return &DocumentError{name, "", err}
	}
	if int64(len(data)) != d.Size {
		return wrongSize(name, int64(len(data)), d.Size)
	}
	if got := sum(data); got != want {
		return wrongDigest(name, got, want)
	}
	return nil
}

// A checker keeps the first error found in a document.
type checker struct {
	name string
	err  error
}

func (c *checker) refuse(pointer, format string, args ...any) {
	if c.err == nil {
		c.err = &DocumentError{c.name, pointer, fmt.Errorf(format, args...)}
	}
}

func (c *checker) version(v int) {
	if v != 2 {
		c.refuse("/schemaVersion", "%d, not 2", v)
	}
}

// absent refuses a key of another kind of document, even with the value null.
func (c *checker) absent(key string, value json.RawMessage) {
	if value != nil {
		c.refuse("/"+key, "belongs to another kind of document")
	}
}

// mediaType compares what a document says of itself, which it need not, with what
// its descriptor says.
func (c *checker) mediaType(got, want string) {
	if got != "" && got != want {
		c.refuse("/mediaType", "%s, but the descriptor says %s", quote(got), quote(want))
	}
}

func (c *checker) digest(pointer string, d digest.Digest) {
	if _, err := ParseDigest(d.String()); err != nil {
		c.refuse(pointer, "%w", err)
	}
}

func (c *checker) descriptor(pointer string, d imagespec.Descriptor) {
	if d.MediaType == "" {
		c.refuse(pointer+"/mediaType", "missing")
	}
	c.digest(pointer+"/digest", d.Digest)
	if d.Size < 0 {
		c.refuse(pointer+"/size", "negative: %d", d.Size)
	}
	if d.Size > MaxDocument && (IsIndex(d.MediaType) || IsManifest(d.MediaType) || isConfig(d.MediaType)) {
		c.refuse(pointer+"/size", "%w", &LimitError{"document size", MaxDocument, "descriptor"})
	}
}
