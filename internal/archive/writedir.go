package archive

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"

	imagespec "github.com/opencontainers/image-spec/specs-go/v1"
)

// WriteDir writes images as an OCI image layout into a folder, which it makes, or
// which has to be empty. index.json comes last and whole, so that a folder without
// it is one that was not finished. Nothing is synced to disk. After an error the
// folder is as empty as it was, and one that WriteDir made is gone.
func WriteDir(ctx context.Context, dir string, images []Image, src Source) (err error) {
	files, err := layoutFiles(images, false)
	if err != nil {
		return err
	}
	made, err := emptyDir(dir)
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, undo(root))
		}
		err = errors.Join(err, root.Close())
		if err != nil && made {
			err = errors.Join(err, os.Remove(dir))
		}
	}()
	if err := root.MkdirAll(path.Clean(blobDir), 0o755); err != nil {
		return err
	}
	for _, f := range append(files[2:], files[:2]...) {
		if err := f.create(ctx, root, src); err != nil {
			return fmt.Errorf("write %s: %w", f.name, err)
		}
	}
	return nil
}

// emptyDir makes a folder, or makes sure that it is empty.
func emptyDir(dir string) (made bool, err error) {
	err = os.Mkdir(dir, 0o755)
	if err == nil {
		return true, nil
	}
	if !errors.Is(err, fs.ErrExist) {
		return false, err
	}
	list, err := os.ReadDir(dir)
	if err != nil {
		return false, err
	}
	if len(list) > 0 {
		return false, fmt.Errorf("write an image layout into %s: %w: it is not empty", dir, fs.ErrExist)
	}
	return false, nil
}

// undo removes what WriteDir makes.
func undo(root *os.Root) error {
	var errs []error
	for _, name := range []string{indexName, layoutName, imagespec.ImageBlobsDir} {
		errs = append(errs, root.RemoveAll(name))
	}
	return errors.Join(errs...)
}

// create makes a file of a layout under another name and renames it.
func (f file) create(ctx context.Context, root *os.Root, src Source) (err error) {
	aside := path.Join(imagespec.ImageBlobsDir, ".tmp-"+rand.Text())
	out, err := root.OpenFile(aside, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	err = f.copy(ctx, out, src)
	if err = errors.Join(err, out.Close()); err != nil {
		return err
	}
	return root.Rename(aside, f.name)
}
