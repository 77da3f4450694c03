package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"syscall"

	"github.com/coraclehq/coracle"
)

func run(f *flag.FlagSet) action {
	o := optionFlags(f)
	remove := boolFlag(f, "rm", "Remove the container when it exits")
	detach := boolFlag(f, "d detach", "Run container in background and print container ID")
	return func(ctx context.Context, e *coracle.Engine, args []string) error {
		switch {
		case *detach && *remove:
			return errors.New("-d and --rm exclude each other: nobody would be there to remove the container")
		case *detach && *o.stdin && !*o.tty:
			return errors.New("-d and -i exclude each other without -t: nothing would be there to read from")
		}
		if !*detach {
			if err := checkKeyboard(*o.tty, *o.stdin); err != nil {
				return err // before there is a container
			}
		}
		c, err := o.create(ctx, e, args, *detach)
		if errors.Is(err, coracle.ErrNotFound) {
			return fmt.Errorf("%w\nImages cannot be pulled yet: see 'coracle load', or take the image host, which is this machine", err)
		}
		if err != nil {
			return err
		}
		if *detach {
			if err := c.Start(ctx, coracle.IO{}); err != nil {
				return err
			}
			fmt.Println(c.ID())
			return nil
		}
		err = foreground(ctx, *o.tty, *o.stdin, starting(c))
		if *remove {
			if removed := c.Remove(ctx, true); err == nil {
				err = removed
			} else if removed != nil {
				exitCode(removed) // the container's own end comes first
			}
		}
		return err
	}
}

// starting starts a container in the foreground.
func starting(c *coracle.Container) starter {
	return func(ctx context.Context, io coracle.IO) (running, error) {
		send := func(s syscall.Signal) error { return c.Signal(context.Background(), s) }
		return running{send, c.Wait}, c.Start(ctx, io)
	}
}
