package coracle

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	imagespec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/coraclehq/coracle/internal/compile"
	"github.com/coraclehq/coracle/internal/cred"
	"github.com/coraclehq/coracle/internal/seccomp"
	"github.com/coraclehq/coracle/internal/store"
	"github.com/coraclehq/coracle/internal/sys"
)

const (
	defaultPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

	// Containers are killed before the programs that run them when memory is short.
	oomScoreAdj = 200
)

// resolve turns an image and a Config into the OCI spec of the container.
func (e *Engine) resolve(id string, image store.Image, cfg Config) (*specs.Spec, error) {
	process, err := e.process(image, cfg)
	if err != nil {
		return nil, err
	}
	mounts, err := e.mounts(id, cfg.Mounts)
	if err != nil {
		return nil, err
	}
	spec := &specs.Spec{
		Version:  specs.Version,
		Hostname: cfg.Hostname,
		Root:     &specs.Root{Path: "rootfs", Readonly: cfg.ReadOnly},
		Process:  process,
		Mounts:   mounts,
		Linux: &specs.Linux{
			Namespaces:    compile.DefaultNamespaces(false),
			MaskedPaths:   compile.DefaultMaskedPaths(compile.MaskedHere()),
			ReadonlyPaths: compile.DefaultReadonlyPaths(),
			Sysctl:        compile.DefaultSysctls(),
		},
	}
	if spec.Hostname == "" {
		spec.Hostname = id[:12]
	}
	if err := checkHostname(spec.Hostname); err != nil {
		return nil, err
	}
	process.Env = append([]string{"HOSTNAME=" + spec.Hostname}, process.Env...)
	if spec.Linux.Seccomp, err = seccomp.Default(sys.HostArch(), seccomp.Options{Caps: process.Capabilities.Bounding, Compat32: cfg.Security.Compat32}); err != nil {
		return nil, err
	}
	if cfg.Spec != nil {
		if err := cfg.Spec(spec); err != nil {
			return nil, err
		}
		if err := e.check(spec); err != nil {
			return nil, err
		}
	}
	return spec, nil
}

// check refuses a spec of the caller's that no start could do anything with. What
// depends on the kernel is looked at by each start.
func (e *Engine) check(spec *specs.Spec) error {
	if spec.Process == nil || spec.Linux == nil || spec.Root == nil || len(spec.Process.Args) == 0 {
		return fmt.Errorf("spec without process, arguments, linux or root: %w", ErrInvalid)
	}
	if spec.Linux.Seccomp == nil {
		return nil
	}
	_, err := e.filters.Compile(spec.Linux.Seccomp, sys.HostArch())
	if err == nil {
		_, err = seccomp.Flags(spec.Linux.Seccomp)
	}
	return refused(err)
}

// process resolves what is run, and as whom.
func (e *Engine) process(image store.Image, cfg Config) (*specs.Process, error) {
	from := image.Config.Config
	p := &specs.Process{
		Args:        arguments(from, cfg),
		Env:         environment([]string{defaultPath}, from.Env, cfg.Cmd.Env),
		Cwd:         path.Join("/", first(cfg.Cmd.Dir, from.WorkingDir)),
		Terminal:    cfg.Cmd.Terminal,
		Rlimits:     cred.DefaultRlimits(),
		OOMScoreAdj: new(int),
	}
	*p.OOMScoreAdj = oomScoreAdj
	if len(p.Args) == 0 {
		return nil, fmt.Errorf("neither the image nor the configuration names a program: %w", ErrInvalid)
	}
	view, err := e.view(image)
	if err != nil {
		return nil, err
	}
	user, err := lookup(view, first(cfg.Cmd.User, from.User))
	if err = errors.Join(err, view.Close()); err != nil {
		return nil, err
	}
	become(p, user, cfg.Security)
	return p, nil
}

// become makes the process run as a user: root has the default capabilities, any
// other user none, and no way to gain rights unless that is allowed.
func become(p *specs.Process, u cred.User, s Security) {
	p.User = specs.User{UID: u.UID, GID: u.GID, AdditionalGids: u.Groups}
	p.Capabilities = &specs.LinuxCapabilities{Bounding: cred.DefaultCapabilities()}
	if u.UID == 0 {
		p.Capabilities.Effective = p.Capabilities.Bounding
		p.Capabilities.Permitted = p.Capabilities.Bounding
	} else if !s.AllowSetuid {
		p.Capabilities.Bounding = nil
		p.NoNewPrivileges = true
	}
	if !slices.ContainsFunc(p.Env, func(v string) bool { return strings.HasPrefix(v, "HOME=") }) {
		p.Env = append(p.Env, "HOME="+first(u.Home, "/"))
	}
	if p.Terminal {
		p.Env = environment([]string{"TERM=xterm"}, p.Env, nil)
	}
}

// lookup finds a user in the image whose root directory is given. One that is not in
// it, or can be in none, is ErrInvalid.
func lookup(root *sys.FD, user string) (cred.User, error) {
	u, err := cred.Lookup(root, user)
	if errors.Is(err, fs.ErrInvalid) || errors.Is(err, fs.ErrNotExist) {
		err = kinded{fmt.Errorf("user of the process: %w", err), ErrInvalid}
	}
	return u, err
}

// refused gives an error of a start what callers test for: *UnsupportedError when a
// field of the spec has no support here, ErrInvalid when it has no meaning,
// ErrNoSpace when the disk is full.
func refused(err error) error {
	var (
		spec        *compile.SpecError
		profile     *seccomp.FieldError
		unsupported *UnsupportedError
	)
	switch isSpec := errors.As(err, &spec); {
	case errors.As(err, &unsupported):
		return err
	case isSpec && errors.Is(err, errors.ErrUnsupported):
		return &UnsupportedError{Feature: "field " + spec.Pointer + " of the spec", Err: spec.Err}
	case isSpec, errors.As(err, &profile), errors.Is(err, fs.ErrInvalid):
		return kinded{err, ErrInvalid}
	}
	return classify(err)
}

// view opens the image's root file system for reading.
func (e *Engine) view(image store.Image) (*sys.FD, error) {
	return e.viewLayers(image.Lowers(), image.Host)
}

// arguments joins entry point and command by Docker's rules.
func arguments(from imagespec.ImageConfig, cfg Config) []string {
	entry, command := from.Entrypoint, from.Cmd
	if cfg.Entrypoint != nil {
		entry, command = cfg.Entrypoint, nil
	}
	if len(cfg.Cmd.Args) > 0 {
		command = cfg.Cmd.Args
	}
	return slices.Concat(entry, command)
}

// environment merges variables: of two equal names the last one counts, in the
// place of the first; a name alone takes the variable away.
func environment(lists ...[]string) []string {
	var all []string // those taken away are empty
	places := map[string]int{}
	for _, v := range slices.Concat(lists...) {
		name, _, set := strings.Cut(v, "=")
		i, known := places[name]
		switch {
		case !set && known:
			all[i] = ""
			delete(places, name)
		case set && known:
			all[i] = v
		case set:
			places[name] = len(all)
			all = append(all, v)
		}
	}
	return slices.DeleteFunc(all, func(v string) bool { return v == "" })
}

func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

// checkHostname refuses what could write more than a name into a file.
func checkHostname(name string) error {
	ok := len(name) <= 64 && name[0] != '-' && name[0] != '.'
	for _, c := range name {
		ok = ok && (c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '.' || c == '_')
	}
	if !ok {
		return fmt.Errorf("host name %.100q: %w", name, ErrInvalid)
	}
	return nil
}
