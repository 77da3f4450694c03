package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/coraclehq/coracle"
)

func logs(f *flag.FlagSet) action {
	follow := boolFlag(f, "f follow", "Follow log output")
	stamps := boolFlag(f, "t timestamps", "Show timestamps")
	tail := stringFlag(f, "n tail", "all", "`Number` of lines to show from the end of the logs")
	since := stringFlag(f, "since", "", "Show logs since `timestamp` (e.g. \"2013-01-02T13:23:37Z\") or relative (e.g. \"42m\")")
	until := stringFlag(f, "until", "", "Show logs before a `timestamp` or relative time")
	return func(ctx context.Context, e *coracle.Engine, args []string) (err error) {
		o := coracle.LogOptions{Follow: *follow}
		if o.Tail, err = lines(*tail); err != nil {
			return err
		}
		if o.Since, err = moment(*since); err != nil {
			return err
		}
		if o.Until, err = moment(*until); err != nil {
			return err
		}
		c, err := container(ctx, e, args[0])
		if err != nil {
			return err
		}
		stdout, stderr := &stamper{to: os.Stdout, on: *stamps}, &stamper{to: os.Stderr, on: *stamps}
		var failed error
		for r, err := range c.Logs(ctx, o) {
			if err != nil {
				failed = reported(exitCode(err)) // a gap, say: what can be read goes on
				continue
			}
			to := stdout
			if r.Stderr {
				to = stderr
			}
			if err := to.write(r); err != nil {
				return err
			}
		}
		return failed
	}
}

// stamper writes records, when on with the time in front of each line, which may
// have been written in several.
type stamper struct {
	to     io.Writer
	on     bool
	within bool // the last record ended within a line
}

func (s *stamper) write(r coracle.LogRecord) error {
	if !s.on {
		_, err := s.to.Write(r.Data)
		return err
	}
	var out []byte
	for line := range bytes.Lines(r.Data) {
		if !s.within {
			out = r.Time.UTC().AppendFormat(out, "2006-01-02T15:04:05.000000000Z07:00 ")
		}
		out = append(out, line...)
		s.within = line[len(line)-1] != '\n'
	}
	_, err := s.to.Write(out)
	return err
}

// lines reads --tail: a number, or all.
func lines(s string) (int, error) {
	n, err := strconv.Atoi(s)
	switch {
	case s == "all" || err == nil && n < 0:
		return 0, nil
	case err != nil:
		return 0, fmt.Errorf("invalid argument %q for --tail", s)
	case n == 0: // to the library, all
		return -1, nil
	}
	return n, nil
}

// moment reads a time of docker's forms: one of the clock, seconds since 1970, or
// how long ago; empty: zero.
func moment(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if d, err := time.ParseDuration(s); err == nil {
		return time.Now().Add(-d), nil
	}
	if n, err := strconv.ParseFloat(s, 64); err == nil {
		return time.UnixMicro(int64(n * 1e6)), nil
	}
	for _, form := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02"} {
		if t, err := time.ParseInLocation(form, s, time.Local); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("invalid time %q", s)
}
