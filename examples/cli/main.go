// Coracle is a small tool in docker's manner over the public API of package coracle,
// as an example of it: one file per command, and here what the commands share.
//
//	go run ./examples/cli run --rm host -- sh -c 'echo pid $$; hostname; id; ps ax'
//
// The exit code is the container's; 125 if the tool itself could not do what it was
// asked for, 126 if the program cannot be run, 127 if it is not there.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"

	"github.com/coraclehq/coracle"
)

// command is a row of the table below. Its define declares its flags and returns
// what it does; mixed, flags may also stand behind its arguments.
type command struct {
	name, args, about string
	least, most       int // arguments; most < 0: any number
	mixed             bool
	define            func(*flag.FlagSet) action
}

type action func(ctx context.Context, e *coracle.Engine, args []string) error

func commands() []command {
	return []command{
		{"run", "IMAGE [COMMAND] [ARG...]", "Create and run a new container from an image", 1, -1, false, run},
		{"create", "IMAGE [COMMAND] [ARG...]", "Create a new container", 1, -1, false, create},
		{"start", "CONTAINER [CONTAINER...]", "Start one or more stopped containers", 1, -1, true, start},
		{"stop", "CONTAINER [CONTAINER...]", "Stop one or more running containers", 1, -1, true, stop},
		{"kill", "CONTAINER [CONTAINER...]", "Kill one or more running containers", 1, -1, true, kill},
		{"exec", "CONTAINER COMMAND [ARG...]", "Execute a command in a running container", 2, -1, false, execute},
		{"ps", "", "List containers", 0, 0, true, ps},
		{"logs", "CONTAINER", "Fetch the logs of a container", 1, 1, true, logs},
		{"wait", "CONTAINER [CONTAINER...]", "Block until one or more containers stop, then print their exit codes", 1, -1, true, wait},
		{"attach", "CONTAINER", "Attach to a running container", 1, 1, true, attach},
		{"inspect", "NAME|ID [NAME|ID...]", "Return low-level information on containers and images", 1, -1, true, inspect},
		{"explain", "CONTAINER | IMAGE [COMMAND] [ARG...]", "Print the system calls that a start would make", 1, -1, false, explain},
		{"images", "[REPOSITORY[:TAG]]", "List images", 0, 1, true, images},
		{"load", "", "Load images from a tar archive or STDIN", 0, 0, true, load},
		{"save", "IMAGE [IMAGE...]", "Save one or more images to a tar archive (streamed to STDOUT by default)", 1, -1, true, save},
		{"commit", "CONTAINER [REPOSITORY[:TAG]]", "Create a new image from a container's changes", 1, 2, true, commit},
		{"tag", "SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]", "Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE", 2, 2, true, tag},
		{"rm", "CONTAINER [CONTAINER...]", "Remove one or more containers", 1, -1, true, rm},
		{"rmi", "IMAGE [IMAGE...]", "Remove one or more images", 1, -1, true, rmi},
		{"version", "", "Show the version", 0, 0, true, version},
	}
}

func main() { os.Exit(exitCode(dispatch(os.Args[1:]))) }

// dispatch carries out a command line.
func dispatch(args []string) error {
	global := flag.NewFlagSet("coracle", flag.ContinueOnError)
	root := stringFlag(global, "root", "", "the `directory` of the store (default: coracle.Default's)")
	args, err := parse(global, args, false)
	if errors.Is(err, flag.ErrHelp) || err == nil && (len(args) == 0 || args[0] == "help") {
		fmt.Println("Usage:  coracle [--root DIR] COMMAND\n\nContainers, by the library that this is an example of.\n\nCommands:")
		for _, c := range commands() {
			fmt.Printf("  %-9s %s\n", c.name, c.about)
		}
		return nil
	}
	if err != nil {
		return err
	}
	for _, c := range commands() {
		if c.name == args[0] {
			return c.call(*root, args[1:])
		}
	}
	return fmt.Errorf("%q is not a coracle command; see 'coracle help'", args[0])
}

// call opens the store and runs the command on it.
func (c command) call(root string, args []string) (err error) {
	flags := flag.NewFlagSet(c.name, flag.ContinueOnError)
	act := c.define(flags)
	args, err = parse(flags, args, c.mixed)
	if errors.Is(err, flag.ErrHelp) {
		c.help(flags)
		return nil
	}
	if err == nil && (len(args) < c.least || c.most >= 0 && len(args) > c.most) {
		err = fmt.Errorf("wrong number of arguments; usage: coracle %s [OPTIONS] %s", c.name, c.args)
	}
	if err != nil {
		return fmt.Errorf("%w\nSee 'coracle %s --help'", err, c.name)
	}
	e, err := open(root)
	if err != nil {
		return err
	}
	defer func() {
		if closing := e.Close(); err == nil {
			err = closing
		}
	}()
	return act(context.Background(), e, args)
}

func open(root string) (*coracle.Engine, error) {
	if root == "" {
		return coracle.Default()
	}
	return coracle.Open(root, nil)
}

func container(ctx context.Context, e *coracle.Engine, name string) (*coracle.Container, error) {
	c, err := e.Container(ctx, name)
	if absent(err) {
		err = missing{"container", name}
	}
	return c, err
}

// lookup finds an image.
func lookup(ctx context.Context, e *coracle.Engine, name string) (*coracle.Image, error) {
	i, err := e.Image(ctx, name)
	if errors.Is(err, coracle.ErrNotFound) {
		err = missing{"image", name}
	}
	return i, err
}

// image finds an image. That of the machine itself is made when it is first asked
// for.
func image(ctx context.Context, e *coracle.Engine, name string) (*coracle.Image, error) {
	i, err := lookup(ctx, e, name)
	if errors.Is(err, coracle.ErrNotFound) && strings.TrimSuffix(name, ":latest") == "host" {
		return e.NewImage(ctx, "", coracle.FromHost())
	}
	return i, err
}
