package archive

import (
	"errors"
	"fmt"
	"strings"
	"unicode"

	"github.com/distribution/reference"
	imagespec "github.com/opencontainers/image-spec/specs-go/v1"
)

// annotationImageName is where containerd, BuildKit and Podman keep the complete
// reference of an image in index.json.
const annotationImageName = "io.containerd.image.name"

// parseName makes a complete reference of the name of an image as docker save
// writes it, by docker.io's rules: "alpine" is docker.io/library/alpine:latest.
// 64 hexadecimal digits are refused, because an ID would look the same.
func parseName(s string) (reference.NamedTagged, error) {
	named, err := reference.ParseNormalizedNamed(s)
	if err != nil {
		return nil, fmt.Errorf("not a name for an image: %s", quote(s))
	}
	if _, ok := named.(reference.Digested); ok {
		return nil, fmt.Errorf("a name with a digest names one image for ever: %s", quote(s))
	}
	tagged, ok := reference.TagNameOnly(named).(reference.NamedTagged)
	if !ok || isHex64(tagged.Tag()) {
		return nil, fmt.Errorf("not a name for an image: %s", quote(s))
	}
	return tagged, nil
}

// A label is what index.json calls one of its entries: by a complete reference,
// by another string, or not at all.
type label struct{ name, ref string }

// labelOf reads the annotations of an entry of index.json. containerd's name wins
// over the specified annotation, which has no grammar that can be relied on: it
// holds a tag, or a complete reference, or anything (OCI image layout, "index.json
// file").
func labelOf(d imagespec.Descriptor) (label, error) {
	if full := d.Annotations[annotationImageName]; full != "" {
		// Images that were pulled by digest are exported under name@digest.
		name, tail, ok := strings.Cut(full, "@")
		if ok && tail != d.Digest.String() {
			return label{}, fmt.Errorf("annotation %s: the digest of %s is not that of the entry", annotationImageName, quote(full))
		}
		tagged, err := parseName(name)
		if err != nil {
			return label{}, fmt.Errorf("annotation %s: %w", annotationImageName, err)
		}
		if ok && !strings.HasSuffix(name, ":"+tagged.Tag()) {
			return label{}, nil
		}
		return label{name: tagged.String()}, nil
	}
	ref := d.Annotations[imagespec.AnnotationRefName]
	if err := checkRef(ref); err != nil {
		return label{}, fmt.Errorf("annotation %s: %w", imagespec.AnnotationRefName, err)
	}
	// "latest" alone would parse as the name of a repository.
	if strings.ContainsAny(ref, "/:") && !strings.Contains(ref, "@") {
		if tagged, err := parseName(ref); err == nil {
			return label{name: tagged.String()}, nil
		}
	}
	return label{ref: ref}, nil
}

// checkRef refuses what would do harm when it is shown.
func checkRef(ref string) error {
	const longest = 1024
	if len(ref) > longest {
		return fmt.Errorf("longer than %d bytes", longest)
	}
	for _, r := range ref {
		if unicode.IsControl(r) {
			return errors.New("control character")
		}
	}
	return nil
}

// familiar is a complete reference as users of Docker know it: alpine:3.
func familiar(name string) string {
	named, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return name
	}
	return reference.FamiliarString(named)
}
