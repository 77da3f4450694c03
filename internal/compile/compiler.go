package compile

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/coraclehq/coracle/internal/script"
	"github.com/coraclehq/coracle/internal/sys"
)

// How a place is looked up inside the container's root.
const (
	inRoot     = sys.RESOLVE_IN_ROOT | sys.RESOLVE_NO_MAGICLINKS
	noSymlinks = sys.RESOLVE_IN_ROOT | sys.RESOLVE_NO_SYMLINKS
)

// compiler writes the ops of one process.
type compiler struct {
	*script.Builder
	Common
	arch sys.Arch

	root  script.Cell // O_PATH descriptor of the container's root
	null  script.Cell // the container's own /dev/null, for missing stdio
	slave script.Cell // of the terminal

	// cwd is the directory that the process is in at this point of the program, ""
	// when it is not known. The program has no jump over a change of it.
	cwd    string
	labels map[string]int

	persona *specs.LinuxPersonality
}

func newCompiler(b *script.Builder, in Common) *compiler {
	c := &compiler{Builder: b, Common: in, arch: sys.AMD64, labels: map[string]int{}}
	if b.Arch() == script.ARM64 {
		c.arch = sys.ARM64
	}
	c.root = b.Cell("root", 0)
	return c
}

// needsNull says whether stdio lacks a descriptor.
func (c *compiler) needsNull() bool {
	return !c.Process.Terminal && slices.ContainsFunc(c.FDs.Stdio[:], none)
}

// label makes a name of its own for a place in the program.
func (c *compiler) label(name string) string {
	c.labels[name]++
	if n := c.labels[name]; n > 1 {
		name = fmt.Sprintf("%s (%d)", name, n)
	}
	return name
}

// cell makes a place for a descriptor.
func (c *compiler) cell(name string) script.Cell { return c.Cell(name, 0) }

func load(c script.Cell) script.Load { return script.Load{From: c} }

// cd goes to a directory by an absolute path, unless it is there already. The
// path must lead through mounts of the script's own.
func (c *compiler) cd(dir string) {
	if c.cwd == dir {
		return
	}
	c.Op(script.Chdir, script.Str(dir)).Doing("change to " + dir)
	c.cwd = dir
}

// fchdir goes to a directory by descriptor.
func (c *compiler) fchdir(fd script.Arg, doing string) *script.Op {
	c.cwd = ""
	return c.Op(script.Fchdir, fd).Doing(doing)
}

// path are the flags for a descriptor that stands for a directory.
func (c *compiler) path() uint64 {
	return sys.O_PATH | sys.O_CLOEXEC | uint64(c.arch.OpenFlags().Directory)
}

// open calls openat2(2).
func (c *compiler) open(dir script.Arg, path string, flags, resolve uint64) *script.Op {
	how := make([]byte, 0, 24) // struct open_how
	for _, n := range []uint64{flags, 0, resolve} {
		how = binary.LittleEndian.AppendUint64(how, n)
	}
	text := "{" + openFlags(flags, c.arch).Text + ", 0, " + resolveFlags(resolve).Text + "}"
	return c.Op(script.Openat2, dir, script.Str(path), script.Blob{Data: how, Text: text}, script.Num(24))
}

// openAgain is open, repeated as long as the kernel cannot tell whether ".." in
// a link has led out of the root, because something was renamed or mounted
// somewhere at that moment: openat2(2), EAGAIN.
func (c *compiler) openAgain(dir script.Arg, path string, flags, resolve uint64) *script.Op {
	again := c.label("open " + path + " again")
	c.Label(again)
	return c.open(dir, path, flags, resolve).OnErrno(sys.EAGAIN, again)
}

// openIfThere opens a place that may be missing, and goes to a label when it is.
// Only one errno can be told from the others, so EAGAIN is retried a few times,
// as all others are, before it counts.
func (c *compiler) openIfThere(path, missing, doing string) script.Cell {
	fd := c.cell(path)
	found := c.label("found " + path)
	const flags = sys.O_PATH | sys.O_CLOEXEC
	for range 4 {
		c.open(load(c.root), path, flags, inRoot).Into(fd).IfPositive(found).AllowAny().Doing(doing)
	}
	c.open(load(c.root), path, flags, inRoot).Into(fd).OnErrno(sys.ENOENT, missing).Doing(doing)
	c.Label(found)
	return fd
}

// mount calls mount(2). An empty string is NULL.
func (c *compiler) mount(source, target, kind string, flags uint64, data string) *script.Op {
	return c.Op(script.Mount, str(source), script.Str(target), str(kind), mountFlags(flags), str(data))
}

// str is a string's address, or 0 for the empty one.
func str(s string) script.Arg {
	if s == "" {
		return script.Num(0)
	}
	return script.Str(s)
}

// refuse ends the process with EINVAL and says why: prctl(2) has no operation
// of that number.
func (c *compiler) refuse(why string) {
	c.Op(script.Prctl, script.Num(-1), script.Num(0), script.Num(0), script.Num(0), script.Num(0)).Doing(why)
}
