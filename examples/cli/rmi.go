package main

import (
	"context"
	"flag"
	"fmt"
	"slices"

	"github.com/coraclehq/coracle"
)

func rmi(f *flag.FlagSet) action {
	force := boolFlag(f, "f force", "Force removal of an image that has several names")
	return func(ctx context.Context, e *coracle.Engine, args []string) error {
		return each(args, func(name string) error { return removeImage(ctx, e, name, *force) })
	}
}

// removeImage takes away one name, as long as there are others, or removes the
// image.
func removeImage(ctx context.Context, e *coracle.Engine, name string, force bool) error {
	i, err := lookup(ctx, e, name)
	if err != nil {
		return err
	}
	names, err := i.Names(ctx)
	if err != nil {
		return err
	}
	for _, n := range []string{name, name + ":latest"} {
		if len(names) > 1 && slices.Contains(names, n) {
			if err := i.Untag(ctx, n); err != nil {
				return err
			}
			fmt.Println("Untagged:", n)
			return nil
		}
	}
	if err := i.Remove(ctx, force); err != nil {
		return err
	}
	for _, n := range names {
		fmt.Println("Untagged:", n)
	}
	fmt.Println("Deleted:", i.ID())
	return nil
}
