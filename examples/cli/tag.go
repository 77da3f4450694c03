package main

import (
	"context"
	"flag"

	"github.com/coraclehq/coracle"
)

func tag(*flag.FlagSet) action {
	return func(ctx context.Context, e *coracle.Engine, args []string) error {
		i, err := image(ctx, e, args[0])
		if err != nil {
			return err
		}
		return i.Tag(ctx, args[1])
	}
}
