package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/coraclehq/coracle"
)

func save(f *flag.FlagSet) action {
	output := stringFlag(f, "o output", "", "Write to a `file`, instead of STDOUT")
	format := stringFlag(f, "format", "docker", "Form of the archive: docker or oci")
	return func(ctx context.Context, e *coracle.Engine, args []string) error {
		form := coracle.ArchiveFormat(*format)
		if form != coracle.DockerArchive && form != coracle.OCIArchive {
			return fmt.Errorf("invalid argument %q for --format: docker or oci", *format)
		}
		if *output == "" && isTerminal(os.Stdout) {
			return errors.New("cowardly refusing to save to a terminal. Use the -o flag or redirect")
		}
		var all []*coracle.Image
		for _, name := range args {
			i, err := image(ctx, e, name)
			if err != nil {
				return err
			}
			all = append(all, i)
		}
		write := func(to io.Writer) error { return e.Save(ctx, to, form, all...) }
		if *output == "" {
			return write(os.Stdout)
		}
		return writeFile(*output, write)
	}
}

// writeFile makes a file, which is there when it is whole and not before.
func writeFile(name string, write func(io.Writer) error) error {
	file, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+"-*")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name()) // not there any more when all went well
	buffered := bufio.NewWriterSize(file, 1<<20)
	if err = write(buffered); err == nil {
		err = buffered.Flush()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return err
	}
	return os.Rename(file.Name(), name)
}
