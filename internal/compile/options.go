package compile

import (
	"strings"

	"github.com/coraclehq/coracle/internal/sys"
)

// options are the options of one mount, sorted: those that the kernel takes as
// bits, and data for the file system.
type options struct {
	set, clear uint64 // MS_ bits that were asked for, and refused, by name

	// The same for a mount and everything below it, as MOUNT_ATTR_ bits.
	setAll, clearAll uint64

	bind, recursive bool
	slave           bool
	slaveRecursive  bool
	data            []string
}

// optionBits are the options of mount(8) that are bits; the second name takes the
// bit away.
var optionBits = []struct {
	on, off string
	bit     uint64
}{
	{"ro", "rw", sys.MS_RDONLY},
	{"nosuid", "suid", sys.MS_NOSUID},
	{"nodev", "dev", sys.MS_NODEV},
	{"noexec", "exec", sys.MS_NOEXEC},
	{"sync", "async", sys.MS_SYNCHRONOUS},
	{"dirsync", "", sys.MS_DIRSYNC},
	{"nosymfollow", "symfollow", sys.MS_NOSYMFOLLOW},
	{"noatime", "atime", sys.MS_NOATIME},
	{"nodiratime", "diratime", sys.MS_NODIRATIME},
	{"relatime", "norelatime", sys.MS_RELATIME},
	{"strictatime", "nostrictatime", sys.MS_STRICTATIME},
	{"lazytime", "nolazytime", sys.MS_LAZYTIME},
}

// recursiveBits are the options that hold for the mounts below too (config.md,
// "Linux mount options": those with an r in front).
var recursiveBits = []struct {
	on, off string
	bit     uint64
}{
	{"rro", "rrw", sys.MOUNT_ATTR_RDONLY},
	{"rnosuid", "rsuid", sys.MOUNT_ATTR_NOSUID},
	{"rnodev", "rdev", sys.MOUNT_ATTR_NODEV},
	{"rnoexec", "rexec", sys.MOUNT_ATTR_NOEXEC},
	{"rnosymfollow", "rsymfollow", sys.MOUNT_ATTR_NOSYMFOLLOW},
	{"rnodiratime", "rdiratime", sys.MOUNT_ATTR_NODIRATIME},
}

// parseOptions sorts the options of mount number i. Of contradicting ones the
// last holds.
func parseOptions(i int, list []string) (options, error) {
	var o options
	for j, name := range list {
		if strings.ContainsAny(name, "\x00,") && !strings.Contains(name, "=") || strings.Contains(name, "\x00") {
			return o, invalid(at("mounts", i, "options", j), "%.100q is not an option", name)
		}
		if o.bits(name) {
			continue
		}
		switch name {
		case "", "defaults", "private", "rprivate", "nomand":
		case "bind":
			o.bind = true
		case "rbind":
			o.bind, o.recursive = true, true
		case "slave":
			o.slave = true
		case "rslave":
			o.slave, o.slaveRecursive = true, true
		case "shared", "rshared", "unbindable", "runbindable", "remount", "mand", "idmap", "ridmap", "tmpcopyup", "iversion", "loud", "silent",
			"rnoatime", "ratime", "rrelatime", "rnorelatime", "rstrictatime", "rnostrictatime":
			return o, unsupported(at("mounts", i, "options", j), "mount option "+name)
		default:
			o.data = append(o.data, name)
		}
	}
	return o, nil
}

func (o *options) bits(name string) bool {
	if name == "" {
		return false
	}
	for _, b := range optionBits {
		switch name {
		case b.on:
			o.set, o.clear = o.set|b.bit, o.clear&^b.bit
			return true
		case b.off:
			o.set, o.clear = o.set&^b.bit, o.clear|b.bit
			return true
		}
	}
	for _, b := range recursiveBits {
		switch name {
		case b.on:
			o.setAll, o.clearAll = o.setAll|b.bit, o.clearAll&^b.bit
			return true
		case b.off:
			o.setAll, o.clearAll = o.setAll&^b.bit, o.clearAll|b.bit
			return true
		}
	}
	return false
}

func (o *options) text() string { return strings.Join(o.data, ",") }

// attributes turns MS_ bits into MOUNT_ATTR_ bits. Those that belong to the file
// system rather than to a mount of it have none.
func attributes(ms uint64) (attr, rest uint64) {
	for _, b := range []struct{ ms, attr uint64 }{
		{sys.MS_RDONLY, sys.MOUNT_ATTR_RDONLY}, {sys.MS_NOSUID, sys.MOUNT_ATTR_NOSUID}, {sys.MS_NODEV, sys.MOUNT_ATTR_NODEV},
		{sys.MS_NOEXEC, sys.MOUNT_ATTR_NOEXEC}, {sys.MS_NOSYMFOLLOW, sys.MOUNT_ATTR_NOSYMFOLLOW}, {sys.MS_NODIRATIME, sys.MOUNT_ATTR_NODIRATIME},
		{sys.MS_NOATIME, sys.MOUNT_ATTR_NOATIME}, {sys.MS_STRICTATIME, sys.MOUNT_ATTR_STRICTATIME}, {sys.MS_RELATIME, sys.MOUNT_ATTR_RELATIME},
	} {
		if ms&b.ms != 0 {
			attr |= b.attr
			ms &^= b.ms
		}
	}
	return attr, ms
}
