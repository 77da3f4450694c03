package coracle

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/coraclehq/coracle/internal/compile"
	"github.com/coraclehq/coracle/internal/cred"
	"github.com/coraclehq/coracle/internal/namespace"
	"github.com/coraclehq/coracle/internal/probe"
	"github.com/coraclehq/coracle/internal/script"
	"github.com/coraclehq/coracle/internal/store"
	"github.com/coraclehq/coracle/internal/sys"
	"github.com/coraclehq/coracle/internal/union"
)

// root finishes the script's input: the root file system and what the process is.
func (s *starting) root(context.Context) (err error) {
	s.in.Spec, s.in.Kernel = s.spec, compile.Probe()
	if s.in.Root, err = s.rootfs(); err != nil {
		return err
	}
	if s.sup.Namespaces, err = compile.CloneFlags(s.spec); err != nil {
		return err
	}
	if err := s.network(); err != nil {
		return err
	}
	if s.in.Sources, err = compile.Look(s.spec, s.in.Kernel); err != nil {
		return err
	}
	return s.common(&s.in.Common, s.spec.Process)
}

// rootfs is an overlay of the image's layers under the container's own directory.
func (s *starting) rootfs() (compile.Root, error) {
	at := store.ContainerPath(s.record.ID)
	root := compile.Root{Store: s.e.store.Path(), Dir: at + "/rootfs", Nosuid: s.spec.Process.NoNewPrivileges}
	var lowers []string
	for _, id := range s.record.Layers {
		lowers = append(lowers, store.LayerPath(id))
	}
	upper, work := at+"/upper", at+"/work"
	var err error
	if s.record.Host {
		root.Mask = hostMask(s.e.store.Path())
		if len(lowers) == 0 {
			lowers = []string{root.Dir, "/"}
		} else {
			if root.Lower, err = union.Options([]string{root.Dir + "/mask", "/"}, "", "", union.Opts{}); err != nil {
				return root, err
			}
			lowers = append(lowers, root.Dir+"/lower")
		}
	}
	root.Overlay, err = union.Options(lowers, upper, work, union.Opts{})
	if !errors.Is(err, union.ErrTooLong) {
		return root, err
	}
	if err := probe.OverlayLowerdirAppend.Check(); err != nil {
		return root, err
	}
	params, err := union.Params(lowers, upper, work, union.Opts{})
	for _, p := range params {
		root.Layers = append(root.Layers, compile.Option(p))
	}
	return root, err
}

// network joins a ready namespace when there is one.
func (s *starting) network() error {
	if s.e.pool == nil || s.sup.Namespaces&sys.CLONE_NEWNET == 0 {
		return nil
	}
	ns, err := s.e.pool.Get()
	if err != nil {
		return err
	}
	f, err := s.inherit(ns, "network")
	if err != nil {
		return err
	}
	s.sup.Namespaces &^= sys.CLONE_NEWNET
	s.in.FDs.Namespaces = map[namespace.Kind]script.FD{namespace.Network: f}
	s.in.LoopbackUp = true
	s.sup.ChildOnly = append(s.sup.ChildOnly, f)
	return nil
}

// common is what a container's first process and every other have in common.
func (s *starting) common(c *compile.Common, p *specs.Process) (err error) {
	c.Kernel = compile.Probe()
	if len(p.Args) == 0 {
		return errors.Join(ErrDamaged, errors.New("config.json names no program"))
	}
	if c.Program, err = cred.Candidates(p.Args[0], p.Env); err != nil {
		return err
	}
	if err := cred.CheckArgs(p.Args, p.Env); err != nil {
		return err
	}
	s.process, s.program = p, c.Program
	c.Seccomp, c.SeccompFlags = s.filter, s.flags
	c.Ignored = sys.IgnoredSignals()
	return nil
}

// hostMask hides what is the host's own business in a container over its root file
// system.
func hostMask(storeDir string) []compile.Mask {
	masks := []compile.Mask{
		{Path: "/root", Mode: 0o700}, {Path: "/home", Mode: 0o755}, {Path: "/var/lib", Mode: 0o755},
		{Path: "/srv", Mode: 0o755}, {Path: "/run", Mode: 0o755}, {Path: "/tmp", Mode: 0o1777},
	}
	for _, name := range []string{"shadow", "shadow-", "gshadow", "gshadow-"} {
		masks = append(masks, compile.Mask{Path: "/etc/" + name})
	}
	for _, kind := range []string{"rsa", "dsa", "ecdsa", "ed25519"} {
		masks = append(masks, compile.Mask{Path: "/etc/ssh/ssh_host_" + kind + "_key"})
	}
	hidden := func(m compile.Mask) bool { return m.Mode != 0 && strings.HasPrefix(storeDir+"/", m.Path+"/") }
	if !slices.ContainsFunc(masks, hidden) {
		masks = append(masks, compile.Mask{Path: storeDir, Mode: 0o700})
	}
	return masks
}
