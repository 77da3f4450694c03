package cred

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/coraclehq/coracle/internal/sys"
)

// maxFile bounds what is read of an image's /etc/passwd and /etc/group
// (CVE-2026-47262): some hundred thousand users.
const maxFile = 8 << 20

// readRegular reads a file of the image that is regular and has at most limit
// bytes; else the error wraps fs.ErrInvalid.
func readRegular(root *sys.FD, path string, limit int64) ([]byte, error) {
	f, _, err := openRegular(root, path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := f.ReadWhole(limit)
	if errors.Is(err, sys.ErrTooLarge) {
		return nil, fmt.Errorf("%s in the image has more than %d bytes: %w", path, limit, fs.ErrInvalid)
	}
	return data, err
}

// openRegular opens a file of the image for reading if it is regular. Nothing else
// is opened but as a place: a FIFO would block, a device act (CVE-2024-9676). Links
// lead where they would lead within the image.
func openRegular(root *sys.FD, path string) (*sys.FD, sys.Stat, error) {
	place, err := root.OpenInRoot(path, sys.O_PATH, 0)
	if err != nil {
		return nil, sys.Stat{}, err
	}
	defer place.Close()
	st, err := place.Stat()
	if err != nil {
		return nil, sys.Stat{}, err
	}
	if !st.IsRegular() {
		return nil, st, fmt.Errorf("%s in the image is %s: %w", path, kind(st), fs.ErrInvalid)
	}
	f, err := place.Reopen(sys.O_RDONLY | sys.O_NONBLOCK)
	return f, st, err
}

// kind says what an object is.
func kind(st sys.Stat) string {
	switch st.Type() {
	case sys.S_IFREG:
		return "a regular file"
	case sys.S_IFDIR:
		return "a directory"
	case sys.S_IFLNK:
		return "a symbolic link"
	case sys.S_IFIFO:
		return "a FIFO"
	case sys.S_IFSOCK:
		return "a socket"
	}
	return "a device"
}
