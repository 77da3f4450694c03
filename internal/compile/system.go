package compile

import (
	"path"
	"strings"

	"github.com/coraclehq/coracle/internal/script"
	"github.com/coraclehq/coracle/internal/sys"
)

// systemMounts mounts what the kernel provides. The image has a say only in the
// three directories proc, sys and dev, which must be directories and not lead
// elsewhere; everything else lies on file systems that were mounted here.
func (c *container) systemMounts() error {
	for i := range c.mounts.system {
		p := &c.mounts.system[i]
		switch {
		case p.Type == "cgroup" || p.Type == "cgroup2":
			if err := c.cgroup(p); err != nil {
				return err
			}
		case strings.HasPrefix(p.dest, "/dev/"):
			c.cd("/dev")
			name := strings.TrimPrefix(p.dest, "/dev/")
			c.Op(script.Mkdirat, script.CWD, script.Str(name), octal(0o755)).Doing("make " + p.dest)
			c.systemMount(p, name)
		default:
			fd := c.target(p.dest, false, noSymlinks, p.dest+" in the image, which may not be a symbolic link")
			c.fchdir(load(fd), "change to "+p.dest)
			c.systemMount(p, ".")
		}
	}
	return nil
}

func (c *container) systemMount(p *mountPoint, name string) {
	source := p.Source
	if source == "" {
		source = p.Type
	}
	c.mount(source, name, p.Type, p.set, p.text()).Doing("mount " + p.Type + " on " + p.dest)
}

// cgroup mounts what the container may see of its cgroups: the unified hierarchy,
// or those of version 1 side by side on a tmpfs.
func (c *container) cgroup(p *mountPoint) error {
	c.cd("/sys")
	if c.in.Cgroups == nil {
		c.mount("cgroup2", "fs/cgroup", "cgroup2", p.set, p.text()).Doing("mount cgroup2 on " + p.dest)
		return nil
	}
	for _, g := range c.in.Cgroups {
		if g.Name == "" || strings.Contains(g.Name, "/") || path.Clean(g.Name) != g.Name || g.Name == ".." {
			return invalid(at("mounts", p.index), "%q is no name for a cgroup hierarchy", g.Name)
		}
	}
	c.mount("tmpfs", "fs/cgroup", "tmpfs", p.set&^sys.MS_RDONLY, "mode=0755,size=64k").Doing("mount tmpfs on " + p.dest)
	c.cd(p.dest)
	for _, g := range c.in.Cgroups {
		c.Op(script.Mkdirat, script.CWD, script.Str(g.Name), octal(0o755)).Doing("make " + p.dest + "/" + g.Name)
		c.mount("cgroup", g.Name, "cgroup", p.set, g.Options).Doing("mount the cgroup hierarchy " + g.Name)
		for _, link := range g.Links {
			c.Op(script.Symlinkat, script.Str(g.Name), script.CWD, script.Str(link)).Doing("link " + p.dest + "/" + link)
		}
	}
	if p.set&sys.MS_RDONLY != 0 {
		c.cd("/sys")
		c.mount("", "fs/cgroup", "", sys.MS_REMOUNT|sys.MS_BIND|p.set, "").Doing("make " + p.dest + " read-only")
	}
	return nil
}
