package compile

import (
	"fmt"
	"strings"

	"github.com/coraclehq/coracle/internal/script"
	"github.com/coraclehq/coracle/internal/sys"
)

// named is a bit and its name.
type named struct {
	bit  uint64
	name string
}

// flags prints a number by the names of its bits.
func flags(n uint64, names []named) script.Flags {
	if n == 0 {
		return script.Flags{Text: "0"}
	}
	var text []string
	rest := n
	for _, f := range names {
		if rest&f.bit == f.bit {
			text = append(text, f.name)
			rest &^= f.bit
		}
	}
	if rest != 0 {
		text = append(text, fmt.Sprintf("%#x", rest))
	}
	return script.Flags{N: n, Text: strings.Join(text, "|")}
}

func mountFlags(n uint64) script.Flags {
	return flags(n, []named{
		{sys.MS_REMOUNT, "MS_REMOUNT"}, {sys.MS_BIND, "MS_BIND"}, {sys.MS_REC, "MS_REC"},
		{sys.MS_PRIVATE, "MS_PRIVATE"}, {sys.MS_SLAVE, "MS_SLAVE"},
		{sys.MS_RDONLY, "MS_RDONLY"}, {sys.MS_NOSUID, "MS_NOSUID"}, {sys.MS_NODEV, "MS_NODEV"}, {sys.MS_NOEXEC, "MS_NOEXEC"},
		{sys.MS_SYNCHRONOUS, "MS_SYNCHRONOUS"}, {sys.MS_DIRSYNC, "MS_DIRSYNC"}, {sys.MS_NOSYMFOLLOW, "MS_NOSYMFOLLOW"},
		{sys.MS_NOATIME, "MS_NOATIME"}, {sys.MS_NODIRATIME, "MS_NODIRATIME"}, {sys.MS_RELATIME, "MS_RELATIME"},
		{sys.MS_STRICTATIME, "MS_STRICTATIME"}, {sys.MS_LAZYTIME, "MS_LAZYTIME"},
	})
}

func cloneFlags(n uint64) script.Flags {
	return flags(n, []named{
		{sys.CLONE_NEWNS, "CLONE_NEWNS"}, {sys.CLONE_NEWIPC, "CLONE_NEWIPC"}, {sys.CLONE_NEWUTS, "CLONE_NEWUTS"},
		{sys.CLONE_NEWNET, "CLONE_NEWNET"}, {sys.CLONE_NEWPID, "CLONE_NEWPID"}, {sys.CLONE_NEWCGROUP, "CLONE_NEWCGROUP"},
		{sys.CLONE_NEWTIME, "CLONE_NEWTIME"}, {sys.CLONE_NEWUSER, "CLONE_NEWUSER"},
	})
}

func resolveFlags(n uint64) script.Flags {
	return flags(n, []named{
		{sys.RESOLVE_IN_ROOT, "RESOLVE_IN_ROOT"}, {sys.RESOLVE_BENEATH, "RESOLVE_BENEATH"}, {sys.RESOLVE_NO_SYMLINKS, "RESOLVE_NO_SYMLINKS"},
		{sys.RESOLVE_NO_MAGICLINKS, "RESOLVE_NO_MAGICLINKS"}, {sys.RESOLVE_NO_XDEV, "RESOLVE_NO_XDEV"},
	})
}

// openFlags prints flags of open(2), some of which each architecture has at a
// place of its own.
func openFlags(n uint64, arch sys.Arch) script.Flags {
	own := arch.OpenFlags()
	access := [...]string{"O_RDONLY", "O_WRONLY", "O_RDWR"}[n&sys.O_ACCMODE]
	f := flags(n&^sys.O_ACCMODE, []named{
		{sys.O_PATH, "O_PATH"}, {uint64(own.Directory), "O_DIRECTORY"}, {uint64(own.Nofollow), "O_NOFOLLOW"},
		{sys.O_NOCTTY, "O_NOCTTY"}, {sys.O_CLOEXEC, "O_CLOEXEC"},
	})
	if n&sys.O_PATH == 0 {
		f.Text = access + "|" + f.Text
	}
	return script.Flags{N: n, Text: f.Text}
}

func attrFlags(n uint64) script.Flags {
	return flags(n, []named{
		{sys.MOUNT_ATTR_RDONLY, "MOUNT_ATTR_RDONLY"}, {sys.MOUNT_ATTR_NOSUID, "MOUNT_ATTR_NOSUID"}, {sys.MOUNT_ATTR_NODEV, "MOUNT_ATTR_NODEV"},
		{sys.MOUNT_ATTR_NOEXEC, "MOUNT_ATTR_NOEXEC"}, {sys.MOUNT_ATTR__ATIME, "MOUNT_ATTR__ATIME"}, {sys.MOUNT_ATTR_NOATIME, "MOUNT_ATTR_NOATIME"},
		{sys.MOUNT_ATTR_STRICTATIME, "MOUNT_ATTR_STRICTATIME"}, {sys.MOUNT_ATTR_NODIRATIME, "MOUNT_ATTR_NODIRATIME"},
		{sys.MOUNT_ATTR_NOSYMFOLLOW, "MOUNT_ATTR_NOSYMFOLLOW"},
	})
}

// The flag words that are the same wherever they stand.
var (
	openTreeClone     = script.Flags{N: sys.OPEN_TREE_CLONE | sys.OPEN_TREE_CLOEXEC, Text: "OPEN_TREE_CLONE|OPEN_TREE_CLOEXEC"}
	openTreeRecursive = script.Flags{N: sys.OPEN_TREE_CLONE | sys.OPEN_TREE_CLOEXEC | sys.AT_RECURSIVE, Text: "OPEN_TREE_CLONE|OPEN_TREE_CLOEXEC|AT_RECURSIVE"}
	emptyPath         = script.Flags{N: sys.AT_EMPTY_PATH, Text: "AT_EMPTY_PATH"}
	emptyRecursive    = script.Flags{N: sys.AT_EMPTY_PATH | sys.AT_RECURSIVE, Text: "AT_EMPTY_PATH|AT_RECURSIVE"}
	moveFromFD        = script.Flags{N: sys.MOVE_MOUNT_F_EMPTY_PATH, Text: "MOVE_MOUNT_F_EMPTY_PATH"}
	moveByFDs         = script.Flags{N: sys.MOVE_MOUNT_F_EMPTY_PATH | sys.MOVE_MOUNT_T_EMPTY_PATH, Text: "MOVE_MOUNT_F_EMPTY_PATH|MOVE_MOUNT_T_EMPTY_PATH"}
)

// octal is a mode.
func octal(mode uint32) script.Flags {
	return script.Flags{N: uint64(mode), Text: fmt.Sprintf("%#o", mode)}
}
