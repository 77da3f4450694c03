package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"strings"

	"github.com/coraclehq/coracle"
)

func commit(f *flag.FlagSet) action {
	author := stringFlag(f, "a author", "", "Author (e.g., \"John Hannibal Smith <hannibal@a-team.com>\")")
	message := stringFlag(f, "m message", "", "Commit message")
	changes := listFlag(f, "c change", "Apply Dockerfile instruction to the created image")
	pause := f.Bool("pause", true, "Pause container during commit")
	f.BoolVar(pause, "p", true, "Pause container during commit")
	return func(ctx context.Context, e *coracle.Engine, args []string) error {
		var steps []func(*coracle.ImageConfig)
		for _, text := range *changes {
			step, err := change(text)
			if err != nil {
				return err
			}
			steps = append(steps, step)
		}
		c, err := container(ctx, e, args[0])
		if err != nil {
			return err
		}
		name := ""
		if len(args) > 1 {
			name = args[1]
		}
		i, err := c.Commit(ctx, name, coracle.CommitOptions{
			Author: *author, Comment: *message, Live: !*pause,
			Config: func(cfg *coracle.ImageConfig) {
				for _, step := range steps {
					step(cfg)
				}
			},
		})
		if err != nil {
			return err
		}
		fmt.Println(i.ID())
		return nil
	}
}

// change reads an instruction of a Dockerfile.
func change(text string) (func(*coracle.ImageConfig), error) {
	name, value, _ := strings.Cut(strings.TrimSpace(text), " ")
	value = strings.TrimSpace(value)
	key, given, pair := strings.Cut(value, "=")
	if !pair { // the old form, ENV NAME VALUE
		key, given, pair = strings.Cut(value, " ")
	}
	given = strings.Trim(given, `"`)
	ok := value != ""
	var do func(*coracle.ImageConfig)
	switch name = strings.ToUpper(name); name {
	case "CMD":
		do = func(c *coracle.ImageConfig) { c.Cmd = program(value) }
	case "ENTRYPOINT":
		do = func(c *coracle.ImageConfig) { c.Entrypoint = program(value) }
	case "ENV":
		ok = pair
		do = func(c *coracle.ImageConfig) { c.Env = setVariable(c.Env, key, given) }
	case "LABEL":
		ok = pair
		do = func(c *coracle.ImageConfig) {
			if c.Labels == nil {
				c.Labels = map[string]string{}
			}
			c.Labels[key] = given
		}
	case "USER":
		do = func(c *coracle.ImageConfig) { c.User = value }
	case "WORKDIR":
		do = func(c *coracle.ImageConfig) { c.Dir = value }
	case "STOPSIGNAL":
		do = func(c *coracle.ImageConfig) { c.StopSignal = value }
	case "EXPOSE":
		do = func(c *coracle.ImageConfig) {
			for _, port := range strings.Fields(value) {
				if !strings.Contains(port, "/") {
					port += "/tcp"
				}
				c.ExposedPorts = append(c.ExposedPorts, port)
			}
		}
	case "VOLUME":
		do = func(c *coracle.ImageConfig) { c.Volumes = append(c.Volumes, strings.Fields(value)...) }
	default:
		return nil, fmt.Errorf("%s is not a valid change command", name)
	}
	if !ok {
		return nil, fmt.Errorf("invalid change %q", text)
	}
	return do, nil
}

// program is a command in JSON, or a line for a shell.
func program(value string) (args []string) {
	if json.Unmarshal([]byte(value), &args) == nil {
		return args
	}
	return []string{"/bin/sh", "-c", value}
}

func setVariable(env []string, name, value string) []string {
	for i, v := range env {
		if strings.HasPrefix(v, name+"=") {
			env[i] = name + "=" + value
			return env
		}
	}
	return append(env, name+"="+value)
}
