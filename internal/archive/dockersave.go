package archive

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"strings"

	digest "github.com/opencontainers/go-digest"
	specs "github.com/opencontainers/image-spec/specs-go"
	imagespec "github.com/opencontainers/image-spec/specs-go/v1"
)

// A dockerEntry is one image in the manifest.json of docker save: names of files
// of the archive and of the image. See "Image JSON and Filesystem Changesets",
// v1.2, in moby's documentation.
type dockerEntry struct {
	Config   string   `json:"Config"`
	RepoTags []string `json:"RepoTags"`
	Layers   []string `json:"Layers"`

	// Not used here.
	Parent       string                          `json:"Parent,omitempty"`
	LayerSources map[string]imagespec.Descriptor `json:"LayerSources,omitempty"`
}

// parseDocker parses manifest.json. The names of images in what it returns are
// complete, and those of files clean.
func parseDocker(data []byte) ([]dockerEntry, error) {
	list, err := decode[[]dockerEntry](dockerName, data)
	if err != nil {
		return nil, err
	}
	c := checker{name: dockerName}
	if len(list) == 0 {
		c.refuse("", "no image")
	}
	for i := range list {
		e, at := &list[i], fmt.Sprintf("/%d", i)
		e.Config = c.file(at+"/Config", e.Config)
		for j, l := range e.Layers {
			e.Layers[j] = c.file(fmt.Sprintf("%s/Layers/%d", at, j), l)
		}
		for j, n := range e.RepoTags {
			tagged, err := parseName(n)
			if err != nil {
				c.refuse(fmt.Sprintf("%s/RepoTags/%d", at, j), "%w", err)
				continue
			}
			e.RepoTags[j] = tagged.String()
		}
	}
	return list, c.err
}

// file is the clean name of a file of the archive.
func (c *checker) file(pointer, name string) string {
	clean, err := cleanName(name)
	if err != nil {
		c.refuse(pointer, "not the name of a file: %s", quote(name))
	}
	return clean
}

// readDocker reads manifest.json from a tree.
func readDocker(ctx context.Context, t tree) ([]dockerEntry, error) {
	data, err := t.document(ctx, dockerName)
	if err != nil {
		return nil, err
	}
	return parseDocker(data)
}

// dockerImages reads the images of an archive of docker save.
func (rd *reader) dockerImages(ctx context.Context, t tree) error {
	list, err := readDocker(ctx, t)
	if err != nil {
		return err
	}
	for i, e := range list {
		built, err := rd.dockerImage(ctx, t, i, e)
		if err != nil {
			return err
		}
		img, err := rd.image(built.Manifest.Digest, func() (Image, error) { return built, nil })
		if err != nil {
			return err
		}
		img.Names = append(img.Names, e.RepoTags...)
	}
	return nil
}

// dockerImage makes an image of the i-th entry. A manifest is composed, since the
// archive has none; it depends on the config and the layers alone.
func (rd *reader) dockerImage(ctx context.Context, t tree, i int, e dockerEntry) (Image, error) {
	d, data, err := rd.dockerConfig(ctx, t, i, e)
	if err != nil {
		return Image{}, err
	}
	c, err := parseConfig("config "+d.Digest.String(), data)
	if err != nil {
		return Image{}, err
	}
	if want := rd.platform; want != nil {
		if _, ok := rank(*want, c.Platform); !ok {
			return Image{}, &PlatformError{*want, []imagespec.Platform{c.Platform}}
		}
	}
	if len(e.Layers) != len(c.RootFS.DiffIDs) {
		return Image{}, &DocumentError{dockerName, fmt.Sprintf("/%d/Layers", i), fmt.Errorf("%d layers, but the config has %d diff_ids", len(e.Layers), len(c.RootFS.DiffIDs))}
	}
	m := imagespec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2},
		MediaType: imagespec.MediaTypeImageManifest,
		Config:    d,
		Layers:    []imagespec.Descriptor{},
	}
	for j, name := range e.Layers {
		b, err := t.blob(ctx, name)
		if err != nil {
			return Image{}, err
		}
		if err := b.checkLayer(name, c.RootFS.DiffIDs[j]); err != nil {
			return Image{}, err
		}
		mediaType, _ := b.form.layerMediaType()
		m.Layers = append(m.Layers, imagespec.Descriptor{MediaType: mediaType, Digest: b.digest, Size: b.size})
	}
	return rd.compose(ctx, m, data)
}

// dockerConfig reads the config of an entry. Tools name the file by its digest;
// where they do, the name has to be right.
func (rd *reader) dockerConfig(ctx context.Context, t tree, i int, e dockerEntry) (imagespec.Descriptor, []byte, error) {
	var none imagespec.Descriptor
	data, err := t.document(ctx, e.Config)
	if err != nil {
		return none, nil, err
	}
	b, err := t.blob(ctx, e.Config)
	if err != nil {
		return none, nil, err
	}
	hex := strings.TrimPrefix(strings.TrimSuffix(path.Base(e.Config), ".json"), "sha256:")
	if isHex64(hex) && hex != b.digest.Encoded() {
		return none, nil, &DocumentError{dockerName, fmt.Sprintf("/%d/Config", i), wrongDigest(e.Config, b.digest, digest.NewDigestFromEncoded(digest.SHA256, hex))}
	}
	return imagespec.Descriptor{MediaType: imagespec.MediaTypeImageConfig, Digest: b.digest, Size: b.size}, data, nil
}

// compose makes an image of a manifest that the archive did not have, and puts the
// manifest into the sink.
func (rd *reader) compose(ctx context.Context, m imagespec.Manifest, config []byte) (Image, error) {
	data, err := json.Marshal(m)
	if err != nil {
		return Image{}, err
	}
	d := imagespec.Descriptor{MediaType: m.MediaType, Digest: sum(data), Size: int64(len(data))}
	if err := rd.budget.blob(dockerName); err != nil {
		return Image{}, err
	}
	if _, err := put(ctx, rd.sink, blobName(d.Digest), d.Size, strings.NewReader(string(data))); err != nil {
		return Image{}, err
	}
	return newImage(d, data, m, config)
}

// dockerNames gives the images of a layout the names that manifest.json has for
// them. It has to speak of the same images, or readers of the one document and of
// the other would get different ones.
func (rd *reader) dockerNames(ctx context.Context, t tree) error {
	list, err := readDocker(ctx, t)
	if err != nil {
		return err
	}
	byConfig := make(map[digest.Digest]*Image)
	for i := range rd.images {
		byConfig[rd.images[i].ID()] = &rd.images[i]
	}
	for i, e := range list {
		b, err := t.blob(ctx, e.Config)
		if err != nil {
			return err
		}
		if !rd.configs[b.digest] {
			return &DocumentError{dockerName, fmt.Sprintf("/%d/Config", i), errors.New("an image that index.json does not lead to")}
		}
		if img, ok := byConfig[b.digest]; ok {
			img.Names = append(img.Names, e.RepoTags...)
		}
	}
	return nil
}
