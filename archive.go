package coracle

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

	digest "github.com/opencontainers/go-digest"

	"github.com/coraclehq/coracle/internal/archive"
	"github.com/coraclehq/coracle/internal/store"
)

// ArchiveFormat is a form of image archives.
type ArchiveFormat string

// The formats that images are written in; all are read. The empty ArchiveFormat is
// DockerArchive.
const (
	// DockerArchive is what docker save writes since version 25: an OCI image layout,
	// and beside it the document by which older docker load finds the images.
	DockerArchive ArchiveFormat = "docker"
	// OCIArchive is an OCI image layout and nothing else.
	OCIArchive ArchiveFormat = "oci"
)

// Save writes images as an uncompressed archive that Load, docker load and other
// tools read. An image that was looked up by a name has that name there, any other
// all of its names. The same images give the same bytes. After an error the archive
// has no end, and is refused by whoever reads it.
//
// An image over the machine's own root file system is ErrNotPortable.
func (e *Engine) Save(ctx context.Context, w io.Writer, format ArchiveFormat, images ...*Image) error {
	return wrap("save", "", e.save(ctx, w, format, images))
}

// WriteArchive writes the image alone as Engine.Save does.
func (i *Image) WriteArchive(ctx context.Context, w io.Writer, format ArchiveFormat) error {
	return i.wrap("write archive", i.e.save(ctx, w, format, []*Image{i}))
}

func (e *Engine) save(ctx context.Context, w io.Writer, format ArchiveFormat, images []*Image) (err error) {
	if err := e.begin(); err != nil {
		return err
	}
	defer e.runs.Done()
	write := archive.WriteDocker
	switch format {
	case "", DockerArchive:
	case OCIArchive:
		write = archive.WriteOCI
	default:
		return fmt.Errorf("archive format %.50q: %w", string(format), ErrInvalid)
	}
	if len(images) == 0 {
		return fmt.Errorf("no image: %w", ErrInvalid)
	}
	// What is being written is not to be collected. In a store that can only be read
	// nothing is.
	hold, err := e.store.Hold(ctx)
	if err != nil && !errors.Is(err, ErrReadOnly) {
		return err
	}
	if hold != nil {
		defer func() { err = errors.Join(err, hold.Unlock()) }()
	}
	all, err := e.archived(images)
	if err == nil {
		err = write(ctx, w, all, blobs{e.store})
	}
	if errors.Is(err, archive.ErrInvalid) {
		err = kinded{err, ErrDamaged} // it was right when it came in
	}
	return err
}

// archived are the images as archives have them, each once, with the names that
// they get there.
func (e *Engine) archived(images []*Image) ([]archive.Image, error) {
	var all []archive.Image
	for _, i := range images {
		s, err := i.stored()
		if err != nil {
			return nil, err
		}
		if i.e != e {
			return nil, fmt.Errorf("image %s is another engine's: %w", i.id, ErrInvalid)
		}
		if s.Host {
			return nil, fmt.Errorf("image %s: %w", i.id, ErrNotPortable)
		}
		at := slices.IndexFunc(all, func(o archive.Image) bool { return o.Manifest.Digest == s.Manifest.Digest })
		if at < 0 {
			manifest, err := e.store.ReadBlob(s.Manifest.Digest)
			if err != nil {
				return nil, err
			}
			a, err := archive.NewImage(s.Manifest, manifest, s.RawConfig)
			if err != nil {
				return nil, err
			}
			at, all = len(all), append(all, a)
		}
		for _, n := range i.archiveNames(s) {
			if !slices.Contains(all[at].Names, n) {
				all[at].Names = append(all[at].Names, n)
			}
		}
	}
	return all, nil
}

// archiveNames are the full names that an image has in an archive.
func (i *Image) archiveNames(s store.Image) []string {
	if full, err := store.ParseName(i.name); err == nil && slices.Contains(s.Names, full) {
		return []string{full}
	}
	return s.Names
}

// blobs are those of the store, as an archive.Source.
type blobs struct{ s *store.Store }

// Open implements archive.Source.
func (b blobs) Open(_ context.Context, d digest.Digest) (io.ReadCloser, error) {
	return source(b.s.OpenBlob(d))
}

// source answers for a blob that is missing as archive.Source does.
func source(f *os.File, err error) (io.ReadCloser, error) {
	if errors.Is(err, ErrNotFound) {
		return nil, kinded{err, fs.ErrNotExist}
	}
	if err != nil {
		return nil, err
	}
	return f, nil
}
