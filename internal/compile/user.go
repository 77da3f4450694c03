package compile

import (
	"encoding/binary"
	"errors"

	"github.com/coraclehq/coracle/internal/probe"
	"github.com/coraclehq/coracle/internal/script"
	"github.com/coraclehq/coracle/internal/sys"
)

// tree is the cell of the detached copy that a bind mount will be.
func (c *container) tree(p *mountPoint) script.Cell { return c.trees[p.index] }

// sources copies the sources of bind mounts while the host's tree can still be
// named. A copy is detached: it is seen nowhere until it is moved to its place.
func (c *container) sources() error {
	c.trees = map[int]script.Cell{}
	for i := range c.mounts.user {
		p := &c.mounts.user[i]
		if !p.bind {
			continue
		}
		flags := openTreeClone
		if p.recursive {
			flags = openTreeRecursive
		}
		fd := c.cell("source of " + p.dest)
		c.trees[p.index] = fd
		c.Op(script.OpenTree, script.CWD, script.Str(p.Source), flags).Into(fd).Doing("open " + p.Source + ", the source of " + p.dest)
	}
	return nil
}

// userMounts makes the mounts that users name, in the spec's order.
func (c *container) userMounts() error {
	for i := range c.mounts.user {
		p := &c.mounts.user[i]
		file := p.bind && c.in.Sources[p.Source].File
		fd := c.target(p.dest, file, inRoot, "the mount point "+p.dest)
		c.notTheKernels(p, fd)
		if !p.bind {
			c.fchdir(load(fd), "change to "+p.dest)
			c.systemMount(p, ".")
			continue
		}
		if err := c.bind(p, fd); err != nil {
			return err
		}
	}
	return nil
}

// notTheKernels refuses a mount point that a symbolic link of the image has led
// into proc or sysfs, where a mount would stand in for the kernel's files
// (CVE-2023-27561).
func (c *container) notTheKernels(p *mountPoint, fd script.Cell) {
	if c.statfs == (script.Cell{}) {
		c.statfs = c.Data("statfs", make([]byte, 120))
	}
	bad, good := c.label("refuse "+p.dest), c.label("accept "+p.dest)
	c.Op(script.Fstatfs, load(fd), c.statfs).Doing("look at the file system of " + p.dest)
	c.Sum(-sys.PROC_SUPER_MAGIC, c.statfs).IfZero(bad)
	c.Sum(-sys.SYSFS_MAGIC, c.statfs).IfZero(bad)
	c.Goto(good)
	c.Label(bad)
	c.refuse("mount on " + p.dest + ", which the image leads into proc or sysfs")
	c.Label(good)
}

// bind gives the copy its flags, while nobody can see it, and moves it to its
// place.
func (c *container) bind(p *mountPoint, target script.Cell) error {
	tree := c.tree(p)
	if !c.Kernel.MountSetattr {
		return c.bindBefore512(p, target)
	}
	set, clear, err := p.attributes()
	if err != nil {
		return err
	}
	// Set-user-ID programs and devices do not work on what comes from outside, unless
	// the spec says so, and neither do those below it.
	all, propagation := p.setAll|p.safe(), c.propagate(p)
	if !p.recursive {
		set, clear = set|all, clear|p.clearAll
	}
	if p.recursive && all|p.clearAll|propagation != 0 {
		c.setattr(tree, emptyRecursive, all, p.clearAll, propagation).Doing("set the flags of all of " + p.dest)
		propagation = 0
	}
	if set|clear|propagation != 0 {
		c.setattr(tree, emptyPath, set, clear, propagation).Doing("set the flags of " + p.dest)
	}
	c.Op(script.MoveMount, load(tree), script.Str(""), load(target), script.Str(""), moveByFDs).Doing("mount " + p.Source + " on " + p.dest)
	return nil
}

// safe are the attributes that a bind mount has unless its options say suid or
// dev.
func (p *mountPoint) safe() uint64 {
	var attr uint64
	if p.clear&sys.MS_NOSUID == 0 && p.clearAll&sys.MOUNT_ATTR_NOSUID == 0 {
		attr |= sys.MOUNT_ATTR_NOSUID
	}
	if p.clear&sys.MS_NODEV == 0 && p.clearAll&sys.MOUNT_ATTR_NODEV == 0 {
		attr |= sys.MOUNT_ATTR_NODEV
	}
	return attr
}

// attributes are the options of a bind mount for the mount itself.
func (p *mountPoint) attributes() (set, clear uint64, err error) {
	set, rest := attributes(p.set)
	if rest != 0 {
		return 0, 0, unsupported(at("mounts", p.index, "options"), "an option of the file system on a bind mount")
	}
	clear, _ = attributes(p.clear)
	if p.set&(sys.MS_NOATIME|sys.MS_RELATIME|sys.MS_STRICTATIME) != 0 {
		clear |= sys.MOUNT_ATTR__ATIME // mount_setattr(2): to be cleared when one is set
	} else {
		clear &^= sys.MOUNT_ATTR__ATIME
	}
	return set, clear, nil
}

// propagate is what a bind mount is made when the others are slaves.
func (c *container) propagate(p *mountPoint) uint64 {
	if !c.mounts.slave || p.slave {
		return 0
	}
	return sys.MS_PRIVATE
}

// setattr calls mount_setattr(2) on a detached mount.
func (c *compiler) setattr(tree script.Cell, at script.Flags, set, clear, propagation uint64) *script.Op {
	attr := make([]byte, 0, 32) // struct mount_attr
	for _, n := range []uint64{set, clear, propagation, 0} {
		attr = binary.LittleEndian.AppendUint64(attr, n)
	}
	text := "{" + attrFlags(set).Text + ", " + attrFlags(clear).Text + ", " + mountFlags(propagation).Text + ", 0}"
	return c.Op(script.MountSetattr, load(tree), script.Str(""), at, script.Blob{Data: attr, Text: text}, script.Num(32))
}

// bindBefore512 sets the flags with mount(2), after the mount is in its place:
// before mount_setattr(2) nothing else could. mount(2) takes a path, and the only
// one that is sure to be this mount's is that of its descriptor, whose number must
// be known now: it is that of stdin, which is set later.
func (c *container) bindBefore512(p *mountPoint, target script.Cell) error {
	lacks := func(what string) error {
		return &SpecError{at("mounts", p.index), &probe.UnsupportedError{Feature: what, Kernel: "5.12", Err: errors.ErrUnsupported}}
	}
	switch {
	case p.setAll|p.clearAll != 0:
		return lacks("mount options for a whole tree")
	case c.mounts.slave:
		return lacks("bind mounts that are slaves")
	case c.mounts.proc == nil:
		return lacks("bind mounts without proc")
	}
	safe := uint64(sys.MS_NOSUID | sys.MS_NODEV)
	flags := (c.in.Sources[p.Source].Flags|safe|p.set)&^p.clear | sys.MS_REMOUNT | sys.MS_BIND
	name := c.label("mount on " + p.dest)
	tree := c.tree(p)
	c.Op(script.MoveMount, load(tree), script.Str(""), load(target), script.Str(""), moveByFDs).Doing(name)
	c.Op(script.Dup3, load(tree), script.Num(0), script.Num(0)).Doing(name)
	c.mount("", "/proc/self/fd/0", "", flags, "").Doing("set the flags of " + p.dest)
	return nil
}
