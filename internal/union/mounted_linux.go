package union

import (
	"errors"
	"os"
	"syscall"

	"github.com/coraclehq/coracle/internal/sys"
)

// viewMounted is for kernels before 6.7, whose fsconfig(2) takes all layers in one value of
// less than 256 bytes. It mounts with mount(2) and short names, in a mount
// namespace that nobody else sees, and takes a copy out of it.
func viewMounted(dir *sys.FD, layers []string) (view *sys.FD, err error) {
	data, err := Options(layers, "", "", Opts{})
	if err != nil {
		return nil, err
	}
	err = sys.OnThread(func() (err error) {
		view, err = mountAside(dir, layers[0], data)
		return err
	})
	return view, err
}

// mountAside mounts an overlay on target, in dir, and returns a copy that is
// attached nowhere.
func mountAside(dir *sys.FD, target, data string) (*sys.FD, error) {
	if err := sys.Unshare(sys.CLONE_FS); err != nil {
		return nil, err
	}
	// Go there first: a new mount namespace takes the current directory along to
	// its own copy of the mount, while dir stays on the old one, whose directories
	// overlay refuses as layers (EINVAL, "failed to clone lowerpath").
	if err := syscall.Fchdir(dir.Int()); err != nil {
		return nil, &os.PathError{Op: "fchdir", Path: dir.Name(), Err: err}
	}
	if err := sys.Unshare(sys.CLONE_NEWNS); err != nil {
		return nil, err
	}
	if err := sys.Mount("", "/", "", sys.MS_REC|sys.MS_PRIVATE, ""); err != nil {
		return nil, err
	}
	const flags = sys.MS_RDONLY | sys.MS_NOSUID | sys.MS_NODEV | sys.MS_NOEXEC
	if err := sys.Mount("overlay", target, "overlay", flags, data); err != nil {
		return nil, err
	}
	var cwd *sys.FD
	view, err := cwd.OpenTree(target, sys.OPEN_TREE_CLONE)
	if err != nil {
		return nil, errors.Join(err, sys.Unmount(target, sys.MNT_DETACH))
	}
	return view, nil
}
