package sys

import (
	"crypto/rand"
	"errors"
	"io"
	"os"
)

// ReadFile reads the regular file name in d, one component, which is not
// followed if it is a link. A FIFO or device is not waited for: what is no regular
// file is ErrNotRegular. More than limit bytes are ErrTooLarge.
func (d *FD) ReadFile(name string, limit int64) ([]byte, error) {
	f, err := d.Open(name, O_RDONLY|O_NONBLOCK|O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.ReadWhole(limit)
}

// ReadWhole reads the regular file d from its beginning, under the rules of
// ReadFile.
func (d *FD) ReadWhole(limit int64) ([]byte, error) {
	st, err := d.Stat()
	if err != nil {
		return nil, err
	}
	if !st.IsRegular() {
		return nil, &os.PathError{Op: "read", Path: d.Name(), Err: ErrNotRegular}
	}
	tooLarge := &os.PathError{Op: "read", Path: d.Name(), Err: ErrTooLarge}
	if st.Size > limit {
		return nil, tooLarge
	}
	// The size is a hint: files of procfs have none, and others may be growing.
	buf := make([]byte, 0, st.Size+512)
	for {
		n, err := d.ReadAt(buf[len(buf):cap(buf)], int64(len(buf)))
		buf = buf[:len(buf)+n]
		switch {
		case int64(len(buf)) > limit:
			return nil, tooLarge
		case errors.Is(err, io.EOF):
			return buf, nil
		case err != nil:
			return nil, err
		}
		buf = append(buf, make([]byte, len(buf)+512)...)[:len(buf)]
	}
}

// WriteFile makes or replaces the regular file name in d, so that a reader finds
// the old content or the new one, never a part. Its permissions are exactly perm,
// whatever the umask. With sync, content and name are on the disk when it returns.
// A failure leaves the old file as it was. After a crash, a file whose name begins
// with [AsidePrefix] may remain.
func (d *FD) WriteFile(name string, data []byte, perm uint32, sync bool) (err error) {
	aside := AsidePrefix + name + "-" + rand.Text()[:16]
	f, err := d.Open(aside, O_WRONLY|O_CREAT|O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, ignoreNotExist(d.Unlink(aside)))
		}
	}()
	if err := f.fill(data, perm, sync); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := d.Rename(aside, d, name); err != nil {
		return err
	}
	if sync {
		return d.syncDir()
	}
	return nil
}

func (d *FD) fill(data []byte, perm uint32, sync bool) error {
	if err := d.Chmod(perm); err != nil {
		return err
	}
	if len(data) > 0 {
		if _, err := d.Write(data); err != nil {
			return err
		}
	}
	if sync {
		return d.Sync()
	}
	return nil
}

// syncDir is Sync for a directory that may have been opened with O_PATH.
func (d *FD) syncDir() error {
	err := d.Sync()
	if errnoOf(err) != EBADF {
		return err
	}
	r, err := d.Open(".", O_RDONLY|O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	return errors.Join(r.Sync(), r.Close())
}

func ignoreNotExist(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}
