package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/coraclehq/coracle"
)

func ps(f *flag.FlagSet) action {
	all := boolFlag(f, "a all", "Show all containers (default shows just running)")
	quiet := boolFlag(f, "q quiet", "Only display container IDs")
	whole := boolFlag(f, "no-trunc", "Don't truncate output")
	return func(ctx context.Context, e *coracle.Engine, _ []string) error {
		found, failed := statuses(ctx, e)
		w := table(os.Stdout)
		if !*quiet {
			fmt.Fprintln(w, "CONTAINER ID\tIMAGE\tCOMMAND\tCREATED\tSTATUS\tPORTS\tNAMES")
		}
		for _, s := range found {
			id := s.ID
			if !*whole {
				id = short(id)
			}
			switch {
			case !*all && s.State != coracle.Running:
			case *quiet:
				fmt.Fprintln(w, id)
			default:
				fmt.Fprintf(w, "%s\t%s\t%s\t%s ago\t%s\t\t%s\n",
					id, first(s.ImageName, short(s.Image)), line(arguments(ctx, e, s), *whole), ago(s.Created), state(s), s.Name)
			}
		}
		if err := w.Flush(); err != nil {
			return err
		}
		return failed
	}
}

// statuses are those of all containers, the newest first, and whether one could not
// be read.
func statuses(ctx context.Context, e *coracle.Engine) (all []coracle.Status, failed error) {
	for c, err := range e.Containers(ctx) {
		var s coracle.Status
		if err == nil {
			s, err = c.Status(ctx)
		}
		if err != nil {
			failed = reported(exitCode(err))
			continue
		}
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b coracle.Status) int {
		return cmp.Or(b.Created.Compare(a.Created), strings.Compare(a.ID, b.ID))
	})
	return all, failed
}

// state is what docker writes into the column STATUS.
func state(s coracle.Status) string {
	switch s.State {
	case coracle.Running:
		return "Up " + ago(s.Started)
	case coracle.Exited:
		if s.Finished.IsZero() { // nobody saw the end
			return fmt.Sprintf("Exited (%d)", s.ExitCode)
		}
		return fmt.Sprintf("Exited (%d) %s ago", s.ExitCode, ago(s.Finished))
	}
	return "Created"
}

// line is a command as docker shows it: in quotes, and at most 20 characters of it.
func line(args []string, whole bool) string {
	var words []string
	for i, a := range args {
		if i > 0 && strings.Contains(a, " ") {
			a = "'" + a + "'"
		}
		words = append(words, a)
	}
	text := []rune(strings.Join(words, " "))
	if len(text) > 20 && !whole {
		text = append(text[:19], '…')
	}
	return strconv.Quote(string(text))
}

// table aligns columns that are separated by tabs as docker does.
func table(to *os.File) *tabwriter.Writer { return tabwriter.NewWriter(to, 10, 1, 3, ' ', 0) }

// short is an ID as it is shown, 12 digits of it.
func short(id string) string {
	id = strings.TrimPrefix(id, "sha256:")
	return id[:min(12, len(id))]
}

// ago is in docker's words how long ago t was.
func ago(t time.Time) string {
	d := time.Since(t)
	hours := int(d.Hours() + 0.5)
	switch {
	case d < time.Second:
		return "Less than a second"
	case d < 2*time.Second:
		return "1 second"
	case d < time.Minute:
		return fmt.Sprintf("%d seconds", int(d.Seconds()))
	case d < 2*time.Minute:
		return "About a minute"
	case d < time.Hour:
		return fmt.Sprintf("%d minutes", int(d.Minutes()))
	case hours == 1:
		return "About an hour"
	}
	for _, unit := range []struct {
		name         string
		hours, below int
	}{{"hours", 1, 48}, {"days", 24, 24 * 14}, {"weeks", 24 * 7, 24 * 60}, {"months", 24 * 30, 24 * 365 * 2}} {
		if hours < unit.below {
			return fmt.Sprintf("%d %s", hours/unit.hours, unit.name)
		}
	}
	return fmt.Sprintf("%d years", hours/24/365)
}
