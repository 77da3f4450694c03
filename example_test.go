package coracle_test

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"log"
	"os"
	"testing/fstest"

	"github.com/coraclehq/coracle"
)

// A program brings its own image along.
//
//go:embed example_test.go
var files embed.FS

func ExampleNewImage() {
	ctx := context.Background()
	image, err := coracle.NewImage(ctx, "mine", coracle.FromFS(files, coracle.ImageConfig{Cmd: []string{"/hello"}}))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(image.ID())
}

func ExampleFromArchive() {
	ctx := context.Background()
	archive, err := os.Open("busybox.tar") // docker save busybox > busybox.tar
	if err != nil {
		log.Fatal(err)
	}
	defer archive.Close()
	image, err := coracle.NewImage(ctx, "busybox", coracle.FromArchive(archive))
	if err != nil {
		log.Fatal(err)
	}
	container, err := coracle.Create(ctx, image, coracle.Config{Cmd: coracle.Cmd{Args: []string{"echo", "hello"}}})
	if err != nil {
		log.Fatal(err)
	}
	if err := container.Run(ctx, coracle.IO{Stdout: os.Stdout}); err != nil {
		log.Fatal(err)
	}
}

func ExampleFromHost() {
	ctx := context.Background()
	image, err := coracle.NewImage(ctx, "", coracle.FromHost())
	if err != nil {
		log.Fatal(err)
	}
	container, err := coracle.Create(ctx, image, coracle.Config{Cmd: coracle.Cmd{Args: []string{"ls", "/"}}})
	if err != nil {
		log.Fatal(err)
	}
	if err := container.Run(ctx, coracle.IO{Stdout: os.Stdout}); err != nil {
		log.Fatal(err)
	}
}

// A layer of a program's own lies on those of an image that is there.
func ExampleFromLayers() {
	ctx := context.Background()
	engine, err := coracle.Default()
	if err != nil {
		log.Fatal(err)
	}
	base, err := engine.Image(ctx, "busybox")
	if err != nil {
		log.Fatal(err)
	}
	layers, err := base.Layers(ctx)
	if err != nil {
		log.Fatal(err)
	}
	settings, err := os.Open("settings.tar.gz")
	if err != nil {
		log.Fatal(err)
	}
	defer settings.Close()
	mine, err := engine.NewLayer(ctx, settings)
	if err != nil {
		log.Fatal(err)
	}
	cfg, err := base.Config(ctx)
	if err != nil {
		log.Fatal(err)
	}
	cfg.Cmd = []string{"cat", "/etc/settings"}
	if _, err := engine.NewImage(ctx, "configured", coracle.FromLayers(cfg, append(layers, mine)...)); err != nil {
		log.Fatal(err)
	}
}

func ExampleFromFS() {
	fsys := fstest.MapFS{"etc/motd": {Data: []byte("hello\n"), Mode: 0o644}}
	_, err := coracle.NewImage(context.Background(), "motd", coracle.FromFS(fsys, coracle.ImageConfig{
		Entrypoint: []string{"/bin/motd"},
		User:       "nobody",
		Labels:     map[string]string{"org.example.note": "made from a map"},
	}))
	if err != nil {
		log.Fatal(err)
	}
}

// The archive goes to another engine as it is made.
func ExampleImage_WriteArchive() {
	ctx := context.Background()
	engine, err := coracle.Default()
	if err != nil {
		log.Fatal(err)
	}
	image, err := engine.Image(ctx, "mine")
	if err != nil {
		log.Fatal(err)
	}
	var archive bytes.Buffer
	if err := image.WriteArchive(ctx, &archive, coracle.OCIArchive); err != nil {
		log.Fatal(err)
	}
	other, err := coracle.Open("/srv/other", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer other.Close()
	if _, err := other.NewImage(ctx, "", coracle.FromArchive(&archive)); err != nil {
		log.Fatal(err)
	}
}

func ExampleEngine_Load() {
	ctx := context.Background()
	engine, err := coracle.Default()
	if err != nil {
		log.Fatal(err)
	}
	images, err := engine.Load(ctx, os.Stdin, coracle.LoadOptions{})
	switch {
	case errors.Is(err, coracle.ErrExists):
		log.Fatal("another image has that name: ", err)
	case errors.Is(err, coracle.ErrInvalid):
		log.Fatal("no image archive, or a damaged one: ", err)
	case err != nil:
		log.Fatal(err)
	}
	for _, image := range images {
		names, err := image.Names(ctx)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(image.ID(), names)
	}
}

func ExampleContainer_Commit() {
	ctx := context.Background()
	engine, err := coracle.Default()
	if err != nil {
		log.Fatal(err)
	}
	container, err := engine.Container(ctx, "builder")
	if err != nil {
		log.Fatal(err)
	}
	image, err := container.Commit(ctx, "built:1", coracle.CommitOptions{
		Comment: "with all that was installed by hand",
		Config:  func(c *coracle.ImageConfig) { c.Cmd = []string{"/usr/bin/server"} },
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(image.ID())
}
