package main

import (
	"context"
	"errors"
	"flag"
	"fmt"

	"github.com/coraclehq/coracle"
)

func wait(*flag.FlagSet) action {
	return func(ctx context.Context, e *coracle.Engine, args []string) error {
		return each(args, func(name string) error {
			c, err := container(ctx, e, name)
			if err != nil {
				return err
			}
			err = c.Wait(ctx)
			exit := new(coracle.ExitError)
			if err != nil && !errors.As(err, &exit) {
				return err
			}
			fmt.Println(exit.Code)
			return nil
		})
	}
}
