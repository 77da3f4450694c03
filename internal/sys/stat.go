package sys

import "time"

// Stat is what stat(2) says of an object. Mode has the S_IF* bits and the
// permissions, Blocks are of 512 bytes.
type Stat struct {
	Dev, Ino, Rdev   uint64
	Mode             uint32
	Nlink            uint64
	UID, GID         uint32
	Size             int64
	Blocks           int64
	BlockSize        int64
	Atim, Mtim, Ctim time.Time
}

// Type returns the S_IF* bits of the mode.
func (s Stat) Type() uint32 { return s.Mode & S_IFMT }

// Perm returns the permissions with set-user-ID, set-group-ID and sticky bit.
func (s Stat) Perm() uint32 { return s.Mode &^ uint32(S_IFMT) }

// IsDir says whether the object is a directory.
func (s Stat) IsDir() bool { return s.Type() == S_IFDIR }

// IsRegular says whether the object is a regular file.
func (s Stat) IsRegular() bool { return s.Type() == S_IFREG }

// IsSymlink says whether the object is a symbolic link.
func (s Stat) IsSymlink() bool { return s.Type() == S_IFLNK }

// Same says whether both describe one object, as long as it was not removed in
// between.
func (s Stat) Same(o Stat) bool { return s.Dev == o.Dev && s.Ino == o.Ino }

// Major and Minor split a device number in the kernel's encoding of 12 and 20
// bits.
func Major(dev uint64) uint32 { return uint32(dev>>8)&0xfff | uint32(dev>>32)&^0xfff }

// Minor is the other half; see [Major].
func Minor(dev uint64) uint32 { return uint32(dev)&0xff | uint32(dev>>12)&^0xff }

// Mkdev composes a device number.
func Mkdev(major, minor uint32) uint64 {
	return uint64(major&0xfff)<<8 | uint64(major&^0xfff)<<32 |
		uint64(minor&0xff) | uint64(minor&^0xff)<<12
}

// Statfs is what statfs(2) says of a file system. Type is a *_MAGIC number and
// Flags are ST_*. Blocks are of BlockSize bytes; Avail is what an ordinary user
// may still take.
type Statfs struct {
	Type                int64
	BlockSize           int64
	Blocks, Free, Avail uint64
	Files, FilesFree    uint64
	NameLen             int64
	Flags               int64
}
