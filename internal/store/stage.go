package store

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/coraclehq/coracle/internal/sys"
	digest "github.com/opencontainers/go-digest"
)

// Stage holds blobs that are not the store's yet: what came out of an archive of
// which nobody knows whether it is whole. They are on the disk and take no
// descriptors. It ends with Drop, or with the process: the next Open removes what is
// left. Its methods may be called concurrently.
type Stage struct {
	s     *Store
	mu    sync.Mutex // guards blobs
	blobs map[digest.Digest]string
}

// NewStage begins a stage, which the caller ends with Drop.
func (s *Store) NewStage() *Stage { return &Stage{s: s, blobs: map[digest.Digest]string{}} }

// Put reads a blob to its end. One that has not the wanted digest and size is
// ErrMismatch and not kept; an empty digest or a negative size stands for any.
func (g *Stage) Put(r io.Reader, want digest.Digest, size int64) (digest.Digest, int64, error) {
	w, err := g.s.NewBlob()
	if err != nil {
		return "", 0, err
	}
	if _, err := io.Copy(w, r); err != nil {
		return "", 0, errors.Join(err, w.Abort())
	}
	return g.take(w, want, size)
}

// take keeps what w has written, under its name in the writer's directory.
func (g *Stage) take(w *BlobWriter, want digest.Digest, size int64) (_ digest.Digest, _ int64, err error) {
	if err := g.s.begin(); err != nil {
		return "", 0, errors.Join(err, w.Abort())
	}
	defer g.s.end(&err)
	got := digest.NewDigest(digest.SHA256, w.hash)
	if err := errors.Join(w.check(got, want, size), g.s.sync(w.f)); err != nil {
		return "", 0, errors.Join(err, w.abort())
	}
	err = w.f.Close()
	w.f = nil
	g.mu.Lock()
	defer g.mu.Unlock()
	if old, ok := g.blobs[got]; ok {
		err = errors.Join(err, w.w.dir.Unlink(old))
	}
	g.blobs[got] = w.name
	return got, w.size, err
}

// Open opens a blob of the stage, or else of the store. The caller closes it.
func (g *Stage) Open(d digest.Digest) (_ *os.File, err error) {
	g.mu.Lock()
	name, ok := g.blobs[d]
	g.mu.Unlock()
	if !ok {
		return g.s.OpenBlob(d)
	}
	if err := g.s.begin(); err != nil {
		return nil, err
	}
	defer g.s.end(&err)
	w, err := g.s.aside()
	if err != nil {
		return nil, err
	}
	f, err := w.dir.Open(name, sys.O_RDONLY, 0)
	if err != nil {
		return nil, missing(err, "blob %s", d)
	}
	return f.File(), nil
}

// Keep makes blobs the store's. Those that are there are replaced by the same
// content, which repairs a damaged one; those that are in neither are ErrNotFound.
func (g *Stage) Keep(blobs ...digest.Digest) (err error) {
	if err := g.s.begin(); err != nil {
		return err
	}
	defer g.s.end(&err)
	g.mu.Lock()
	defer g.mu.Unlock()
	w, err := g.s.aside()
	if err != nil {
		return err
	}
	for _, d := range blobs {
		name, ok := g.blobs[d]
		if !ok {
			if _, has, err := g.s.hasBlob(d); err != nil || !has {
				return errors.Join(err, fmt.Errorf("blob %s: %w", d, ErrNotFound))
			}
			continue
		}
		if err := w.dir.Rename(name, g.s.blobs, digestHex(d)); err != nil {
			return err
		}
		delete(g.blobs, d)
	}
	return g.s.sync(g.s.blobs)
}

// Drop removes what was not kept.
func (g *Stage) Drop() (err error) {
	if err := g.s.begin(); err != nil {
		return err // it went with the store's writer
	}
	defer g.s.end(&err)
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.blobs) == 0 {
		return nil
	}
	w, err := g.s.aside()
	if err != nil {
		return err
	}
	for d, name := range g.blobs {
		err = errors.Join(err, w.dir.Unlink(name))
		delete(g.blobs, d)
	}
	return err
}
