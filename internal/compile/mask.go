package compile

import (
	"errors"
	"path"
	"slices"
	"strings"

	"github.com/coraclehq/coracle/internal/probe"
	"github.com/coraclehq/coracle/internal/script"
	"github.com/coraclehq/coracle/internal/sys"
)

// place is a path of the spec to mask or to make read-only.
type place struct {
	path string // clean
	in   *mountPoint
	rel  string // to the proc or sysfs that it lies in; "": it lies elsewhere
	kind Place
}

// bareMountPoints are directories of sysfs that are there for other file systems
// to be mounted on. In a sysfs that was just mounted they are empty, and with it
// read-only nothing can be made in them, so there is nothing to mask.
var bareMountPoints = []string{
	"/sys/kernel/debug", "/sys/kernel/tracing", "/sys/kernel/security", "/sys/kernel/config",
	"/sys/fs/bpf", "/sys/fs/pstore", "/sys/fs/selinux", "/sys/fs/fuse/connections",
}

// places sorts a list of paths by where they lie.
func (c *container) places(list []string, pointer string) ([]place, error) {
	var found []place
	for i, name := range list {
		if !path.IsAbs(name) || strings.ContainsRune(name, 0) || path.Clean(name) == "/" {
			return nil, invalid(pointer+at(i), "%.200q is not an absolute path below /", name)
		}
		p := place{path: path.Clean(name)}
		for _, m := range []*mountPoint{c.mounts.proc, c.mounts.sysfs} {
			if m == nil {
				continue
			}
			if rel, ok := strings.CutPrefix(p.path, m.dest+"/"); ok {
				p.in, p.rel, p.kind = m, rel, c.Kernel.Places[p.path]
			}
		}
		bare := p.in != nil && p.in.set&sys.MS_RDONLY != 0 && slices.Contains(bareMountPoints, p.path)
		if p.kind != Absent && !bare && !slices.ContainsFunc(found, func(q place) bool { return q.path == p.path }) {
			found = append(found, p)
		}
	}
	return found, nil
}

// masks hides paths: an empty read-only directory over directories, the
// container's own null device over everything else (CVE-2025-31133: the image's
// is not to be trusted).
func (c *container) masks() error {
	list, err := c.places(c.spec.Linux.MaskedPaths, "/linux/maskedPaths")
	if err != nil {
		return err
	}
	if len(list) > 0 && c.mounts.dev == nil {
		return invalid("/linux/maskedPaths", "there is no tmpfs on /dev, whose null device hides files")
	}
	slices.SortStableFunc(list, func(a, b place) int { return order(a) - order(b) })
	empty := ""
	for _, p := range list {
		switch {
		case p.kind == Unknown:
			c.maskUnknown(p)
		case p.kind == File:
			c.cd(p.in.dest)
			c.mount("/dev/null", p.rel, "", sys.MS_BIND, "").Allow(sys.ENOENT).Doing("mask " + p.path)
		case empty == "":
			c.cd(p.in.dest)
			c.emptyDirectory(p.rel).Doing("mask " + p.path)
			empty = p.path
		default:
			// One more mount of an empty directory is cheaper than one more file system.
			c.cd(p.in.dest)
			c.mount(empty, p.rel, "", sys.MS_BIND, "").Allow(sys.ENOENT).Doing("mask " + p.path)
		}
	}
	return nil
}

// order puts first the directory that the others' masks are copied from: it must
// be one that every kernel has (drivers/base/firmware.c), because a path that has
// gone since the facts were found is passed over.
func order(p place) int {
	switch {
	case p.path == "/sys/firmware" && p.kind == Directory:
		return 0
	case p.kind == Unknown:
		return 3
	case strings.HasPrefix(p.path, "/sys/"):
		return 1
	}
	return 2
}

func (c *container) emptyDirectory(name string) *script.Op {
	return c.mount("tmpfs", name, "tmpfs", sys.MS_RDONLY|sys.MS_NOSUID|sys.MS_NODEV|sys.MS_NOEXEC, "mode=0555,size=4k,nr_inodes=1")
}

// maskUnknown masks a path of which it is not known what stands there, and which
// may lie in the image: by descriptor, and either way.
func (c *container) maskUnknown(p place) {
	null := c.cell("null mount")
	file, done := c.label("mask file "+p.path), c.label("masked "+p.path)
	fd := c.openIfThere(p.path, done, "open "+p.path+" to mask it")
	c.fchdir(load(fd), "mask "+p.path).OnErrno(sys.ENOTDIR, file)
	c.emptyDirectory(".").Doing("mask " + p.path)
	c.Goto(done)
	c.Label(file)
	c.Op(script.OpenTree, script.CWD, script.Str("/dev/null"), openTreeClone).Into(null).Doing("copy the mount of /dev/null")
	c.Op(script.MoveMount, load(null), script.Str(""), load(fd), script.Str(""), moveByFDs).Doing("mask " + p.path)
	c.Label(done)
	c.cwd = ""
}

// readonly makes paths read-only, with what is mounted below them. What is masked
// needs it no more.
func (c *container) readonly() error {
	list, err := c.places(c.spec.Linux.ReadonlyPaths, "/linux/readonlyPaths")
	if err != nil {
		return err
	}
	for i, p := range list {
		switch {
		case slices.Contains(c.spec.Linux.MaskedPaths, p.path), p.in != nil && p.in.set&sys.MS_RDONLY != 0:
		case p.rel != "":
			done := c.label("read-only " + p.path)
			c.cd(p.in.dest)
			c.mount(p.rel, p.rel, "", sys.MS_BIND|sys.MS_REC, "").OnErrno(sys.ENOENT, done).Doing("mount " + p.path + " on itself")
			c.mount("", p.rel, "", sys.MS_REMOUNT|sys.MS_BIND|sys.MS_RDONLY|p.in.keep(), "").Doing("make " + p.path + " read-only")
			c.Label(done)
		case !c.Kernel.MountSetattr:
			return &SpecError{at("linux", "readonlyPaths", i), &probe.UnsupportedError{Feature: "mount_setattr", Kernel: "5.12", Err: errors.ErrUnsupported}}
		default:
			c.readonlyUnknown(p)
		}
	}
	return nil
}

func (c *container) readonlyUnknown(p place) {
	tree := c.cell("mount of " + p.path)
	done := c.label("read-only " + p.path)
	fd := c.openIfThere(p.path, done, "open "+p.path+" to make it read-only")
	flags := openTreeRecursive
	flags.N |= sys.AT_EMPTY_PATH
	flags.Text += "|AT_EMPTY_PATH"
	c.Op(script.OpenTree, load(fd), script.Str(""), flags).Into(tree).Doing("copy the mount of " + p.path)
	c.setattr(tree, emptyRecursive, sys.MOUNT_ATTR_RDONLY, 0, 0).Doing("make " + p.path + " read-only")
	c.Op(script.MoveMount, load(tree), script.Str(""), load(fd), script.Str(""), moveByFDs).Doing("mount " + p.path + " on itself")
	c.Label(done)
}
