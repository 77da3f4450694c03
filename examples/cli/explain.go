package main

import (
	"context"
	"flag"
	"fmt"

	"github.com/coraclehq/coracle"
)

func explain(f *flag.FlagSet) action {
	o := optionFlags(f)
	return func(ctx context.Context, e *coracle.Engine, args []string) error {
		c, err := e.Container(ctx, args[0])
		if absent(err) {
			// A container of an image, for as long as it takes to look at it.
			if c, err = o.create(ctx, e, args, false); err == nil {
				defer c.Remove(ctx, true)
			}
		}
		if err != nil {
			return err
		}
		text, err := c.Explain(ctx)
		if err != nil {
			return err
		}
		fmt.Print(text)
		return nil
	}
}
