package sys

import (
	"io"

	"golang.org/x/sys/unix"
)

// Read reads like read(2), blocking the thread; io.EOF at the end. For pipes and
// sockets that may be silent for long, use File.
func (d *FD) Read(p []byte) (n int, err error) {
	if len(p) == 0 {
		return 0, nil
	}
	err = call("read", d.Name(), func() (err error) {
		n, err = unix.Read(d.Int(), p)
		return err
	})
	return eof(n, err)
}

// ReadAt reads like pread(2) and returns io.EOF when fewer than len(p) bytes
// are left.
func (d *FD) ReadAt(p []byte, off int64) (total int, err error) {
	for len(p) > 0 {
		var n int
		err = call("pread64", d.Name(), func() (err error) {
			n, err = unix.Pread(d.Int(), p, off)
			return err
		})
		if n, err = eof(n, err); err != nil {
			return total, err
		}
		total, p, off = total+n, p[n:], off+int64(n)
	}
	return total, nil
}

func eof(n int, err error) (int, error) {
	if err != nil {
		return 0, err
	}
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// Write writes all of p.
func (d *FD) Write(p []byte) (int, error) {
	return d.writeAll("write", p, func(p []byte, _ int) (int, error) { return unix.Write(d.Int(), p) })
}

// WriteAt writes all of p at off.
func (d *FD) WriteAt(p []byte, off int64) (int, error) {
	return d.writeAll("pwrite64", p, func(p []byte, done int) (int, error) {
		return unix.Pwrite(d.Int(), p, off+int64(done))
	})
}

func (d *FD) writeAll(op string, p []byte, write func(p []byte, done int) (int, error)) (int, error) {
	done := 0
	for {
		err := call(op, d.Name(), func() error {
			n, err := write(p[done:], done)
			done += max(n, 0)
			return err
		})
		if err != nil || done == len(p) {
			return done, err
		}
	}
}

// Seek is lseek(2); whence may also be SEEK_DATA or SEEK_HOLE, which fail with
// ENXIO beyond the end.
func (d *FD) Seek(off int64, whence int) (n int64, err error) {
	err = call("lseek", d.Name(), func() (err error) {
		n, err = unix.Seek(d.Int(), off, whence)
		return err
	})
	return n, err
}

// Truncate sets the file's length.
func (d *FD) Truncate(size int64) error {
	return call("ftruncate", d.Name(), func() error { return unix.Ftruncate(d.Int(), size) })
}

// Allocate is fallocate(2) with FALLOC_FL_* flags: with none, n bytes at off are
// reserved on the disk, and the file is extended if it ends before.
func (d *FD) Allocate(flags uint32, off, n int64) error {
	return call("fallocate", d.Name(), func() error { return unix.Fallocate(d.Int(), flags, off, n) })
}

// Sync brings the file's data and metadata, or the names in a directory, to the
// disk. After an error the object is to be thrown away: a second Sync can succeed
// without the data being there.
func (d *FD) Sync() error {
	return call("fsync", d.Name(), func() error { return unix.Fsync(d.Int()) })
}

// SyncFS brings everything on d's file system to the disk and reports write
// errors since d was opened (Linux 5.8).
func (d *FD) SyncFS() error {
	return call("syncfs", d.Name(), func() error { return unix.Syncfs(d.Int()) })
}

// Clone makes d, an empty file, share all blocks of src copy-on-write, where the
// file system can (btrfs, xfs); else EOPNOTSUPP, EXDEV or EINVAL.
func (d *FD) Clone(src *FD) error {
	return call("ioctl FICLONE", d.Name(), func() error { return unix.IoctlFileClone(d.Int(), src.Int()) })
}

// CopyRange copies up to n bytes from src at srcOff to d at off inside the
// kernel; 0 at the end of src. Some pairs of file systems answer EXDEV, EINVAL or
// EOPNOTSUPP: then the caller reads and writes.
func (d *FD) CopyRange(off int64, src *FD, srcOff int64, n int) (copied int, err error) {
	err = call("copy_file_range", d.Name(), func() (err error) {
		in, out := srcOff, off
		copied, err = unix.CopyFileRange(src.Int(), &in, d.Int(), &out, n, 0)
		return err
	})
	return max(copied, 0), err
}

// ShutdownFS is for tests of power loss: from now on the file system that d lies
// on accepts nothing, and what was not synced is lost. It works on ext4, xfs and
// others, for root. With flush, the journal is written first.
func (d *FD) ShutdownFS(flush bool) error {
	// FS_IOC_SHUTDOWN, include/uapi/linux/fs.h: 1 is "flush the log only", 2 is
	// "no flush".
	mode := 2
	if flush {
		mode = 1
	}
	return call("ioctl FS_IOC_SHUTDOWN", d.Name(), func() error {
		return unix.IoctlSetPointerInt(d.Int(), FS_IOC_SHUTDOWN, mode)
	})
}
