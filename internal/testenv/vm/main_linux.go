package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// The program plays every part itself: what `go run` built is also the guest's
// process 1 and go test's -exec.
func main() {
	var err error
	code := 0
	switch role() {
	case "init":
		err = guest()
	case "agent":
		err = agent()
	case "exec":
		code, err = wrap(os.Args[2:])
	default:
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		code, err = test(ctx, os.Args[1:])
		stop()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "vm:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

func role() string {
	if len(os.Args) < 2 {
		return ""
	}
	return os.Args[1]
}
