package sys

import "golang.org/x/sys/unix"

// MemfdCreate makes a file in memory, close-on-exec, with MFD_* flags. MFD_EXEC
// and MFD_NOEXEC_SEAL are EINVAL before Linux 6.3.
func MemfdCreate(name string, flags int) (*FD, error) {
	return callFD("memfd_create", name, func() (int, error) {
		return unix.MemfdCreate(name, flags|MFD_CLOEXEC)
	})
}

// Seal adds F_SEAL_* seals to a file made with MFD_ALLOW_SEALING.
func (d *FD) Seal(seals int) error {
	return call("fcntl F_ADD_SEALS", d.Name(), func() error {
		_, err := unix.FcntlInt(uintptr(d.Int()), F_ADD_SEALS, seals)
		return err
	})
}

// Seals returns the file's F_SEAL_* seals.
func (d *FD) Seals() (seals int, err error) {
	err = call("fcntl F_GET_SEALS", d.Name(), func() (err error) {
		seals, err = unix.FcntlInt(uintptr(d.Int()), F_GET_SEALS, 0)
		return err
	})
	return seals, err
}

// Mmap maps n bytes, outside the Go heap: of d at off, or of zeroes when d is
// nil and flags has MAP_ANONYMOUS. [Munmap] unmaps them.
func Mmap(d *FD, off int64, n, prot, flags int) (b []byte, err error) {
	fd := -1
	if d != nil {
		fd = d.Int()
	}
	err = call("mmap", d.Name(), func() (err error) {
		b, err = unix.Mmap(fd, off, n, prot, flags)
		return err
	})
	return b, err
}

// Munmap unmaps what [Mmap] mapped, whole. Nobody may hold a part of it.
func Munmap(b []byte) error {
	return call("munmap", "", func() error { return unix.Munmap(b) })
}
