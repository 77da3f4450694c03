package main

import (
	"context"
	"errors"
	"flag"
	"fmt"

	"github.com/coraclehq/coracle"
)

func start(f *flag.FlagSet) action {
	output := boolFlag(f, "a attach", "Attach STDOUT/STDERR and forward signals")
	input := boolFlag(f, "i interactive", "Attach container's STDIN")
	return func(ctx context.Context, e *coracle.Engine, args []string) error {
		if *output || *input {
			if len(args) > 1 {
				return errors.New("you cannot start and attach multiple containers at once")
			}
			c, err := container(ctx, e, args[0])
			if err != nil {
				return err
			}
			s, err := c.Status(ctx)
			if err != nil {
				return err
			}
			return foreground(ctx, s.Config.Cmd.Terminal, *input, starting(c))
		}
		return each(args, func(name string) error {
			c, err := container(ctx, e, name)
			if err != nil {
				return err
			}
			return background(ctx, c, name)
		})
	}
}

// background starts a container that lives on when this program has ended.
func background(ctx context.Context, c *coracle.Container, name string) error {
	s, err := c.Status(ctx)
	if err != nil {
		return err
	}
	switch {
	case s.State == coracle.Running: // to docker no error
	case !s.Config.Detach:
		return fmt.Errorf("container %s was made by run without -d, so that it ends with the program that starts it: start it with -a", name)
	default:
		err = c.Start(ctx, coracle.IO{})
	}
	if err == nil {
		fmt.Println(name)
	}
	return err
}
