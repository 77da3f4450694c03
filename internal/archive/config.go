package archive

import (
	"strconv"

	imagespec "github.com/opencontainers/image-spec/specs-go/v1"
)

// configDocument is the config of an image with the fields by which Docker
// extends it. They are listed so that their keys are checked like the others.
type configDocument struct {
	imagespec.Image
	Config struct {
		imagespec.ImageConfig
		Healthcheck *struct {
			Test          []string `json:"Test"`
			Interval      int64    `json:"Interval"`
			Timeout       int64    `json:"Timeout"`
			StartPeriod   int64    `json:"StartPeriod"`
			StartInterval int64    `json:"StartInterval"`
			Retries       int64    `json:"Retries"`
		} `json:"Healthcheck"`
		OnBuild []string `json:"OnBuild"`
		Shell   []string `json:"Shell"`
	} `json:"config"`
}

// ParseConfig parses the config of an image that d describes. The bytes are
// verified against the digest and size of d; rootfs has the type "layers" and
// valid diffIDs. Architecture and OS may be empty, as Docker wrote them once.
// Everything else is what the image's author wrote: it is not checked, and no
// label or annotation has a meaning here.
func ParseConfig(d imagespec.Descriptor, data []byte) (imagespec.Image, error) {
	name := "config " + d.Digest.String()
	if !isConfig(d.MediaType) {
		return imagespec.Image{}, &DocumentError{name, "", unsupported(d.MediaType)}
	}
	if err := verify(name, d, data); err != nil {
		return imagespec.Image{}, err
	}
	return parseConfig(name, data)
}

func parseConfig(name string, data []byte) (imagespec.Image, error) {
	doc, err := decode[configDocument](name, data)
	if err != nil {
		return imagespec.Image{}, err
	}
	c := checker{name: name}
	if doc.RootFS.Type != "layers" {
		c.refuse("/rootfs/type", `%s, not "layers"`, quote(doc.RootFS.Type))
	}
	for i, d := range doc.RootFS.DiffIDs {
		c.digest("/rootfs/diff_ids/"+strconv.Itoa(i), d)
	}
	if c.err != nil {
		return imagespec.Image{}, c.err
	}
	doc.Image.Config = doc.Config.ImageConfig
	return doc.Image, nil
}
