package archive

import (
	"context"
	"fmt"

	digest "github.com/opencontainers/go-digest"
	imagespec "github.com/opencontainers/image-spec/specs-go/v1"
)

// A candidate is a manifest of an image that the archive holds.
type candidate struct {
	descriptor imagespec.Descriptor
	bytes      []byte
	manifest   imagespec.Manifest
	config     []byte
	platform   imagespec.Platform // that of the descriptor, else of the config
}

// layout reads the images of an OCI image layout.
func (rd *reader) layout(ctx context.Context, t tree) error {
	if err := checkLayout(ctx, t); err != nil {
		return err
	}
	data, err := t.document(ctx, indexName)
	if err != nil {
		return err
	}
	index, err := parseIndex(indexName, "", data)
	if err != nil {
		return err
	}
	var entries []entry
	for i, d := range index.Manifests {
		e := entry{descriptor: d}
		if e.label, err = labelOf(d); err != nil {
			return &DocumentError{indexName, fmt.Sprintf("/manifests/%d/annotations", i), err}
		}
		if e.candidates, err = rd.candidates(ctx, t, d); err != nil {
			return err
		}
		entries = append(entries, e)
	}
	for _, g := range groups(entries) {
		if err := rd.group(ctx, t, g); err != nil {
			return err
		}
	}
	if len(rd.images) == 0 {
		return invalidf("%s: no image among its %d entries", indexName, len(index.Manifests))
	}
	return nil
}

// checkLayout checks the file that marks an image layout.
func checkLayout(ctx context.Context, t tree) error {
	data, err := t.document(ctx, layoutName)
	if err != nil {
		return err
	}
	l, err := decode[imagespec.ImageLayout](layoutName, data)
	if err != nil {
		return err
	}
	if l.Version != imagespec.ImageLayoutVersion {
		return &DocumentError{layoutName, "/imageLayoutVersion", fmt.Errorf("%s, not %s", quote(l.Version), imagespec.ImageLayoutVersion)}
	}
	return nil
}

// candidates are the images that a descriptor of index.json leads to.
func (rd *reader) candidates(ctx context.Context, t tree, d imagespec.Descriptor) ([]candidate, error) {
	w := descent{reader: rd, tree: t, seen: make(map[digest.Digest]bool)}
	if !t.has(blobName(d.Digest)) && (IsIndex(d.MediaType) || IsManifest(d.MediaType)) {
		// Below an index that is how other platforms are left out; here it is
		// what the archive was made for.
		return nil, missing(blobName(d.Digest))
	}
	err := w.visit(ctx, d, 1)
	return w.found, err
}

// A descent collects the images below one descriptor of index.json.
type descent struct {
	*reader
	tree  tree
	seen  map[digest.Digest]bool // what leads to itself, or twice to one index
	found []candidate
}

// visit looks at a descriptor in the depth-th index.
func (w *descent) visit(ctx context.Context, d imagespec.Descriptor, depth int) error {
	if w.seen[d.Digest] || !w.tree.has(blobName(d.Digest)) {
		return nil
	}
	w.seen[d.Digest] = true
	switch {
	case IsManifest(d.MediaType):
		return w.manifest(ctx, d, depth)
	case IsIndex(d.MediaType):
		return w.index(ctx, d, depth+1)
	}
	// "An encountered mediaType that is unknown MUST NOT generate an error."
	// (OCI image layout, "index.json file")
	return nil
}

func (w *descent) index(ctx context.Context, d imagespec.Descriptor, depth int) error {
	if depth > maxIndexDepth {
		return &LimitError{"index depth", maxIndexDepth, "index " + d.Digest.String()}
	}
	data, err := w.tree.document(ctx, blobName(d.Digest))
	if err != nil {
		return err
	}
	index, err := ParseIndex(d, data)
	if err != nil {
		return err
	}
	for _, m := range index.Manifests {
		if err := w.visit(ctx, m, depth); err != nil {
			return err
		}
	}
	return nil
}

func (w *descent) manifest(ctx context.Context, d imagespec.Descriptor, depth int) error {
	if isAttestation(d) {
		return nil
	}
	// The same manifest stands in index.json once for each of its names.
	key := parsedKey{d.MediaType, d.Digest, d.Size}
	c, ok := w.parsed[key]
	if !ok {
		var err error
		c, err = w.parse(ctx, d)
		if isMissing(err) && depth > 1 {
			return nil // exported without this platform
		}
		if err != nil {
			return err
		}
		w.parsed[key] = c
	}
	if c.config == nil {
		return nil // an artifact: a signature, a chart
	}
	c.descriptor = d
	if d.Platform != nil {
		c.platform = *d.Platform
	}
	w.found = append(w.found, c)
	w.configs[c.manifest.Config.Digest] = true
	return nil
}

// A parsedKey is everything in a descriptor that the bytes are verified against.
type parsedKey struct {
	mediaType string
	digest    digest.Digest
	size      int64
}

// parse reads a manifest and, if it is that of an image, its config.
func (w *descent) parse(ctx context.Context, d imagespec.Descriptor) (candidate, error) {
	data, err := w.tree.document(ctx, blobName(d.Digest))
	if err != nil {
		return candidate{}, err
	}
	m, err := ParseManifest(d, data)
	if err != nil {
		return candidate{}, err
	}
	if !isConfig(m.Config.MediaType) {
		return candidate{}, nil
	}
	config, err := w.tree.document(ctx, blobName(m.Config.Digest))
	if err != nil {
		return candidate{}, err
	}
	c, err := ParseConfig(m.Config, config)
	if err != nil {
		return candidate{}, err
	}
	return candidate{bytes: data, manifest: m, config: config, platform: c.Platform}, nil
}

// isAttestation reports whether a descriptor is that of BuildKit's record of how
// an image was made, which poses as an image for unknown/unknown. See "Image
// Attestation Storage" in BuildKit's documentation.
func isAttestation(d imagespec.Descriptor) bool {
	return d.Annotations["vnd.docker.reference.type"] != "" ||
		d.Platform != nil && d.Platform.OS == "unknown" && d.Platform.Architecture == "unknown"
}
