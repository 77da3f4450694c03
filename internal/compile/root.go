package compile

import (
	"path"
	"strings"

	"github.com/coraclehq/coracle/internal/script"
	"github.com/coraclehq/coracle/internal/sys"
)

// checkRoot looks at what the caller says about the root. A mistake there is not
// the spec's, but it must not become a container on the wrong root.
func (c *container) checkRoot() error {
	r := c.in.Root
	switch {
	case (r.Overlay != "") == (len(r.Layers) > 0) && r.Bind == "":
		return invalid("/root", "there must be an overlay or a directory")
	case r.Bind != "" && (r.Overlay != "" || len(r.Layers) > 0):
		return invalid("/root", "there is an overlay and a directory")
	case r.Bind != "":
		if !path.IsAbs(r.Bind) || path.Clean(r.Bind) == "/" || strings.ContainsRune(r.Bind, 0) {
			return invalid("/root/path", "%.200q is no directory for a root", r.Bind)
		}
		return nil
	case !path.IsAbs(r.Store) || strings.ContainsRune(r.Store, 0) || !relative(r.Dir):
		return invalid("/root", "there is no place to mount the overlay on")
	case len(r.Overlay) > maxOptions:
		return invalid("/root", "%d bytes of overlay options, more than the %d that mount(2) takes", len(r.Overlay), maxOptions)
	}
	for _, m := range r.Mask {
		if !path.IsAbs(m.Path) || path.Clean(m.Path) != m.Path || m.Path == "/" {
			return invalid("/root", "mask %.200q is not a path below /", m.Path)
		}
	}
	return nil
}

// maxOptions is what mount(2) copies of its data: a page with its last byte 0.
const maxOptions = 4095

// relative says whether a name leads down from where it begins.
func relative(name string) bool {
	return name != "" && !path.IsAbs(name) && path.Clean(name) == name && name != "." && name != ".." && !strings.HasPrefix(name, "../")
}

// enter mounts the root file system and makes it the process's root. Nothing of
// the host's tree can be reached by name afterwards.
func (c *container) enter() error {
	r := c.in.Root
	switch {
	case r.Bind != "":
		c.bindRoot()
	default:
		c.Op(script.Chdir, script.Str(r.Store)).Doing("change to the store " + r.Store)
		c.maskLayer()
		c.overlay()
		c.Op(script.Chdir, script.Str(r.Dir)).Doing("change to the root file system")
	}
	// pivot_root(2), NOTES: with one directory for both, the old root comes to lie
	// above the new one, and is what umount2(".") then finds.
	c.Op(script.PivotRoot, script.Str("."), script.Str(".")).Doing("make it the root")
	c.Op(script.Umount2, script.Str("."), script.Flags{N: sys.MNT_DETACH, Text: "MNT_DETACH"}).Doing("detach the host's tree")
	c.cwd = ""
	c.cd("/")
	c.Op(script.Openat, script.CWD, script.Str("/"), openFlags(c.path(), c.arch)).Into(c.root).Doing("open the root")
	return nil
}

func (c *container) rootFlags() uint64 {
	if c.in.Root.Nosuid {
		return sys.MS_NODEV | sys.MS_NOSUID
	}
	return sys.MS_NODEV
}

// overlay mounts the layers.
func (c *container) overlay() {
	r := c.in.Root
	if r.Overlay != "" {
		c.mount("overlay", r.Dir, "overlay", c.rootFlags(), r.Overlay).Doing("mount the overlay")
		return
	}
	fs, mnt := c.cell("overlay"), c.cell("mount")
	c.Op(script.Fsopen, script.Str("overlay"), script.Flags{N: sys.FSOPEN_CLOEXEC, Text: "FSOPEN_CLOEXEC"}).Into(fs).Doing("open the overlay file system")
	for _, o := range r.Layers {
		command := script.Flags{N: sys.FSCONFIG_SET_STRING, Text: "FSCONFIG_SET_STRING"}
		if o.Value == "" {
			command = script.Flags{N: sys.FSCONFIG_SET_FLAG, Text: "FSCONFIG_SET_FLAG"}
		}
		c.Op(script.Fsconfig, load(fs), command, script.Str(o.Key), str(o.Value), script.Num(0)).Doing("overlay option " + o.Key)
	}
	c.Op(script.Fsconfig, load(fs), script.Flags{N: sys.FSCONFIG_CMD_CREATE, Text: "FSCONFIG_CMD_CREATE"}, script.Num(0), script.Num(0), script.Num(0)).
		Doing("make the overlay")
	attr, _ := attributes(c.rootFlags())
	c.Op(script.Fsmount, load(fs), script.Flags{N: sys.FSMOUNT_CLOEXEC, Text: "FSMOUNT_CLOEXEC"}, attrFlags(attr)).Into(mnt).Doing("mount the overlay")
	c.Op(script.MoveMount, load(mnt), script.Str(""), script.CWD, script.Str(r.Dir), moveFromFD).Doing("attach the overlay")
}

// bindRoot makes a directory of the host a mount, which pivot_root(2) needs, and
// goes there. The mount lies on the directory itself.
func (c *container) bindRoot() {
	dir := c.in.Root.Bind
	fd := c.cell("rootfs")
	c.Op(script.OpenTree, script.CWD, script.Str(dir), openTreeRecursive).Into(fd).Doing("copy the mount of " + dir)
	c.Op(script.MoveMount, load(fd), script.Str(""), script.CWD, script.Str(dir), moveFromFD).Doing("mount the root on " + dir)
	c.fchdir(load(fd), "change to the root file system")
	c.mount("", ".", "", sys.MS_REMOUNT|sys.MS_BIND|c.rootFlags(), "").Doing("set the flags of the root")
}

// maskLayer makes the layer that hides places of the layers below: directories
// that show nothing of theirs, and whiteouts. It is in memory and goes with the
// overlay; there is nothing on disk to remove.
func (c *container) maskLayer() {
	r := c.in.Root
	if len(r.Mask) == 0 {
		return
	}
	c.mount("tmpfs", r.Dir, "tmpfs", sys.MS_NOSUID|sys.MS_NODEV|sys.MS_NOEXEC, "mode=0755,size=1m").Doing("mount the mask layer")
	dir := r.Dir
	if r.Lower != "" {
		dir = r.Dir + "/mask"
		for _, d := range []string{dir, r.Dir + "/lower"} {
			c.Op(script.Mkdirat, script.CWD, script.Str(d), octal(0o755)).Doing("make a directory for what lies below the layers")
		}
	}
	made := map[string]bool{"/": true}
	for _, m := range r.Mask {
		c.maskParents(dir, path.Dir(m.Path), made)
		name := script.Str(path.Join(dir, m.Path))
		if m.Mode == 0 {
			// A character device 0:0 is overlayfs's whiteout (overlayfs.rst, "whiteouts and
			// opaque directories").
			c.Op(script.Mknodat, script.CWD, name, script.Flags{N: sys.S_IFCHR, Text: "S_IFCHR"}, script.Num(0)).Doing("hide " + m.Path)
			continue
		}
		made[m.Path] = true
		c.Op(script.Mkdirat, script.CWD, name, octal(m.Mode)).Doing("hide " + m.Path)
		c.Op(script.Setxattr, name, script.Str("trusted.overlay.opaque"), script.Str("y"), script.Num(1), script.Num(0)).Doing("make " + m.Path + " opaque")
	}
	if r.Lower != "" {
		c.mount("overlay", r.Dir+"/lower", "overlay", sys.MS_RDONLY|sys.MS_NODEV, r.Lower).Doing("mount what lies below the layers")
	}
}

// maskParents makes the directories above a place of the mask layer in mask.
func (c *container) maskParents(mask, dir string, made map[string]bool) {
	if made[dir] {
		return
	}
	c.maskParents(mask, path.Dir(dir), made)
	made[dir] = true
	c.Op(script.Mkdirat, script.CWD, script.Str(path.Join(mask, dir)), octal(0o755)).Doing("make " + dir + " in the mask layer")
}
