package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"

	"github.com/coraclehq/coracle"
)

func load(f *flag.FlagSet) action {
	input := stringFlag(f, "i input", "", "Read from tar archive `file`, instead of STDIN")
	boolFlag(f, "q quiet", "Suppress the progress, which is not shown anyway")
	return func(ctx context.Context, e *coracle.Engine, _ []string) error {
		from := os.Stdin
		if *input != "" {
			file, err := os.Open(*input)
			if err != nil {
				return err
			}
			defer file.Close()
			from = file
		} else if isTerminal(from) {
			return errors.New("requested load from stdin, but stdin is a terminal")
		}
		// To docker, the archive's names are the user's wish.
		loaded, err := e.Load(ctx, from, coracle.LoadOptions{Replace: true})
		if err != nil {
			return err
		}
		for _, i := range loaded {
			names, err := i.Names(ctx)
			if err != nil {
				return err
			}
			for _, n := range names {
				fmt.Println("Loaded image:", n)
			}
			if len(names) == 0 {
				fmt.Println("Loaded image ID:", i.ID())
			}
		}
		return nil
	}
}
