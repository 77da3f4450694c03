package sys

import "golang.org/x/sys/unix"

// Inotify makes an inotify(7) instance, close-on-exec and non-blocking, so that
// [*FD.File] is served by the runtime's poller. Reads return what
// [ParseInotify] takes.
func Inotify() (*FD, error) {
	return callFD("inotify_init1", "", func() (int, error) {
		return unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	})
}

// AddWatch watches the object of w for IN_* events and returns the watch's
// number. The object may be a file or directory, opened with O_PATH too.
func (d *FD) AddWatch(w *FD, mask uint32) (wd int, err error) {
	err = call("inotify_add_watch", w.Name(), func() (err error) {
		wd, err = unix.InotifyAddWatch(d.Int(), w.procFD(), mask)
		return err
	})
	return wd, err
}

// RemoveWatch ends a watch.
func (d *FD) RemoveWatch(wd int) error {
	return call("inotify_rm_watch", d.Name(), func() error {
		_, err := unix.InotifyRmWatch(d.Int(), uint32(wd))
		return err
	})
}
