package union

import (
	"errors"
	"fmt"

	"github.com/coraclehq/coracle/internal/probe"
	"github.com/coraclehq/coracle/internal/sys"
)

// Check says whether containers can write to the file system of scratch, a
// directory: whether overlay takes it for an upper and can leave its marks there.
// It finds out by doing it and removes what it made. If not, the error is an
// *UnsupportedError with the remedy. It takes about a millisecond.
func Check(scratch *sys.FD) (err error) {
	if err := probe.Overlay.Check(); err != nil {
		return err
	}
	dirs := [...]string{"lower", "upper", "work"}
	defer func() {
		for _, d := range dirs {
			err = errors.Join(err, scratch.RemoveAll(d))
		}
	}()
	for _, d := range dirs {
		if err := scratch.Mkdir(d, 0o700); err != nil {
			return err
		}
	}
	if err := scratch.Mkdir("lower/gone", 0o700); err != nil {
		return err
	}
	refusal, err := try(scratch)
	if refusal == nil || err != nil {
		return err
	}
	st, err := scratch.Statfs()
	if err != nil {
		return err
	}
	return &probe.UnsupportedError{
		Feature: "containers that write to " + fileSystem(st.Type),
		Hint:    "put the store on a local ext4, xfs, btrfs or tmpfs",
		Err:     refusal,
	}
}

// try mounts an overlay and lets it make both of its marks. A refusal is what
// the file system cannot do; err is trouble of another kind.
func try(scratch *sys.FD) (refusal, err error) {
	params := append([]Param{{"lowerdir", below(scratch, "lower")}},
		rest(below(scratch, "upper"), below(scratch, "work"), Opts{})...)
	merged, err := detached(params, sys.MOUNT_ATTR_NODEV)
	if err != nil {
		return err, nil
	}
	defer merged.Close()
	// A whiteout, then a directory in its place, which is opaque.
	if err := merged.Rmdir("gone"); err != nil {
		return err, nil
	}
	st, err := scratch.StatAt("upper/gone", false)
	if err != nil {
		return nil, err
	}
	if st.Type() != sys.S_IFCHR || st.Rdev != 0 {
		return fmt.Errorf("what is removed leaves no whiteout: mode %#o, device %#x", st.Mode, st.Rdev), nil
	}
	if err := merged.Mkdir("gone", 0o700); err != nil {
		return err, nil
	}
	opaque, err := scratch.XattrAt("upper/gone", "trusted.overlay.opaque")
	if err == nil && string(opaque) != "y" {
		err = fmt.Errorf("what is replaced is not marked opaque: %q", opaque)
	}
	return err, nil
}

// fileSystem names a file system by the magic number of statfs(2).
func fileSystem(magic int64) string {
	switch uint32(magic) {
	case sys.OVERLAYFS_SUPER_MAGIC:
		return "overlay (inside a container, mount a volume for the store)"
	case sys.NFS_SUPER_MAGIC:
		return "nfs"
	case sys.SMB_SUPER_MAGIC, sys.CIFS_SUPER_MAGIC, sys.SMB2_SUPER_MAGIC:
		return "smb"
	case sys.FUSE_SUPER_MAGIC:
		return "fuse"
	case sys.V9FS_MAGIC:
		return "9p"
	case sys.ZFS_SUPER_MAGIC:
		return "zfs"
	case sys.ECRYPTFS_SUPER_MAGIC:
		return "ecryptfs"
	case sys.RAMFS_MAGIC:
		return "ramfs"
	case sys.EXT4_SUPER_MAGIC:
		return "ext4"
	case sys.XFS_SUPER_MAGIC:
		return "xfs (made with ftype=0?)"
	}
	return fmt.Sprintf("the file system of type %#x", uint32(magic))
}
