package compile

import (
	"errors"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/coraclehq/coracle/internal/namespace"
	"github.com/coraclehq/coracle/internal/script"
	"github.com/coraclehq/coracle/internal/sys"
)

// container is a compiler for a container's first process.
type container struct {
	*compiler
	in     ContainerInput
	spec   *specs.Spec
	made   namespace.Set
	mounts mounts

	trees  map[int]script.Cell // sources of bind mounts, by index in the spec
	statfs script.Cell
}

// Container appends what a container's first process does, from the clone to the
// exec. The process was cloned with the namespaces of [CloneFlags], and nothing
// of the supervisor's is open in it any more. The ops do not return: the last
// one is an exec that has failed. It refuses with *SpecError what the spec asks
// for and the script cannot do; b is then of no use.
func Container(b *script.Builder, in ContainerInput) error {
	if in.Spec == nil {
		return errors.New("compile: no spec")
	}
	in.Process = in.Spec.Process
	c := &container{compiler: newCompiler(b, in.Common), in: in, spec: in.Spec}
	if err := c.check(); err != nil {
		return err
	}
	steps := []func() error{
		c.join, c.session, c.propagation, c.sources, c.enter,
		c.systemMounts, c.devices, c.terminal, c.sysctls, c.readonly, c.masks,
		c.userMounts, c.names, c.loopback, c.workdir, c.readonlyRoot,
		c.finish,
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// check looks at everything that can be wrong before the first op is written.
func (c *container) check() error {
	if err := checkSpec(c.spec); err != nil {
		return err
	}
	made, joined, err := resolveNamespaces(c.spec)
	if err != nil {
		return err
	}
	c.made = made
	for k := range joined {
		if k != namespace.PID && none(c.FDs.Namespaces[k]) {
			return invalid(namespacePointer(c.spec, k), "the %s namespace %s was not opened", k, joined[k])
		}
	}
	if err := checkNames(c.spec, made.Has(namespace.UTS)); err != nil {
		return err
	}
	if err := c.checkProcess(); err != nil {
		return err
	}
	c.persona = c.spec.Linux.Personality
	if c.mounts, err = sortMounts(c.spec); err != nil {
		return err
	}
	if err := c.checkRoot(); err != nil {
		return err
	}
	return c.checkSeccomp()
}

func (c *container) checkSeccomp() error {
	switch want, got := c.spec.Linux.Seccomp != nil, len(c.Seccomp) > 0; {
	case want && !got:
		return invalid("/linux/seccomp", "the filter was not compiled")
	case !want && got:
		return invalid("/linux/seccomp", "there is a filter for a spec that has none")
	}
	return nil
}

// join enters cgroups and namespaces. The cgroup namespace comes after the
// cgroups: what it shows as its root is where the process is at that moment.
func (c *container) join() error {
	for _, f := range c.FDs.Join {
		// "0" is the writer itself. Another process's number in a v1 file costs a lock of
		// the whole hierarchy.
		c.Op(script.Write, f, script.Str("0"), script.Num(1)).Doing("join the cgroup")
	}
	if c.made.Has(namespace.Cgroup) {
		c.Op(script.Unshare, cloneFlags(sys.CLONE_NEWCGROUP)).Doing("make the cgroup namespace")
	}
	if !c.made.Has(namespace.PID) {
		// Others can look into this process: nothing of the host's stays open.
		for _, f := range c.FDs.Join {
			c.Op(script.Close, f)
		}
	}
	for _, k := range []namespace.Kind{namespace.Network, namespace.IPC, namespace.UTS, namespace.Cgroup, namespace.Time} {
		if f := c.FDs.Namespaces[k]; !none(f) {
			c.Op(script.Setns, f, cloneFlags(k.Flag())).Doing("join the " + k.String() + " namespace")
			c.Op(script.Close, f)
		}
	}
	return c.makeTime()
}

// session leaves the host's session and takes away the umask, which would change
// the modes of what is made.
func (c *container) session() error {
	c.Op(script.Setsid).Doing("make a session")
	c.Op(script.Umask, script.Num(0))
	if adj := c.spec.Process.OOMScoreAdj; adj != nil {
		c.oomScoreAdj(*adj)
	}
	return nil
}

// propagation separates this mount namespace from the one that it was copied
// from: mounts do not come in (private), or do (slave), and never go out.
func (c *container) propagation() error {
	flags, text := uint64(sys.MS_REC|sys.MS_PRIVATE), "make all mounts private"
	if c.mounts.slave {
		flags, text = sys.MS_REC|sys.MS_SLAVE, "make all mounts receive only"
	}
	c.mount("", "/", "", flags, "").Doing(text)
	return nil
}

// names sets the host and the domain name.
func (c *container) names() error {
	if h := c.spec.Hostname; h != "" {
		c.Op(script.Sethostname, script.Str(h), script.Num(len(h))).Doing("set the host name to " + h)
	}
	if d := c.spec.Domainname; d != "" {
		c.Op(script.Setdomainname, script.Str(d), script.Num(len(d))).Doing("set the domain name to " + d)
	}
	return nil
}

// loopback brings up lo: a new network namespace has it, but down.
func (c *container) loopback() error {
	if c.in.LoopbackUp || !c.made.Has(namespace.Network) {
		return nil
	}
	ifreq := make([]byte, 40) // struct ifreq: name[16], flags
	copy(ifreq, "lo")
	ifreq[sys.IFNAMSIZ] = sys.IFF_UP | sys.IFF_RUNNING
	fd := c.cell("socket")
	c.Op(script.Socket, script.Flags{N: sys.AF_INET, Text: "AF_INET"}, script.Flags{N: sys.SOCK_DGRAM | sys.SOCK_CLOEXEC, Text: "SOCK_DGRAM|SOCK_CLOEXEC"}, script.Num(0)).
		Into(fd).Doing("open a socket for the loopback device")
	c.Op(script.Ioctl, load(fd), script.Flags{N: sys.SIOCSIFFLAGS, Text: "SIOCSIFFLAGS"}, script.Blob{Data: ifreq, Text: "{lo, IFF_UP|IFF_RUNNING}"}).
		Doing("bring up the loopback device")
	return nil
}
