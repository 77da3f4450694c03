package compile

import (
	"github.com/coraclehq/coracle/internal/script"
	"github.com/coraclehq/coracle/internal/sys"
)

// Enter appends what a process does to join a running container, except for its pid
// namespace, in which the next process that it forks is to be. Until then nobody in
// the container can see it: what it still has of the host's (root, working directory,
// /proc) stays out of sight. See CVE-2016-9962.
func Enter(b *script.Builder, in ExecInput) error {
	c := newCompiler(b, in.Common)
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
	c.Op(script.Setns, c.FDs.Target, cloneFlags(in.Namespaces&^afterClone)).Doing("join the container's namespaces")
	return nil
}

// afterClone are the namespaces that only the cloned process can join. The time
// namespace takes one with memory of its own (setns(2), EUSERS); and from inside a
// cgroup namespace nobody who is outside of its root can be cloned into a group below
// (ENOENT, v2). Neither shows anything of the host's.
const afterClone = sys.CLONE_NEWTIME | sys.CLONE_NEWCGROUP

// Exec appends what a process does that was cloned into the container's pid
// namespace by one that has entered it, from the clone to the exec. The container can
// see it. The ops do not return. It refuses with *SpecError what the process asks for
// and the script cannot do.
func Exec(b *script.Builder, in ExecInput) error {
	c := newCompiler(b, in.Common)
	if err := c.checkProcess(); err != nil {
		return err
	}
	if none(c.FDs.Target) {
		return invalid("/process", "the container to join was not opened")
	}
	if late := in.Namespaces & afterClone; late != 0 {
		c.Op(script.Setns, c.FDs.Target, cloneFlags(late)).Doing("join the container's namespaces that are left")
	}
	c.Op(script.Close, c.FDs.Target)
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
