package store

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"time"

	"github.com/coraclehq/coracle/internal/sys"
	digest "github.com/opencontainers/go-digest"
)

// LayerWriter is a layer that is being unpacked. It becomes visible at Commit.
type LayerWriter struct {
	// Dir is the tree's root, an empty directory at first, opened for reading. It
	// belongs to the LayerWriter and is closed by Commit and Abort.
	Dir *sys.FD

	s     *Store
	w     *writer
	top   *sys.FD // the directory that fs is in; nil after Commit or Abort
	name  string
	moved bool // into layers/
}

// NewLayer begins a layer. The caller ends it with Commit or Abort. Any number can
// be under way at once.
func (s *Store) NewLayer() (_ *LayerWriter, err error) {
	if err := s.begin(); err != nil {
		return nil, err
	}
	defer s.end(&err)
	w, err := s.aside()
	if err != nil {
		return nil, err
	}
	l := &LayerWriter{s: s, w: w, name: w.next()}
	if err := l.make(); err != nil {
		return nil, errors.Join(err, l.abort())
	}
	return l, nil
}

func (l *LayerWriter) make() (err error) {
	if err := makeIn(l.w.dir, l.name, dirPerm); err != nil {
		return err
	}
	if l.top, err = l.w.dir.Open(l.name, sys.O_RDONLY|sys.O_DIRECTORY, 0); err != nil {
		return err
	}
	if err := makeIn(l.top, "fs", rootPerm); err != nil {
		return err
	}
	l.Dir, err = l.top.Open("fs", sys.O_RDONLY|sys.O_DIRECTORY, 0)
	return err
}

// Commit makes the layer visible. ID, Created and Version of meta are set by it;
// DiffID is the digest that the caller has verified. If another process was faster
// with the same layer, that one is returned and this one is gone. After Commit,
// also a failed one, the LayerWriter is closed.
func (l *LayerWriter) Commit(ctx context.Context, meta Layer) (_ Layer, err error) {
	if l.top == nil {
		return Layer{}, os.ErrClosed
	}
	if err := l.s.begin(); err != nil {
		return Layer{}, err
	}
	defer l.s.end(&err)
	defer func() { err = errors.Join(err, l.abort()) }()
	meta.Version, meta.Created = layoutVersion, time.Now().UTC()
	for _, d := range []digest.Digest{meta.DiffID, meta.ChainID} {
		if d != "" && CheckDigest(d) != nil {
			return Layer{}, CheckDigest(d)
		}
	}
	if err := l.describe(meta); err != nil {
		return Layer{}, err
	}
	l.s.step("layer made")
	err = l.s.locked(ctx, true, func() (err error) {
		meta, err = l.publish(meta)
		return err
	})
	if err == nil {
		err = l.s.sync(l.s.layers, l.s.layerIDs)
	}
	if err != nil {
		return Layer{}, err
	}
	return meta, nil
}

// describe writes layer.json and brings the whole layer onto the disk.
func (l *LayerWriter) describe(meta Layer) error {
	f, err := l.top.Open("layer.json", sys.O_WRONLY|sys.O_CREAT|sys.O_EXCL, filePerm)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Chmod(filePerm), l.s.fill(f, must(json.Marshal(meta)), false)); err != nil {
		return err
	}
	if l.s.opts.Volatile {
		return nil
	}
	// syncfs(2) instead of one fsync for each file: unpacking leaves thousands.
	return l.Dir.SyncFS()
}

// publish moves the layer into place and lets it be found. The caller holds the
// store's lock.
func (l *LayerWriter) publish(meta Layer) (Layer, error) {
	s, key := l.s, meta.key()
	if key != "" {
		if old, ok, err := s.findLayer(key); err != nil || ok {
			return old, err
		}
	}
	for {
		meta.ID = randomHex(layerIDDigits / 2)
		err := l.w.dir.RenameNoReplace(l.name, s.layers, meta.ID)
		if err == nil {
			break
		}
		if !errors.Is(err, sys.EEXIST) {
			return Layer{}, err
		}
	}
	l.moved = true
	s.step("layer moved")
	if key == "" {
		return meta, nil
	}
	if err := s.linkLayer(key, meta.ID); err != nil {
		// Not to be found is not to be there: what was moved goes back.
		l.moved = false
		return Layer{}, errors.Join(err, s.layers.Rename(meta.ID, l.w.dir, l.name))
	}
	return meta, nil
}

// Abort gives the layer up; its tree is removed in the background. After Commit or
// Abort it does nothing but return os.ErrClosed, so it can be deferred.
func (l *LayerWriter) Abort() (err error) {
	if l.top == nil {
		return os.ErrClosed
	}
	if err := l.s.begin(); err != nil {
		return errors.Join(err, l.close()) // the tree went with the store's writer
	}
	defer l.s.end(&err)
	return l.abort()
}

// abort closes l and removes its tree, if it is still there.
func (l *LayerWriter) abort() error {
	if !l.moved {
		l.s.remover.add(removal{dir: l.w.dir, name: l.name})
	}
	return l.close()
}

func (l *LayerWriter) close() error {
	err := errors.Join(l.Dir.Close(), l.top.Close())
	l.Dir, l.top = nil, nil
	return err
}
