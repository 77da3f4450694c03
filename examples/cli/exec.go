package main

import (
	"context"
	"errors"
	"flag"

	"github.com/coraclehq/coracle"
)

func execute(f *flag.FlagSet) action {
	stdin := boolFlag(f, "i interactive", "Keep STDIN open")
	tty := boolFlag(f, "t tty", "Allocate a pseudo-TTY")
	detach := boolFlag(f, "d detach", "Detached mode: not there yet")
	env := listFlag(f, "e env", "Set environment `variables`")
	dir := stringFlag(f, "w workdir", "", "Working `directory` inside the container")
	user := stringFlag(f, "u user", "", "Username or UID (`format`: <name|uid>[:<group|gid>])")
	return func(ctx context.Context, e *coracle.Engine, args []string) error {
		if *detach {
			return errors.New("exec -d: a process ends with the program that started it; there is no other way yet")
		}
		c, err := container(ctx, e, args[0])
		if err != nil {
			return err
		}
		cmd := coracle.Cmd{Args: args[1:], Env: environment(*env), Dir: *dir, User: *user, Terminal: *tty}
		return foreground(ctx, *tty, *stdin, func(ctx context.Context, io coracle.IO) (running, error) {
			p, err := c.Exec(ctx, cmd, io)
			if err != nil {
				return running{}, err
			}
			return running{p.Signal, p.Wait}, nil
		})
	}
}
