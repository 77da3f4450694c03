package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"text/template"

	"github.com/coraclehq/coracle"
)

func inspect(f *flag.FlagSet) action {
	format := stringFlag(f, "f format", "", "Format output using a custom `template` of package text/template")
	return func(ctx context.Context, e *coracle.Engine, args []string) error {
		form, err := template.New("format").Parse(*format)
		if err != nil {
			return err
		}
		found := []any{}
		failed := each(args, func(name string) error {
			one, err := object(ctx, e, name)
			if err != nil {
				return err
			}
			if *format == "" {
				found = append(found, one)
				return nil
			}
			if err := form.Execute(os.Stdout, one); err != nil {
				return err
			}
			fmt.Println()
			return nil
		})
		if *format == "" {
			out := json.NewEncoder(os.Stdout)
			out.SetEscapeHTML(false)
			out.SetIndent("", "    ")
			if err := out.Encode(found); err != nil {
				return err
			}
		}
		return failed
	}
}

// object is a container or an image by the names that docker gives its parts.
func object(ctx context.Context, e *coracle.Engine, name string) (map[string]any, error) {
	c, err := e.Container(ctx, name)
	if err == nil {
		return containerObject(ctx, e, c)
	}
	if !absent(err) {
		return nil, err
	}
	i, err := e.Image(ctx, name)
	if err == nil {
		return imageObject(ctx, i)
	}
	if absent(err) {
		err = missing{"object", name}
	}
	return nil, err
}

func containerObject(ctx context.Context, e *coracle.Engine, c *coracle.Container) (map[string]any, error) {
	s, err := c.Status(ctx)
	if err != nil {
		return nil, err
	}
	cfg := s.Config
	args := append(arguments(ctx, e, s), "")
	return map[string]any{
		"Id": s.ID, "Name": "/" + s.Name, "Created": s.Created, "Image": s.Image,
		"Path": args[0], "Args": args[1:max(1, len(args)-1)],
		"State": map[string]any{
			"Status": s.State, "Running": s.State == coracle.Running, "Pid": s.PID,
			"ExitCode": s.ExitCode, "OOMKilled": s.OOMKilled, "StartedAt": s.Started, "FinishedAt": s.Finished,
		},
		"Config": map[string]any{
			"Hostname": first(cfg.Hostname, short(s.ID)), "User": cfg.Cmd.User, "Env": cfg.Cmd.Env, "Cmd": cfg.Cmd.Args,
			"Entrypoint": cfg.Entrypoint, "WorkingDir": cfg.Cmd.Dir, "Tty": cfg.Cmd.Terminal, "Image": s.ImageName, "Labels": cfg.Labels,
		},
		"HostConfig": map[string]any{
			"Memory": cfg.Limits.Memory, "NanoCpus": int64(cfg.Limits.CPUs * 1e9), "PidsLimit": cfg.Limits.PIDs,
			"ReadonlyRootfs": cfg.ReadOnly, "NetworkMode": "none",
		},
		"Mounts": mounts(cfg.Mounts),
	}, nil
}

func imageObject(ctx context.Context, i *coracle.Image) (map[string]any, error) {
	cfg, err := i.Config(ctx)
	names, err2 := i.Names(ctx)
	size, err3 := i.Size(ctx)
	layers, err4 := i.Layers(ctx)
	if err := errors.Join(err, err2, err3, err4); err != nil {
		return nil, err
	}
	ids := []string{}
	for _, l := range layers {
		ids = append(ids, l.DiffID())
	}
	return map[string]any{
		"Id": i.ID(), "RepoTags": names, "Created": cfg.Created, "Author": cfg.Author, "Os": cfg.OS, "Architecture": cfg.Architecture,
		"Size": size, "RootFS": map[string]any{"Type": "layers", "Layers": ids},
		"Config": map[string]any{
			"User": cfg.User, "Env": cfg.Env, "Cmd": cfg.Cmd, "Entrypoint": cfg.Entrypoint, "WorkingDir": cfg.Dir,
			"StopSignal": cfg.StopSignal, "Labels": cfg.Labels,
		},
	}, nil
}

// arguments are the program and its arguments: the image's where the container has
// none of its own.
func arguments(ctx context.Context, e *coracle.Engine, s coracle.Status) []string {
	entry, args := s.Config.Entrypoint, s.Config.Cmd.Args
	if i, err := e.Image(ctx, s.Image); err == nil && (entry == nil || args == nil) {
		if cfg, err := i.Config(ctx); err == nil {
			if entry == nil && args == nil {
				args = cfg.Cmd
			}
			if entry == nil {
				entry = cfg.Entrypoint
			}
		}
	}
	return slices.Concat(entry, args)
}

func mounts(all []coracle.Mount) []map[string]any {
	list := []map[string]any{}
	for _, m := range all {
		kind := "bind"
		if m.Source == "" {
			kind = "tmpfs"
		}
		list = append(list, map[string]any{"Type": kind, "Source": m.Source, "Destination": m.Target, "RW": !m.ReadOnly})
	}
	return list
}
