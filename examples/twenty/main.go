// Twenty is Coracle in about twenty lines: it runs an image in this process.
//
//	docker save alpine | go run ./examples/twenty
package main

import (
	"context"
	"log"
	"os"

	"github.com/coraclehq/coracle"
)

func main() {
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	img, err := coracle.NewImage(ctx, "", coracle.FromArchive(os.Stdin))
	if err != nil {
		return err
	}
	c, err := coracle.Create(ctx, img, coracle.Config{
		Cmd: coracle.Cmd{Args: []string{"sh", "-c", "echo pid $$ on $(hostname); ls /"}},
	})
	if err != nil {
		return err
	}
	defer c.Remove(ctx, true)
	return c.Run(ctx, coracle.IO{Stdout: os.Stdout, Stderr: os.Stderr})
}
