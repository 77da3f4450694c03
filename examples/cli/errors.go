package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/coraclehq/coracle"
)

// reported is an exit code without a further message.
type reported int

func (r reported) Error() string { return fmt.Sprintf("exit status %d", int(r)) }

// exitCode prints an error and returns what the tool exits with.
func exitCode(err error) int {
	var exit *coracle.ExitError
	var program *coracle.StartError
	var code reported
	switch {
	case err == nil:
		return 0
	case errors.As(err, &code):
		return int(code)
	case errors.As(err, &exit) && !exit.Lost:
		return exit.Code
	}
	text := err.Error()
	if named := new(coracle.Error); errors.As(err, &named) && len(named.Name) == 64 {
		text = strings.ReplaceAll(text, named.Name, short(named.Name))
	}
	fmt.Fprintln(os.Stderr, "Error:", text)
	switch {
	case errors.As(err, &exit):
		return exit.Code
	case errors.As(err, &program):
		return program.Code
	}
	return 125
}

// each does something with each of several things, and goes on when one fails.
func each(names []string, do func(name string) error) error {
	var failed error
	for _, name := range names {
		if err := do(name); err != nil {
			failed = reported(exitCode(err))
		}
	}
	return failed
}

// missing is what docker says of a name that nothing has.
type missing struct{ what, name string }

func (m missing) Error() string { return fmt.Sprintf("No such %s: %s", m.what, m.name) }
func (missing) Unwrap() error   { return coracle.ErrNotFound }

// absent says that nothing has the name that was looked up, be it that nothing can.
func absent(err error) bool {
	return errors.Is(err, coracle.ErrNotFound) || errors.Is(err, coracle.ErrInvalid)
}
