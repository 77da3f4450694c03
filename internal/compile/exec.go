package compile

import (
	"github.com/coraclehq/coracle/internal/script"
	"github.com/coraclehq/coracle/internal/sys"
)

// Exec appends what a process does that joins a running container, from the clone
// to the exec. It is cloned into the pid namespace and the cgroups, so the
// container can see it, and so can what runs in there: whoever clones it closes
// everything of the host's first. The ops do not return. It refuses with
// *SpecError what the process asks for and the script cannot do.
func Exec(b *script.Builder, in ExecInput) error {
	c := newCompiler(b, in.Common)
	if err := c.checkProcess(); err != nil {
		return err
	}
	if none(c.FDs.Target) {
		return invalid("/process", "the container to join was not opened")
	}
	for _, f := range c.FDs.Join {
		c.Op(script.Write, f, script.Str("0"), script.Num(1)).Doing("join the cgroup")
		c.Op(script.Close, f)
	}
	if adj := c.Process.OOMScoreAdj; adj != nil {
		c.oomScoreAdj(*adj)
	}
	// With the mount namespace come its root and its current directory.
	c.Op(script.Setns, c.FDs.Target, cloneFlags(in.Namespaces)).Doing("join the container's namespaces")
	c.Op(script.Setsid).Doing("make a session")
	c.Op(script.Openat, script.CWD, script.Str("/"), openFlags(c.path(), c.arch)).Into(c.root).Doing("open the root")
	c.joinedNull()
	c.joinedTerminal()
	return c.finish()
}

// joinedNull opens the container's /dev/null for missing stdio.
func (c *compiler) joinedNull() {
	if !c.needsNull() {
		return
	}
	c.null = c.cell("null")
	c.open(load(c.root), "/dev/null", sys.O_RDWR|sys.O_CLOEXEC, noSymlinks).Into(c.null).Doing("open /dev/null")
}
