package archive

import (
	"context"
	"fmt"
	"slices"

	digest "github.com/opencontainers/go-digest"
	imagespec "github.com/opencontainers/image-spec/specs-go/v1"
)

// An entry is one descriptor of index.json with the images that it leads to. It
// leads to several if it is an index.
type entry struct {
	descriptor imagespec.Descriptor
	label      label
	candidates []candidate
}

// groups puts entries together that are one image for several platforms: those of
// the same label, and those without any that name a platform.
func groups(entries []entry) [][]entry {
	var list [][]entry
	at := make(map[label]int)
	for _, e := range entries {
		unnamed := e.label == label{}
		i, ok := at[e.label]
		if !ok || unnamed && e.descriptor.Platform == nil {
			i = len(list)
			list = append(list, nil)
		}
		if !unnamed || e.descriptor.Platform != nil {
			at[e.label] = i
		}
		list[i] = append(list[i], e)
	}
	return list
}

// group adds the image for the platform of a group of entries.
func (rd *reader) group(ctx context.Context, t tree, g []entry) error {
	var found []candidate
	for _, e := range g {
		if len(e.candidates) == 0 {
			rd.skipped = append(rd.skipped, Skipped{e.descriptor, "no image"})
		}
		found = append(found, e.candidates...)
	}
	if len(found) == 0 {
		return nil
	}
	best, err := rd.choose(found)
	if err != nil {
		return err
	}
	chosen := make(map[digest.Digest]bool)
	for _, e := range g {
		c, ok := e.first(best)
		if !ok {
			if len(e.candidates) > 0 {
				rd.skipped = append(rd.skipped, Skipped{e.descriptor, "for " + platformString(e.candidates[0].platform)})
			}
			continue
		}
		chosen[c.descriptor.Digest] = true
		if len(chosen) > 1 && e.label != (label{}) {
			return &DocumentError{indexName, "/manifests", fmt.Errorf("%s stands for two images for one platform", quote(e.label.name+e.label.ref))}
		}
		if err := rd.add(ctx, t, c, e.label); err != nil {
			return err
		}
	}
	return nil
}

// first is the first candidate of an entry for a platform. Of several manifests in
// an index that match, the first is to be used (OCI image index, "Image Index
// Property Descriptions").
func (e entry) first(p imagespec.Platform) (candidate, bool) {
	for _, c := range e.candidates {
		if fieldsOf(c.platform) == fieldsOf(p) {
			return c, true
		}
	}
	return candidate{}, false
}

// choose returns the platform to take of those that candidates are for.
func (rd *reader) choose(found []candidate) (imagespec.Platform, error) {
	want := machine()
	if rd.platform != nil {
		want = *rd.platform
	}
	best, bestRank := -1, 0
	var have []imagespec.Platform
	seen := make(map[[3]string]bool)
	for i, c := range found {
		if r, ok := rank(want, c.platform); ok && (best < 0 || r < bestRank) {
			best, bestRank = i, r
		}
		if key := fieldsOf(c.platform); !seen[key] {
			seen[key] = true
			have = append(have, c.platform)
		}
	}
	if best < 0 && len(have) == 1 && rd.platform == nil {
		best = 0
	}
	if best < 0 {
		return imagespec.Platform{}, &PlatformError{want, have}
	}
	return found[best].platform, nil
}

// add adds the image of a candidate, or another name to one that was added.
func (rd *reader) add(ctx context.Context, t tree, c candidate, l label) error {
	img, err := rd.image(c.descriptor.Digest, func() (Image, error) {
		img, err := newImage(c.descriptor, c.bytes, c.manifest, c.config)
		if err != nil {
			return Image{}, err
		}
		return img, rd.blobs(ctx, t, img)
	})
	if err != nil {
		return err
	}
	if l.name != "" {
		img.Names = append(img.Names, l.name)
	}
	if l.ref != "" && !slices.Contains(img.Refs, l.ref) {
		img.Refs = append(img.Refs, l.ref)
	}
	return nil
}

// blobs takes everything that an image of a layout consists of into the sink.
func (rd *reader) blobs(ctx context.Context, t tree, img Image) error {
	for _, b := range []imagespec.Descriptor{img.Manifest, img.ConfigDescriptor} {
		if _, err := t.blob(ctx, blobName(b.Digest)); err != nil {
			return err
		}
	}
	for _, l := range img.Layers {
		if err := rd.layer(ctx, t, blobName(l.Digest), l); err != nil {
			return err
		}
	}
	return nil
}
