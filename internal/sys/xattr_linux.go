package sys

import (
	"strings"

	"golang.org/x/sys/unix"
)

// The calls on a descriptor serve O_PATH too: fgetxattr(2) and its kin refuse
// such descriptors with EBADF, and then the magic link of procfs leads to the
// same object, also if that is a symbolic link. The calls on a name go by
// d's magic link and do not follow the last component.

// Xattr returns the value of an extended attribute; ENODATA if there is none.
func (d *FD) Xattr(attr string) ([]byte, error) {
	return readXattr("fgetxattr", d.Name()+" "+attr, func(p []byte) (int, error) {
		n, err := unix.Fgetxattr(d.Int(), attr, p)
		if err == unix.EBADF {
			n, err = unix.Getxattr(d.procFD(), attr, p)
		}
		return n, err
	})
}

// XattrAt is Xattr of name in d, one component, of a link itself.
func (d *FD) XattrAt(name, attr string) ([]byte, error) {
	return readXattr("lgetxattr", d.join(name)+" "+attr, func(p []byte) (int, error) {
		return unix.Lgetxattr(d.procAt(name), attr, p)
	})
}

// SetXattr sets an extended attribute; flags are 0, XATTR_CREATE or
// XATTR_REPLACE.
func (d *FD) SetXattr(attr string, value []byte, flags int) error {
	return call("fsetxattr", d.Name()+" "+attr, func() error {
		err := unix.Fsetxattr(d.Int(), attr, value, flags)
		if err == unix.EBADF {
			err = unix.Setxattr(d.procFD(), attr, value, flags)
		}
		return err
	})
}

// SetXattrAt is SetXattr of name in d, one component, of a link itself.
func (d *FD) SetXattrAt(name, attr string, value []byte, flags int) error {
	return call("lsetxattr", d.join(name)+" "+attr, func() error {
		return unix.Lsetxattr(d.procAt(name), attr, value, flags)
	})
}

// RemoveXattr removes an extended attribute; ENODATA if there is none.
func (d *FD) RemoveXattr(attr string) error {
	return call("fremovexattr", d.Name()+" "+attr, func() error {
		err := unix.Fremovexattr(d.Int(), attr)
		if err == unix.EBADF {
			err = unix.Removexattr(d.procFD(), attr)
		}
		return err
	})
}

// Xattrs lists the names of the extended attributes.
func (d *FD) Xattrs() ([]string, error) {
	return listXattrs("flistxattr", d.Name(), func(p []byte) (int, error) {
		n, err := unix.Flistxattr(d.Int(), p)
		if err == unix.EBADF {
			n, err = unix.Listxattr(d.procFD(), p)
		}
		return n, err
	})
}

// XattrsAt is Xattrs of name in d, one component, of a link itself.
func (d *FD) XattrsAt(name string) ([]string, error) {
	return listXattrs("llistxattr", d.join(name), func(p []byte) (int, error) {
		return unix.Llistxattr(d.procAt(name), p)
	})
}

func listXattrs(op, path string, list func([]byte) (int, error)) ([]string, error) {
	b, err := readXattr(op, path, list)
	if err != nil || len(b) == 0 {
		return nil, err
	}
	return strings.Split(strings.TrimSuffix(string(b), "\x00"), "\x00"), nil
}

// readXattr reads with a buffer that suits most values, and once with the
// greatest that the kernel knows.
func readXattr(op, path string, read func([]byte) (int, error)) ([]byte, error) {
	buf := make([]byte, 256)
	var n int
	err := call(op, path, func() (err error) {
		n, err = read(buf)
		if err == unix.ERANGE {
			buf = make([]byte, XATTR_SIZE_MAX)
			n, err = read(buf)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return buf[:n:n], nil
}
