package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strconv"
	"syscall"
	"time"

	"github.com/coraclehq/coracle"
)

func stop(f *flag.FlagSet) action {
	name := stringFlag(f, "s signal", "", "`Signal` to send to the container")
	timeout := stringFlag(f, "t time timeout", "", "`Seconds` to wait before killing the container (-1: as long as it takes)")
	return func(ctx context.Context, e *coracle.Engine, args []string) error {
		if *name == "" && *timeout == "" { // as the container's Config says
			return each(args, func(name string) error {
				c, err := container(ctx, e, name)
				if err != nil {
					return err
				}
				return stopped(c.Stop(ctx), name)
			})
		}
		sig, err := parseSignal(first(*name, "TERM"))
		if err != nil {
			return err
		}
		seconds, err := strconv.Atoi(first(*timeout, "10"))
		if err != nil {
			return fmt.Errorf("invalid argument %q for --timeout", *timeout)
		}
		return each(args, func(name string) error {
			c, err := container(ctx, e, name)
			if err != nil {
				return err
			}
			return stopped(stopWith(ctx, c, sig, seconds), name)
		})
	}
}

// stopWith sends a signal, and after some time SIGKILL.
func stopWith(ctx context.Context, c *coracle.Container, sig syscall.Signal, seconds int) error {
	if err := c.Signal(ctx, sig); err != nil {
		return err
	}
	patient, cancel := context.WithTimeout(ctx, time.Duration(seconds)*time.Second)
	if seconds < 0 {
		patient, cancel = context.WithCancel(ctx)
	}
	defer cancel()
	err := c.Wait(patient)
	if errors.Is(err, context.DeadlineExceeded) {
		if err = c.Signal(ctx, syscall.SIGKILL); err == nil {
			err = c.Wait(ctx)
		}
	}
	if exit := new(coracle.ExitError); errors.As(err, &exit) {
		return nil // however it ended, it has
	}
	return err
}

// stopped prints the name as docker does. To docker, a container that does not run
// has been stopped.
func stopped(err error, name string) error {
	if err == nil || errors.Is(err, coracle.ErrNotRunning) {
		fmt.Println(name)
		return nil
	}
	return err
}

func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}
