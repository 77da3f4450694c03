package main

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/coraclehq/coracle"
)

func kill(f *flag.FlagSet) action {
	signal := stringFlag(f, "s signal", "KILL", "`Signal` to send to the container")
	return func(ctx context.Context, e *coracle.Engine, args []string) error {
		sig, err := parseSignal(*signal)
		if err != nil {
			return err
		}
		return each(args, func(name string) error {
			c, err := container(ctx, e, name)
			if err != nil {
				return err
			}
			if err := c.Signal(ctx, sig); err != nil {
				return err
			}
			fmt.Println(name)
			return nil
		})
	}
}

// parseSignal reads TERM, SIGTERM or 15.
func parseSignal(s string) (syscall.Signal, error) {
	if n, err := strconv.Atoi(s); err == nil && n > 0 && n < 65 {
		return syscall.Signal(n), nil
	}
	name := strings.TrimPrefix(strings.ToUpper(s), "SIG")
	// In the order of their numbers from 1, which amd64 and arm64 share: signal(7).
	names := strings.Fields(`HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT
		CHLD CONT STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS`)
	if i := slices.Index(names, name); i >= 0 {
		return syscall.Signal(i + 1), nil
	}
	return 0, fmt.Errorf("invalid signal: %s", s)
}
