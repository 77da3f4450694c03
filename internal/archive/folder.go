package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// ReadFS reads an image archive from a file system that has its files: an image
// layout, or what a docker save archive unpacks to. Only the blobs of the images
// that are returned go to the sink. Links and other special files are not
// followed and not opened, which a docker save archive of versions before 25 may
// need. Everything else is as in [Read].
func ReadFS(ctx context.Context, fsys fs.FS, sink Sink, o Options) (Contents, error) {
	rd := newReader(sink, o)
	return rd.contents(ctx, &folder{reader: rd, fsys: fsys, files: make(map[string]stored)})
}

// ReadDir is ReadFS of a folder. Whoever may write to the folder meanwhile cannot
// make it read anything outside of it.
func ReadDir(ctx context.Context, dir string, sink Sink, o Options) (contents Contents, err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return Contents{}, err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	return ReadFS(ctx, rooted{root}, sink, o)
}

// rooted is the file system of a folder, with files opened so that a FIFO which
// took the place of one does not block.
type rooted struct{ root *os.Root }

func (r rooted) Open(name string) (fs.File, error) {
	return r.root.OpenFile(name, os.O_RDONLY|nonblock, 0)
}

func (r rooted) Lstat(name string) (fs.FileInfo, error)     { return r.root.Lstat(name) }
func (r rooted) ReadLink(name string) (string, error)       { return r.root.Readlink(name) }
func (r rooted) ReadDir(name string) ([]fs.DirEntry, error) { return fs.ReadDir(r.root.FS(), name) }

// A folder is the tree of a file system.
type folder struct {
	*reader
	fsys  fs.FS
	files map[string]stored // what is in the sink
}

func (f *folder) has(name string) bool {
	fi, err := fs.Lstat(f.fsys, name)
	return err == nil && fi.Mode().IsRegular()
}

func (f *folder) stray() string {
	for _, pattern := range []string{"*/" + indexName, "*/" + dockerName} {
		if names, err := fs.Glob(f.fsys, pattern); err == nil && len(names) > 0 {
			return names[0]
		}
	}
	return ""
}

// open opens a regular file. The name is looked at first, since opening a device
// can have effects, and the file again, since it can have been exchanged.
func (f *folder) open(name string) (fs.File, int64, error) {
	fi, err := fs.Lstat(f.fsys, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, missing(name)
	}
	if err != nil {
		return nil, 0, err
	}
	if !fi.Mode().IsRegular() {
		return nil, 0, notRegular(name)
	}
	file, err := f.fsys.Open(name)
	if err != nil {
		return nil, 0, err
	}
	if fi, err = file.Stat(); err == nil && !fi.Mode().IsRegular() {
		err = notRegular(name)
	}
	if err != nil {
		return nil, 0, errors.Join(err, file.Close())
	}
	return file, fi.Size(), nil
}

func notRegular(name string) error { return invalidf("%s: not a regular file", shown(name)) }

func (f *folder) blob(ctx context.Context, name string) (_ stored, err error) {
	if b, ok := f.files[name]; ok {
		return b, nil
	}
	file, size, err := f.open(name)
	if err != nil {
		return stored{}, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if err := errors.Join(f.budget.entry(name, size), f.budget.blob(name)); err != nil {
		return stored{}, err
	}
	in := &input{ctx: ctx, r: file}
	b, err := put(ctx, f.sink, name, size, in)
	if err != nil {
		return stored{}, in.failure(shown(name), err)
	}
	f.files[name] = b
	return b, nil
}

func (f *folder) document(ctx context.Context, name string) (data []byte, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	file, size, err := f.open(name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if err := f.budget.document(name, size); err != nil {
		return nil, err
	}
	data = make([]byte, size)
	if _, err := io.ReadFull(file, data); err != nil {
		return nil, fmt.Errorf("%s: %w", shown(name), err)
	}
	return data, nil
}
