package main

import (
	"context"
	"flag"
	"fmt"

	"github.com/coraclehq/coracle"
)

func rm(f *flag.FlagSet) action {
	force := boolFlag(f, "f force", "Force the removal of a running container (uses SIGKILL)")
	return func(ctx context.Context, e *coracle.Engine, args []string) error {
		return each(args, func(name string) error {
			c, err := container(ctx, e, name)
			if err != nil {
				return err
			}
			if err := c.Remove(ctx, *force); err != nil {
				return err
			}
			fmt.Println(name)
			return nil
		})
	}
}
