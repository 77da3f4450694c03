package coracle

import (
	"fmt"
	"path"
	"path/filepath"
	"strconv"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/coraclehq/coracle/internal/cgroup"
	"github.com/coraclehq/coracle/internal/compile"
	"github.com/coraclehq/coracle/internal/store"
)

// Mount is a directory or file system over a place in the container. It is mounted
// nosuid and nodev.
type Mount struct {
	// Source is an absolute path of the host, for a bind mount; empty: a new tmpfs.
	Source string
	// Target is an absolute path inside, made if it is not there. /proc, /sys and
	// /dev cannot be targets.
	Target string
	// ReadOnly also holds for mounts below Source.
	ReadOnly bool
	// Size bounds a tmpfs, in bytes; 0: 64 MiB.
	Size int64
}

// mounts are all that is mounted over the container's root: the file systems that
// every container has, the three files of its own, and the caller's.
func (e *Engine) mounts(id string, own []Mount) ([]specs.Mount, error) {
	host, err := e.cgroups()
	if err != nil {
		return nil, err
	}
	all := compile.DefaultMounts(host.Mode() == cgroup.Unified)
	for _, name := range []string{"hosts", "hostname", "resolv.conf"} {
		all = append(all, specs.Mount{
			Destination: "/etc/" + name, Type: "bind",
			Source:  filepath.Join(e.store.Path(), store.ContainerPath(id), name),
			Options: []string{"bind", "rprivate", "nosuid", "nodev", "noexec"},
		})
	}
	for _, m := range own {
		spec, err := m.spec()
		if err != nil {
			return nil, err
		}
		all = append(all, spec)
	}
	return all, nil
}

// spec is the mount in OCI's words.
func (m Mount) spec() (specs.Mount, error) {
	if !path.IsAbs(m.Target) || path.Clean(m.Target) == "/" {
		return specs.Mount{}, fmt.Errorf("mount target %.200q: not an absolute path below /: %w", m.Target, ErrInvalid)
	}
	s := specs.Mount{Destination: path.Clean(m.Target), Options: []string{"nosuid", "nodev"}}
	if m.Source == "" {
		const defaultSize = 64 << 20
		size := m.Size
		if size == 0 {
			size = defaultSize
		}
		s.Type, s.Source = "tmpfs", "tmpfs"
		s.Options = append(s.Options, "mode=1777", "size="+strconv.FormatInt(size, 10))
		if m.ReadOnly {
			s.Options = append(s.Options, "ro")
		}
		return s, nil
	}
	if !filepath.IsAbs(m.Source) {
		return specs.Mount{}, fmt.Errorf("mount source %.200q: not an absolute path: %w", m.Source, ErrInvalid)
	}
	s.Type, s.Source = "bind", filepath.Clean(m.Source)
	s.Options = append(s.Options, "rbind", "rprivate")
	if m.ReadOnly {
		s.Options = append(s.Options, "rro")
	}
	return s, nil
}

// containerFiles are the files of a container's own, by name.
func containerFiles(spec *specs.Spec) map[string][]byte {
	return map[string][]byte{
		"hosts":       []byte("127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n127.0.0.1\t" + spec.Hostname + "\n"),
		"hostname":    []byte(spec.Hostname + "\n"),
		"resolv.conf": nil,
	}
}
