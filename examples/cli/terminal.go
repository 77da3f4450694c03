package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"

	"github.com/coraclehq/coracle"
)

// running is a process that was started: how it gets a signal, and how its end is
// waited for.
type running struct {
	send func(syscall.Signal) error
	wait func(context.Context) error
}

type starter func(context.Context, coracle.IO) (running, error)

// foreground starts a process on this program's own streams and waits for its end.
// With tty and stdin the keyboard is the process's alone until then: what would be
// a signal here is a byte that the process's own terminal makes one of.
func foreground(ctx context.Context, tty, stdin bool, start starter) error {
	io := coracle.IO{Stdout: os.Stdout, Stderr: os.Stderr}
	if tty {
		io.Stderr = nil
	}
	if stdin {
		io.Stdin = os.Stdin
	}
	raw := tty && stdin
	if raw {
		if err := checkKeyboard(tty, stdin); err != nil {
			return err
		}
		restore, err := makeRaw(os.Stdin)
		if err != nil {
			return err
		}
		defer restore() // a panic comes by here too
	}
	if tty {
		io.Resize = windowSizes()
	}

	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, passedOn()...)
	defer signal.Stop(signals)
	started := make(chan running, 1)
	go forward(signals, started, raw, func() { cancel(errors.New("interrupted")) })

	p, err := start(ctx, io)
	if err != nil {
		return err
	}
	started <- p
	err = p.wait(context.WithoutCancel(ctx))
	if errors.Is(err, syscall.EPIPE) { // whoever read has enough, as of yes | head
		return reported(128 + syscall.SIGPIPE)
	}
	return err
}

// checkKeyboard refuses to read a terminal's input from what is none.
func checkKeyboard(tty, stdin bool) error {
	if tty && stdin && !isTerminal(os.Stdin) {
		return errors.New("the input device is not a TTY")
	}
	return nil
}

// forward gives the process the signals that this program gets, those that come too
// early as soon as it runs. The second interrupt kills it, and so does the first
// signal of any kind when the process has the keyboard: none was meant for it, the
// window was closed, say. When the process does not run yet, its start is given up.
func forward(signals <-chan os.Signal, started <-chan running, raw bool, giveUp func()) {
	var p running
	var early []syscall.Signal
	interrupts := 0
	for {
		select {
		case p = <-started:
		case s := <-signals:
			sig := s.(syscall.Signal)
			if sig == syscall.SIGINT {
				interrupts++
			}
			// A broken pipe: nobody reads what the process writes any more.
			if raw || interrupts > 1 || sig == syscall.SIGPIPE {
				sig = syscall.SIGKILL
				giveUp()
			}
			early = append(early, sig)
		}
		if p.send != nil {
			for _, sig := range early {
				p.send(sig) // it may have ended, which the wait tells
			}
			early = nil
		}
	}
}

// terminal is the one of this program's streams whose window counts; nil: none.
func terminal() *os.File {
	for _, f := range []*os.File{os.Stdout, os.Stdin, os.Stderr} {
		if isTerminal(f) {
			return f
		}
	}
	return nil
}
