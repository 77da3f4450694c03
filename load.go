package coracle

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	digest "github.com/opencontainers/go-digest"

	"github.com/coraclehq/coracle/internal/archive"
	"github.com/coraclehq/coracle/internal/layer"
	"github.com/coraclehq/coracle/internal/store"
)

// LoadOptions are how an archive is loaded.
type LoadOptions struct {
	// Replace takes the names that the archive gives its images away from the images
	// that have them. Without it such a name is ErrExists: whoever made an archive is
	// not to choose what "alpine" means here.
	Replace bool
}

// Load loads all images of an archive, which is read as FromArchive says, and gives
// them the names that they have there. The images come in the archive's order; one
// that the store had already is among them. After an error none was loaded.
func (e *Engine) Load(ctx context.Context, r io.Reader, opts LoadOptions) ([]*Image, error) {
	images, err := e.load(ctx, r, loading{replace: opts.Replace})
	return images, wrap("load", "", err)
}

type archiveSource struct{ r io.Reader }

func (s archiveSource) load(ctx context.Context, e *Engine, name string) (*Image, error) {
	if s.r == nil {
		return nil, fmt.Errorf("no archive: %w", ErrInvalid)
	}
	images, err := e.load(ctx, s.r, loading{name: name})
	if err != nil {
		return nil, err
	}
	images[0].name = name
	return images[0], nil
}

// loading is which images of an archive are wanted, and their names.
type loading struct {
	name    string // of the one image that is wanted; empty: all
	replace bool
}

// load reads the images of an archive. After an error nothing of them is left.
func (e *Engine) load(ctx context.Context, r io.Reader, l loading) (images []*Image, err error) {
	if err := e.begin(); err != nil { // again, when the caller has: it is a count
		return nil, err
	}
	defer e.runs.Done()
	stage := e.store.NewStage()
	defer func() { err = errors.Join(err, stage.Drop()) }()
	err = e.held(ctx, func() error {
		found, err := e.read(ctx, r, stage)
		if err == nil {
			found, err = l.choose(found)
		}
		if err == nil {
			images, err = e.list(ctx, found, stage, l.name != "" || l.replace)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return images, nil
}

// read takes in the blobs of an archive and understands its documents.
func (e *Engine) read(ctx context.Context, r io.Reader, stage *store.Stage) (_ []archive.Image, err error) {
	plain, _, err := layer.Decompress(r, layer.Limits{})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, plain.Close()) }()
	contents, err := archive.Read(ctx, plain, staged{stage}, archive.Options{})
	return contents.Images, err
}

// choose returns the images that are wanted, with the names that they get.
func (l loading) choose(found []archive.Image) ([]archive.Image, error) {
	if l.name == "" {
		return found, nil
	}
	full, err := store.ParseName(l.name)
	if err != nil {
		return nil, err
	}
	at := 0
	if len(found) > 1 {
		at = slices.IndexFunc(found, func(i archive.Image) bool { return slices.Contains(i.Names, full) })
	}
	if at < 0 {
		var names []string
		for _, i := range found {
			for _, n := range i.Names {
				names = append(names, store.FamiliarName(n))
			}
		}
		return nil, fmt.Errorf("an archive of %d images, none of them called %s but %.500s: %w",
			len(found), store.FamiliarName(full), strings.Join(names, ", "), ErrInvalid)
	}
	chosen := found[at]
	chosen.Names = []string{l.name}
	return []archive.Image{chosen}, nil
}

// list unpacks the images that are not there and gives all their names.
func (e *Engine) list(ctx context.Context, found []archive.Image, stage *store.Stage, replace bool) (_ []*Image, err error) {
	if !replace {
		if err := e.free(found); err != nil {
			return nil, err
		}
	}
	for _, i := range found {
		if err := e.unpackImage(ctx, i, stage); err != nil {
			return nil, err
		}
	}
	var images []*Image
	var listed []digest.Digest
	for _, i := range found {
		known, err := e.renamed(ctx, i, stage, replace)
		if err == nil && !known {
			listed = append(listed, i.ID())
			err = e.listNew(ctx, i, stage, replace)
		}
		if err != nil {
			return nil, errors.Join(err, e.unlist(ctx, listed))
		}
		images = append(images, &Image{e: e, id: i.ID().String()})
	}
	return images, nil
}

// unpackImage unpacks the layers of an image that is not there.
func (e *Engine) unpackImage(ctx context.Context, i archive.Image, stage *store.Stage) error {
	if _, ok := e.known(i); ok {
		return nil
	}
	if err := e.unpack(ctx, i.Layers, staged{stage}); err != nil {
		return fmt.Errorf("image %s: %w", i.ID(), err)
	}
	return nil
}

func (e *Engine) listNew(ctx context.Context, i archive.Image, stage *store.Stage, replace bool) error {
	if err := e.unpackImage(ctx, i, stage); err != nil { // if it was there a moment ago
		return err
	}
	if err := stage.Keep(blobsOf(i)...); err != nil {
		return err
	}
	_, err := e.store.PutImage(ctx, store.NewImage{Manifest: i.Manifest, Names: i.Names, Replace: replace})
	return err
}

// renamed gives an image that is there the names of one that came in again, and
// repairs its blobs; false: it is not there.
func (e *Engine) renamed(ctx context.Context, i archive.Image, stage *store.Stage, replace bool) (bool, error) {
	old, ok := e.known(i)
	if !ok {
		return false, nil
	}
	if old.Manifest.Digest == i.Manifest.Digest {
		if err := stage.Keep(blobsOf(i)...); err != nil {
			return true, err
		}
	}
	for _, n := range i.Names {
		err := e.store.Tag(ctx, i.ID().String(), n, replace)
		if errors.Is(err, ErrNotFound) { // removed this moment
			return false, nil
		}
		if err != nil {
			return true, err
		}
	}
	return true, nil
}

// known finds an image that came in in the store, by its ID, whatever manifest it
// came with. One of which a part is gone counts as absent, and is repaired.
func (e *Engine) known(i archive.Image) (store.Image, bool) {
	old, err := e.store.Image(i.ID().String())
	return old, err == nil && old.ID == i.ID() && !old.Host
}

func blobsOf(i archive.Image) []digest.Digest {
	var all []digest.Digest
	for _, d := range i.Blobs() {
		all = append(all, d.Digest)
	}
	return all
}

// free looks whether the names of images can be given to them.
func (e *Engine) free(found []archive.Image) error {
	for _, i := range found {
		for _, n := range i.Names {
			holder, err := e.store.Image(n)
			if err == nil && holder.ID != i.ID() {
				return fmt.Errorf("image name %s belongs to %s: %w", store.FamiliarName(n), holder.ID, ErrExists)
			}
		}
	}
	return nil
}

// unlist undoes the listing of images.
func (e *Engine) unlist(ctx context.Context, ids []digest.Digest) error {
	var errs []error
	for _, id := range ids {
		_, err := e.store.RemoveImage(context.WithoutCancel(ctx), id.String(), true)
		if !errors.Is(err, ErrNotFound) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// staged are blobs that have come in, as an archive.Sink.
type staged struct{ stage *store.Stage }

// Open implements archive.Source.
func (s staged) Open(_ context.Context, d digest.Digest) (io.ReadCloser, error) {
	return source(s.stage.Open(d))
}

// Put implements archive.Sink.
func (s staged) Put(_ context.Context, r io.Reader, want digest.Digest, size int64) (digest.Digest, int64, error) {
	return s.stage.Put(r, want, size)
}
