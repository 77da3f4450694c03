package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/coraclehq/coracle"
)

// options are the flags that say what a container is to be; run and explain have
// them too.
type options struct {
	stdin, tty, readOnly                                              *bool
	name, hostname, dir, user, network, entrypoint, memory, cpu, pids *string
	env, volumes                                                      *list
	flags                                                             *flag.FlagSet
}

func optionFlags(f *flag.FlagSet) options {
	return options{
		flags:      f,
		stdin:      boolFlag(f, "i interactive", "Keep STDIN open"),
		tty:        boolFlag(f, "t tty", "Allocate a pseudo-TTY"),
		readOnly:   boolFlag(f, "read-only", "Mount the container's root filesystem as read only"),
		name:       stringFlag(f, "name", "", "Assign a name to the container"),
		hostname:   stringFlag(f, "h hostname", "", "Container host name"),
		dir:        stringFlag(f, "w workdir", "", "Working `directory` inside the container"),
		user:       stringFlag(f, "u user", "", "Username or UID (`format`: <name|uid>[:<group|gid>])"),
		network:    stringFlag(f, "network net", "none", "Connect a container to a network: none"),
		entrypoint: stringFlag(f, "entrypoint", "", "Overwrite the default ENTRYPOINT of the image"),
		memory:     stringFlag(f, "m memory", "0", "Memory limit in `bytes`, or with b, k, m or g"),
		cpu:        stringFlag(f, "cpus", "0", "`Number` of CPUs"),
		pids:       stringFlag(f, "pids-limit", "4096", "Limit of processes and threads (-1 for unlimited)"),
		env:        listFlag(f, "e env", "Set environment `variables`"),
		volumes:    listFlag(f, "v volume", "Bind mount a directory or file (`HOST:CONTAINER[:ro]`)"),
	}
}

func create(f *flag.FlagSet) action {
	o := optionFlags(f)
	return func(ctx context.Context, e *coracle.Engine, args []string) error {
		c, err := o.create(ctx, e, args, true)
		if err == nil {
			fmt.Println(c.ID())
		}
		return err
	}
}

// create makes the container of a command line that begins with the image.
func (o options) create(ctx context.Context, e *coracle.Engine, args []string, detach bool) (*coracle.Container, error) {
	cfg, err := o.config(args[1:])
	if err != nil {
		return nil, err
	}
	cfg.Detach = detach
	img, err := image(ctx, e, args[0])
	if err != nil {
		return nil, err
	}
	return e.Create(ctx, img, cfg)
}

// config turns the flags and the command into a Config.
func (o options) config(command []string) (cfg coracle.Config, err error) {
	if len(command) > 0 && command[0] == "--" {
		command = command[1:]
	}
	cfg = coracle.Config{
		Name: *o.name, Hostname: *o.hostname, ReadOnly: *o.readOnly,
		Cmd: coracle.Cmd{Env: environment(*o.env), Dir: *o.dir, User: *o.user, Terminal: *o.tty},
	}
	if len(command) > 0 {
		cfg.Cmd.Args = command
	}
	o.flags.Visit(func(f *flag.Flag) {
		switch {
		case f.Name == "entrypoint" && *o.entrypoint == "":
			cfg.Entrypoint = []string{} // none, also not the image's
		case f.Name == "entrypoint":
			cfg.Entrypoint = []string{*o.entrypoint}
		}
	})
	if *o.network != "none" { // as without the flag
		return cfg, fmt.Errorf("network %q: there is only none yet", *o.network)
	}
	for _, v := range *o.volumes {
		m, err := mount(v)
		if err != nil {
			return cfg, err
		}
		cfg.Mounts = append(cfg.Mounts, m)
	}
	if cfg.Limits.Memory, err = byteSize(*o.memory); err != nil {
		return cfg, err
	}
	if cfg.Limits.CPUs, err = strconv.ParseFloat(*o.cpu, 64); err != nil || cfg.Limits.CPUs < 0 {
		return cfg, fmt.Errorf("invalid argument %q for --cpus", *o.cpu)
	}
	if cfg.Limits.PIDs, err = strconv.ParseInt(*o.pids, 10, 64); err != nil {
		return cfg, fmt.Errorf("invalid argument %q for --pids-limit", *o.pids)
	}
	if cfg.Limits.PIDs == 0 {
		cfg.Limits.PIDs = -1 // to docker, 0 is no limit
	}
	return cfg, nil
}

// environment gives a name alone the value that it has here, as docker does.
func environment(variables []string) (all []string) {
	for _, v := range variables {
		if value, set := os.LookupEnv(v); set && !strings.Contains(v, "=") {
			v += "=" + value
		}
		all = append(all, v)
	}
	return all
}

func mount(v string) (coracle.Mount, error) {
	parts := strings.Split(v, ":")
	switch {
	case len(parts) < 2 || len(parts) > 3 || parts[0] == "" || len(parts) == 3 && parts[2] != "ro" && parts[2] != "rw":
		return coracle.Mount{}, fmt.Errorf("invalid volume %q: not HOST:CONTAINER[:ro]", v)
	case parts[0][0] != '/' && parts[0][0] != '.':
		return coracle.Mount{}, fmt.Errorf("volume %q: there are no named volumes yet; a directory begins with a slash or a dot", v)
	}
	source, err := filepath.Abs(parts[0])
	return coracle.Mount{Source: source, Target: parts[1], ReadOnly: len(parts) == 3 && parts[2] == "ro"}, err
}

// byteSize reads 512m, 1.5g, 100kb, 1GiB.
func byteSize(s string) (int64, error) {
	number := strings.TrimSuffix(strings.TrimSuffix(strings.ToLower(s), "b"), "i")
	factor := 1.0
	if i := strings.IndexByte("kmgt", (number + " ")[max(len(number)-1, 0)]); i >= 0 {
		number, factor = number[:len(number)-1], float64(int64(1)<<(10*(i+1)))
	}
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || !(n >= 0) || n*factor >= 1<<62 {
		return 0, fmt.Errorf("invalid size: %q", s)
	}
	return int64(n * factor), nil
}
