package coracle

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/coraclehq/coracle/internal/store"
)

// Image is an image of a store, by its ID: a name, not a cache. Every method looks
// at the store. Its methods are safe for concurrent use.
type Image struct {
	e    *Engine
	id   string
	name string // what it was asked for as; may be empty
}

// ID is the image's ID: the digest of its configuration, "sha256:" and 64
// hexadecimal digits.
func (i *Image) ID() string { return i.id }

// stored reads what the store knows of the image.
func (i *Image) stored() (store.Image, error) {
	if i == nil {
		return store.Image{}, fmt.Errorf("no image: %w", ErrInvalid)
	}
	return i.e.store.Image(i.id)
}

// wrap gives an error of the image's the method's name.
func (i *Image) wrap(op string, err error) error { return wrap(op, first(i.name, i.id), err) }

// NewImage makes an image in the default engine. See Engine.NewImage.
func NewImage(ctx context.Context, name string, src Source) (*Image, error) {
	e, err := Default()
	if err != nil {
		return nil, err
	}
	return e.NewImage(ctx, name, src)
}

// NewImage makes an image out of a source and gives it a name, which is taken away
// from the image that had it. Names are those of docker: "alpine" is
// docker.io/library/alpine:latest. An empty name leaves those that the source gives;
// one that another image has is ErrExists then. A nil source pulls the name, which
// is an *UnsupportedError as yet.
//
// The image is there whole or, after an error, not at all. What comes from outside
// and is not what it should be (a digest, a size, the format of a layer) is
// ErrInvalid.
func (e *Engine) NewImage(ctx context.Context, name string, src Source) (*Image, error) {
	i, err := e.newImage(ctx, name, src)
	return i, wrap("new image", name, err)
}

func (e *Engine) newImage(ctx context.Context, name string, src Source) (*Image, error) {
	if err := e.begin(); err != nil {
		return nil, err
	}
	defer e.runs.Done()
	if name != "" { // before anything is read
		if _, err := store.ParseName(name); err != nil {
			return nil, err
		}
	}
	if src == nil {
		return nil, &UnsupportedError{Feature: "pulling an image", Hint: "load an archive of it with FromArchive"}
	}
	return src.load(ctx, e, name)
}

// Image finds an image by digest ("sha256:...", of its configuration or manifest),
// ID, name, or a beginning of its ID that fits no other, in that order.
func (e *Engine) Image(ctx context.Context, name string) (*Image, error) {
	i, err := e.store.Image(name)
	if err != nil {
		return nil, wrap("image", name, err)
	}
	return &Image{e, i.ID.String(), name}, nil
}

// Images lists the images of the store, also those without a name, each once. One
// that cannot be read yields its error and does not end the iteration.
func (e *Engine) Images(ctx context.Context) iter.Seq2[*Image, error] {
	return func(yield func(*Image, error) bool) {
		seen := map[string]bool{}
		for i, err := range e.store.Images() {
			var image *Image
			if err == nil {
				if seen[i.ID.String()] {
					continue
				}
				seen[i.ID.String()] = true
				image = &Image{e, i.ID.String(), ""}
			}
			if !yield(image, wrap("images", "", err)) {
				return
			}
		}
	}
}

// Names are what the image is called, sorted, in the form that users type:
// "alpine:latest". None: it was never named, or another image has its name now.
func (i *Image) Names(ctx context.Context) ([]string, error) {
	s, err := i.stored()
	if err != nil {
		return nil, i.wrap("names", err)
	}
	var names []string
	for _, n := range s.Names {
		names = append(names, store.FamiliarName(n))
	}
	slices.Sort(names)
	return names, nil
}

// Config is what the image says of itself. Members that ImageConfig does not have
// are in the image nevertheless, and stay in those that are committed on it.
func (i *Image) Config(ctx context.Context) (ImageConfig, error) {
	s, err := i.stored()
	if err != nil {
		return ImageConfig{}, i.wrap("config", err)
	}
	return imageConfig(s.Config), nil
}

// Layers are the image's layers, the lowest first. The machine's own root file
// system, which lies below those of an image made from FromHost, is none.
func (i *Image) Layers(ctx context.Context) ([]*Layer, error) {
	s, err := i.stored()
	if err != nil {
		return nil, i.wrap("layers", err)
	}
	layers, err := i.e.layersOf(s)
	return layers, i.wrap("layers", err)
}

// HistoryEntry is a step of how an image came to be, as its author noted it.
type HistoryEntry struct {
	Created   time.Time // zero: not noted
	CreatedBy string    // a command, as a rule
	Author    string
	Comment   string
	// Layer is what the step made; nil: it changed the configuration alone.
	Layer *Layer
}

// History is how the image came to be, the first step first. It is the author's
// word, and may be empty. Layers are given only if their number is that of the steps
// which say that they made one.
func (i *Image) History(ctx context.Context) ([]HistoryEntry, error) {
	s, err := i.stored()
	if err != nil {
		return nil, i.wrap("history", err)
	}
	layers, err := i.e.layersOf(s)
	if err != nil {
		return nil, i.wrap("history", err)
	}
	made := 0
	for _, h := range s.Config.History {
		if !h.EmptyLayer {
			made++
		}
	}
	var all []HistoryEntry
	for _, h := range s.Config.History {
		entry := HistoryEntry{CreatedBy: h.CreatedBy, Author: h.Author, Comment: h.Comment}
		if h.Created != nil {
			entry.Created = *h.Created
		}
		if !h.EmptyLayer && made == len(s.Layers) {
			entry.Layer, layers = layers[0], layers[1:]
		}
		all = append(all, entry)
	}
	return all, nil
}

// Size is the sum of the sizes of the files in the image's layers, in bytes. Layers
// are shared between images, and the machine's own root file system counts nothing.
func (i *Image) Size(ctx context.Context) (int64, error) {
	s, err := i.stored()
	if err != nil {
		return 0, i.wrap("size", err)
	}
	var size int64
	for _, id := range s.Lowers() {
		l, err := i.e.store.Layer(id)
		if err != nil {
			return 0, i.wrap("size", err)
		}
		size += l.Size
	}
	return size, nil
}

// Tag gives the image one more name, which is taken away from the image that had
// it. A name that can never be one is ErrInvalid, as is "host" for an image that is
// not over the machine's own root file system.
func (i *Image) Tag(ctx context.Context, name string) error {
	return i.wrap("tag", i.e.store.Tag(ctx, i.id, name, true))
}

// Untag takes a name away from the image. The image stays, also when that was its
// last name. A name that is not the image's is ErrNotFound.
func (i *Image) Untag(ctx context.Context, name string) error {
	return i.wrap("untag", i.untag(ctx, name))
}

func (i *Image) untag(ctx context.Context, name string) error {
	full, err := store.ParseName(name)
	if err != nil {
		return err
	}
	s, err := i.stored()
	if err != nil {
		return err
	}
	if !slices.Contains(s.Names, full) {
		return fmt.Errorf("name %s: %w", store.FamiliarName(full), ErrNotFound)
	}
	return i.e.store.Untag(ctx, full)
}

// Remove removes the image with its names, and what no other image and no container
// needs of its layers. An image of several names is ErrInUse unless force is set;
// one that a container was made from always is.
func (i *Image) Remove(ctx context.Context, force bool) error {
	r, err := i.e.store.RemoveImage(ctx, i.id, force)
	if len(r.Deleted) > 0 && len(r.Blobs) == 0 { // its configuration, at least, is nobody else's
		i.e.owed.Store(true)
	}
	return i.wrap("remove image", err)
}

// collect removes what nobody needs. While images are being brought in, or a program
// holds on to a layer, nothing is collected: it is owed then, and done later.
func (e *Engine) collect(ctx context.Context) error {
	e.owed.Store(false)
	_, err := e.store.Collect(context.WithoutCancel(ctx))
	if errors.Is(err, ErrInUse) {
		e.owed.Store(true)
		return nil
	}
	return err
}

// held runs f, which brings in an image or a layer, while nothing is collected, and
// clears away what it has left behind if it fails.
func (e *Engine) held(ctx context.Context, f func() error) error {
	hold, err := e.store.Hold(ctx)
	if err != nil {
		return err
	}
	err = classify(f())
	failed := err != nil
	if err = errors.Join(err, hold.Unlock()); failed || e.owed.Load() {
		err = errors.Join(err, e.collect(ctx))
	}
	return err
}
