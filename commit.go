package coracle

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"time"

	imagespec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/coraclehq/coracle/internal/archive"
	"github.com/coraclehq/coracle/internal/layer"
	"github.com/coraclehq/coracle/internal/store"
	"github.com/coraclehq/coracle/internal/sys"
)

// CommitOptions are how a container becomes an image.
type CommitOptions struct {
	// Author and Comment are noted in the image's history.
	Author, Comment string
	// Config changes the image's configuration, which is otherwise that of the image
	// that the container was made from; nil: nothing. It finds Created set to now.
	Config func(*ImageConfig)
	// Live reads the files of a running container while it goes on: what it changes
	// meanwhile may be in the image in part, or end the commit with an error.
	Live bool
}

// Commit makes an image of the container's image and the files that the container
// has changed, and gives it a name, which is taken away from the image that had it;
// empty: none. What is mounted, volumes among it, is not part of it. A container that
// runs is frozen while its files are read, and then goes on; one that was frozen
// stays so. It need not run.
//
// An image over the machine's own root file system is one again: see FromHost.
func (c *Container) Commit(ctx context.Context, name string, opts CommitOptions) (*Image, error) {
	i, err := c.commit(ctx, name, opts)
	return i, wrap("commit", c.id, err)
}

func (c *Container) commit(ctx context.Context, name string, opts CommitOptions) (_ *Image, err error) {
	if err := c.e.begin(); err != nil {
		return nil, err
	}
	defer c.e.runs.Done()
	if name != "" {
		if _, err := store.ParseName(name); err != nil {
			return nil, err
		}
	}
	// Whoever has the lock starts, changes and removes the container: nobody else.
	lock, err := c.e.store.LockContainer(ctx, c.id)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	k, err := c.e.recall(c.id, lock.Dir)
	if err != nil {
		return nil, err
	}
	base, err := c.e.store.Image(k.record.Image.String())
	if err != nil {
		return nil, err
	}
	m := &committing{e: c.e, lock: lock, base: base, command: strings.Join(k.spec.Process.Args, " "), opts: opts}
	var image *Image
	err = c.e.held(ctx, func() (err error) {
		image, err = m.commit(ctx, name)
		return err
	})
	if err != nil {
		return nil, err
	}
	return image, nil
}

// committing is a Commit on its way.
type committing struct {
	e       *Engine
	lock    *store.ContainerLock
	base    store.Image
	command string // the container's
	opts    CommitOptions
}

func (m *committing) commit(ctx context.Context, name string) (*Image, error) {
	config, err := m.config()
	if err != nil {
		return nil, err
	}
	below, err := m.e.layerBlobs(m.base)
	if err != nil {
		return nil, err
	}
	n, err := m.read(ctx)
	if err != nil {
		return nil, err
	}
	top, err := n.keep(ctx, diffIDs(below))
	if err != nil {
		return nil, err
	}
	layers := slices.Concat(below, []archive.Layer{top})
	config.RootFS = rootFS(layers, m.base.Host)
	data, err := keepUnknown(config, m.base.RawConfig)
	if err != nil {
		return nil, err
	}
	return m.e.put(ctx, name, data, layers, m.base.Host)
}

// config is the configuration of the image to be, without its layers.
func (m *committing) config() (imagespec.Image, error) {
	c := imageConfig(m.base.Config)
	c.Created = time.Now()
	c.Author = first(m.opts.Author, c.Author)
	if m.opts.Config != nil {
		m.opts.Config(&c)
	}
	if err := c.check(); err != nil {
		return imagespec.Image{}, err
	}
	d := c.document()
	d.OSVersion, d.OSFeatures = m.base.Config.OSVersion, m.base.Config.OSFeatures
	d.History = append(wholeHistory(m.base.Config), imagespec.History{
		Created: d.Created, CreatedBy: m.command, Author: m.opts.Author, Comment: m.opts.Comment,
	})
	return d, nil
}

// wholeHistory is the history of an image, with a step for each of its layers: some
// authors leave it out, and the next step would be taken for the first layer's.
func wholeHistory(i imagespec.Image) []imagespec.History {
	made := 0
	for _, h := range i.History {
		if !h.EmptyLayer {
			made++
		}
	}
	all := append([]imagespec.History(nil), i.History...)
	for ; made < len(i.RootFS.DiffIDs); made++ {
		all = append(all, imagespec.History{})
	}
	return all
}

// read takes in the files that the container has changed, frozen if it runs.
func (m *committing) read(ctx context.Context) (_ *incoming, err error) {
	upper, err := m.lock.Dir.Open("upper", sys.O_RDONLY|sys.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, upper.Close()) }()
	thaw := func() error { return nil }
	if !m.opts.Live {
		if thaw, err = m.e.freeze(ctx, m.lock); err != nil {
			return nil, err
		}
	}
	n, err := m.e.packed(ctx, func(w io.Writer) error {
		_, err := layer.Pack(ctx, w, upper, layer.PackOptions{})
		return err
	})
	if err == nil && n.result.Deferred() {
		// Every whiteout in it hides something, or overlayfs would not have made it, and
		// there is nothing else that it needs from below: so it serves as its own base.
		err = layer.Settle(ctx, n.tree.Dir, upper, &n.result)
	}
	if err = errors.Join(err, thaw()); err != nil {
		if n != nil {
			err = errors.Join(err, n.drop())
		}
		return nil, err
	}
	return n, nil
}
