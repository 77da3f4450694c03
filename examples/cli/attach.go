package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"github.com/coraclehq/coracle"
)

func attach(f *flag.FlagSet) action {
	noStdin := boolFlag(f, "no-stdin", "Do not attach STDIN")
	return func(ctx context.Context, e *coracle.Engine, args []string) error {
		c, err := container(ctx, e, args[0])
		if err != nil {
			return err
		}
		s, err := c.Status(ctx)
		if err != nil {
			return err
		}
		if s.State != coracle.Running {
			return errors.New("you cannot attach to a stopped container, start it first")
		}
		// Only a terminal has an input that somebody else can write to.
		tty := s.Config.Cmd.Terminal
		err = foreground(ctx, tty, tty && !*noStdin, attaching(c))
		if errors.Is(err, errDetached) {
			fmt.Fprintln(os.Stderr, "read escape sequence")
			return nil
		}
		return err
	}
}

// errDetached: the user has gone, not the container.
var errDetached = errors.New("detached")

// attaching joins a container that runs. What would kill it ends that instead.
func attaching(c *coracle.Container) starter {
	return func(_ context.Context, streams coracle.IO) (running, error) {
		ctx, detach := context.WithCancelCause(context.Background())
		if streams.Resize != nil {
			streams.Resize = nudged(streams.Resize)
		}
		if streams.Stdin != nil {
			streams.Stdin = &keys{from: bufio.NewReader(streams.Stdin), detach: func() { detach(errDetached) }}
		}
		send := func(s syscall.Signal) error {
			if s == syscall.SIGKILL {
				detach(reported(128 + syscall.SIGINT))
				return nil
			}
			return c.Signal(ctx, s)
		}
		return running{send, func(context.Context) error {
			if err := c.Attach(ctx, streams); err != nil {
				return err
			}
			return c.Wait(ctx)
		}}, nil
	}
}

// nudged are sizes of which the first differs for a moment from the one before, so
// that a program which had drawn its screen for somebody else draws it again.
func nudged(sizes <-chan coracle.Size) <-chan coracle.Size {
	all := make(chan coracle.Size)
	go func() {
		first := <-sizes
		all <- coracle.Size{Width: first.Width + 1, Height: first.Height + 1}
		time.Sleep(50 * time.Millisecond) // long enough for the program to see it
		all <- first
		for s := range sizes {
			all <- s
		}
	}()
	return all
}

// keys are what the user types until Ctrl-P Ctrl-Q, as docker has it.
type keys struct {
	from   io.ByteReader
	detach func()
	held   bool // a Ctrl-P that was not handed on yet
}

func (k *keys) Read(b []byte) (int, error) {
	const ctrlP, ctrlQ = 0x10, 0x11
	if len(b) < 2 {
		return 0, io.ErrShortBuffer
	}
	for {
		typed, err := k.from.ReadByte()
		switch {
		case err != nil && k.held:
			k.held = false
			return copy(b, []byte{ctrlP}), nil
		case err != nil:
			return 0, err
		case k.held && typed == ctrlQ:
			k.detach()
			return 0, io.EOF
		case k.held && typed == ctrlP:
			return copy(b, []byte{ctrlP}), nil // the second one is held now
		case k.held:
			k.held = false
			return copy(b, []byte{ctrlP, typed}), nil
		case typed == ctrlP:
			k.held = true
		default:
			return copy(b, []byte{typed}), nil
		}
	}
}
