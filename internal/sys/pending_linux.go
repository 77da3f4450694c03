package sys

import "golang.org/x/sys/unix"

// Pending returns how many bytes a pipe, socket or terminal has ready to be read
// (FIONREAD). Of a terminal's master it may be fewer than are on their way.
func (d *FD) Pending() (n int, err error) {
	err = call("ioctl FIONREAD", d.Name(), func() (err error) {
		n, err = unix.IoctlGetInt(d.Int(), FIONREAD)
		return err
	})
	return n, err
}
