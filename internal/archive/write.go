package archive

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	digest "github.com/opencontainers/go-digest"
	specs "github.com/opencontainers/image-spec/specs-go"
	imagespec "github.com/opencontainers/image-spec/specs-go/v1"
)

// WriteOCI writes images as an OCI image layout in an uncompressed tar stream.
// The layers come from src as they are, and each is verified as it passes. The
// same images in the same order give the same bytes. At least one image is needed.
//
// After an error the stream has no end, and readers refuse it. WriteOCI does not
// close w.
func WriteOCI(ctx context.Context, w io.Writer, images []Image, src Source) error {
	return writeTar(ctx, w, images, src, false)
}

// WriteDocker writes images as docker save does since version 25: an image layout
// with a manifest.json besides, which docker load of every version since 1.10
// reads, as do Podman and containerd. Everything else is as in [WriteOCI].
func WriteDocker(ctx context.Context, w io.Writer, images []Image, src Source) error {
	return writeTar(ctx, w, images, src, true)
}

// A file is a part of a layout. Its content is data, or the blob with the digest.
type file struct {
	name   string
	data   []byte
	digest digest.Digest
	size   int64
}

// layoutFiles are the files of a layout of images, the documents first, so that a
// reader of a stream knows what follows.
func layoutFiles(images []Image, docker bool) ([]file, error) {
	if len(images) == 0 {
		return nil, errors.New("no image to write")
	}
	documents := []struct {
		name string
		v    any
	}{
		{layoutName, imagespec.ImageLayout{Version: imagespec.ImageLayoutVersion}},
		{indexName, indexOf(images)},
		{dockerName, dockerOf(images)},
	}
	if !docker {
		documents = documents[:2]
	}
	var files []file
	for _, d := range documents {
		data, err := json.Marshal(d.v)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", d.name, err)
		}
		files = append(files, file{name: d.name, data: data, size: int64(len(data))})
	}
	seen := make(map[digest.Digest]bool)
	for i := range images {
		blobs, err := blobFiles(&images[i])
		if err != nil {
			return nil, err
		}
		for _, f := range blobs {
			if !seen[f.digest] {
				seen[f.digest] = true
				files = append(files, f)
			}
		}
	}
	return files, nil
}

// blobFiles are the blobs of an image as files of a layout.
func blobFiles(img *Image) ([]file, error) {
	var files []file
	for _, b := range img.Blobs() {
		f := file{digest: b.Digest, size: b.Size}
		// Images are made by callers, too.
		if _, err := ParseDigest(b.Digest.String()); err != nil {
			return nil, err
		}
		f.name = blobName(b.Digest)
		switch b.Digest {
		case img.Manifest.Digest:
			f.data = img.ManifestBytes
		case img.ConfigDescriptor.Digest:
			f.data = img.ConfigBytes
		}
		files = append(files, f)
	}
	return files, nil
}

// indexOf is the index.json of images: one entry for each name of each.
func indexOf(images []Image) imagespec.Index {
	index := imagespec.Index{
		Versioned: specs.Versioned{SchemaVersion: 2},
		MediaType: imagespec.MediaTypeImageIndex,
		Manifests: []imagespec.Descriptor{},
	}
	for i := range images {
		img := &images[i]
		d := imagespec.Descriptor{MediaType: img.Manifest.MediaType, Digest: img.Manifest.Digest, Size: img.Manifest.Size}
		annotations := annotationsOf(img)
		if len(annotations) == 0 {
			// Without a platform: two entries that only differ in it would be
			// one image for two platforms.
			index.Manifests = append(index.Manifests, d)
		}
		if p := img.Platform(); p.OS != "" && p.Architecture != "" {
			d.Platform = &p
		}
		for _, a := range annotations {
			d.Annotations = a
			index.Manifests = append(index.Manifests, d)
		}
	}
	return index
}

// annotationsOf are the annotations of the entries of an image. As BuildKit and
// Docker do it, the specified annotation has the tag, which is what skopeo and
// umoci choose by, and containerd's the complete reference.
func annotationsOf(img *Image) []map[string]string {
	var list []map[string]string
	for _, n := range img.Names {
		a := map[string]string{annotationImageName: n}
		if tagged, err := parseName(n); err == nil {
			a[imagespec.AnnotationRefName] = tagged.Tag()
		}
		list = append(list, a)
	}
	for _, r := range img.Refs {
		list = append(list, map[string]string{imagespec.AnnotationRefName: r})
	}
	return list
}

// dockerOf is the manifest.json of images.
func dockerOf(images []Image) []dockerEntry {
	var list []dockerEntry
	for i := range images {
		img := &images[i]
		e := dockerEntry{Config: blobName(img.ConfigDescriptor.Digest), Layers: []string{}}
		for _, n := range img.Names {
			e.RepoTags = append(e.RepoTags, familiar(n))
		}
		for _, l := range img.Layers {
			e.Layers = append(e.Layers, blobName(l.Digest))
		}
		list = append(list, e)
	}
	return list
}

// writeTar writes the files of a layout as a tar stream.
func writeTar(ctx context.Context, w io.Writer, images []Image, src Source, docker bool) error {
	files, err := layoutFiles(images, docker)
	if err != nil {
		return err
	}
	tw := tar.NewWriter(w)
	for _, dir := range []string{imagespec.ImageBlobsDir + "/", blobDir} {
		if err := tw.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: dir, Mode: 0o755, ModTime: time.Unix(0, 0)}); err != nil {
			return fmt.Errorf("write %s: %w", dir, err)
		}
	}
	for _, f := range files {
		hdr := &tar.Header{Typeflag: tar.TypeReg, Name: f.name, Mode: 0o644, Size: f.size, ModTime: time.Unix(0, 0)}
		if err := tw.WriteHeader(hdr); err != nil {
			return fmt.Errorf("write %s: %w", f.name, err)
		}
		if err := f.copy(ctx, tw, src); err != nil {
			return fmt.Errorf("write %s: %w", f.name, err)
		}
	}
	if err := tw.Close(); err != nil {
		return fmt.Errorf("write the end: %w", err)
	}
	return nil
}

// copy writes the content of a file and verifies what is a blob.
func (f file) copy(ctx context.Context, w io.Writer, src Source) (err error) {
	var r io.Reader = bytes.NewReader(f.data)
	if f.data == nil {
		var blob io.ReadCloser
		if blob, err = src.Open(ctx, f.digest); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, blob.Close()) }()
		r = &input{ctx: ctx, r: blob}
	}
	if f.digest != "" {
		r = verified(r, f.name, f.digest, f.size)
	}
	_, err = io.Copy(w, r)
	return err
}
