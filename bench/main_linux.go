package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 4 && args[0] == "host" {
		heap, err1 := strconv.Atoi(args[2])
		ready, err2 := strconv.Atoi(args[3])
		return errors.Join(err1, err2, host(hostOptions{args[1], heap, ready}))
	}
	if len(args) == 0 || args[0] != "start" && args[0] != "exec" {
		return errors.New("usage: bench start|exec [flags]")
	}
	b := &bench{out: os.Stdout}
	flags := flag.NewFlagSet("bench "+args[0], flag.ContinueOnError)
	flags.IntVar(&b.rounds, "rounds", 200, "rounds of one at a time")
	at := flags.String("at", "", "how many at once, with commas (start: 1,8,32,50; exec: 1,8,32)")
	flags.StringVar(&b.parent, "dir", os.TempDir(), "`directory` on the file system that is measured")
	flags.IntVar(&b.heap, "heap", 2048, "heap of the large host program, `MB`")
	only := flags.String("only", "", "names or parts of names of the contenders, with commas; the C limit is always there")
	flags.DurationVar(&b.pause, "pause", 5*time.Second, "how long each kind of pause is watched for, in start")
	flags.DurationVar(&b.settle, "settle", 10*time.Millisecond, "pause before each measurement")
	if err := flags.Parse(args[1:]); errors.Is(err, flag.ErrHelp) {
		return nil
	} else if err != nil {
		return err
	}
	if *only != "" {
		b.only = strings.Split(*only, ",")
	}
	if err := b.counts(args[0], *at); err != nil {
		return err
	}
	if os.Geteuid() != 0 {
		return errors.New("not measured: overlay, namespaces and cgroups of the peers need root")
	}
	// An interrupt, or a reader that has gone, ends the run between two tables, so that
	// nothing stays.
	interrupts := make(chan os.Signal, 1)
	signal.Notify(interrupts, os.Interrupt, syscall.SIGTERM, syscall.SIGPIPE)
	b.interrupted = interrupts
	return b.measure(args[0])
}

// counts parses how many are started at once.
func (b *bench) counts(what, at string) error {
	if at == "" {
		at = "1,8,32"
		if what == "start" {
			at += ",50"
		}
	}
	for s := range strings.SplitSeq(at, ",") {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || n > 1000 {
			return fmt.Errorf("-at %s: %q is no number from 1 to 1000", at, s)
		}
		b.at = append(b.at, n)
	}
	return nil
}
