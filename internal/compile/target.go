package compile

import (
	"path"
	"strings"

	"github.com/coraclehq/coracle/internal/script"
	"github.com/coraclehq/coracle/internal/sys"
)

// target opens the place at a clean absolute path of the container, without
// leaving its root. A directory that is missing is made, and so are missing
// parents; with file, an empty file. what stands for the place in errors.
// Whatever hinders the first attempt is met again by the second, which reports it.
func (c *compiler) target(dest string, file bool, resolve uint64, what string) script.Cell {
	flags := c.path()
	if file {
		flags = sys.O_PATH | sys.O_CLOEXEC
	}
	fd := c.cell(dest)
	found := c.label("found " + dest)
	c.open(load(c.root), dest, flags, resolve).Into(fd).IfPositive(found).AllowAny().Doing("open " + what)
	c.make(dest, file, resolve, what)
	c.openAgain(load(c.root), dest, flags, resolve).Into(fd).Doing("open " + what)
	c.Label(found)
	return fd
}

// make makes what is missing of a path, one directory after the other and each
// by descriptor: a name of several parts would follow a magic link (/proc/self/fd
// of this process) that the image put into its middle.
func (c *compiler) make(dest string, file bool, resolve uint64, what string) {
	dir := c.cell("directory")
	c.Copy(dir, c.root)
	parts := strings.Split(dest[1:], "/")
	for i, name := range parts {
		prefix, last := "/"+path.Join(parts[:i+1]...), i == len(parts)-1
		doing := "make " + prefix
		if last {
			doing = "make " + what
		}
		if file && last {
			c.Op(script.Mknodat, load(dir), script.Str(name), script.Flags{N: sys.S_IFREG | 0o644, Text: "S_IFREG|0644"}, script.Num(0)).
				Allow(sys.EEXIST).Doing(doing)
			return
		}
		c.Op(script.Mkdirat, load(dir), script.Str(name), octal(0o755)).Allow(sys.EEXIST).Doing(doing)
		if !last {
			c.openAgain(load(c.root), prefix, c.path(), resolve).Into(dir).Doing("open " + prefix)
		}
	}
}
