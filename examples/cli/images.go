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
	"time"

	"github.com/coraclehq/coracle"
)

func images(f *flag.FlagSet) action {
	quiet := boolFlag(f, "q quiet", "Only show image IDs")
	whole := boolFlag(f, "no-trunc", "Don't truncate output")
	return func(ctx context.Context, e *coracle.Engine, args []string) error {
		rows, failed := imageRows(ctx, e)
		w := table(os.Stdout)
		if !*quiet {
			fmt.Fprintln(w, "REPOSITORY\tTAG\tIMAGE ID\tCREATED\tSIZE")
		}
		shown := map[string]bool{} // IDs, each of which is shown once
		for _, r := range rows {
			id := r.id
			if !*whole {
				id = short(id)
			}
			switch {
			case len(args) > 0 && args[0] != r.repository && args[0] != r.repository+":"+r.tag:
			case *quiet && shown[id]:
			case *quiet:
				fmt.Fprintln(w, id)
				shown[id] = true
			default:
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", r.repository, r.tag, id, since(r.created), decimal(r.size))
			}
		}
		if err := w.Flush(); err != nil {
			return err
		}
		return failed
	}
}

// imageRow is an image under one of its names.
type imageRow struct {
	repository, tag, id string
	created             time.Time
	size                int64
}

// imageRows are all images, the newest first, and whether one could not be read.
func imageRows(ctx context.Context, e *coracle.Engine) (rows []imageRow, failed error) {
	for i, err := range e.Images(ctx) {
		var some []imageRow
		if err == nil {
			some, err = rowsOf(ctx, i)
		}
		if err != nil {
			failed = reported(exitCode(err))
		}
		rows = append(rows, some...)
	}
	slices.SortStableFunc(rows, func(a, b imageRow) int {
		return cmp.Or(b.created.Compare(a.created), strings.Compare(a.repository, b.repository), strings.Compare(a.tag, b.tag))
	})
	return rows, failed
}

func rowsOf(ctx context.Context, i *coracle.Image) (rows []imageRow, err error) {
	cfg, err := i.Config(ctx)
	if err != nil {
		return nil, err
	}
	size, err := i.Size(ctx)
	if err != nil {
		return nil, err
	}
	names, err := i.Names(ctx)
	if len(names) == 0 {
		names = []string{"<none>:<none>"}
	}
	for _, n := range names {
		repository, tag := n, "latest" // that of the machine itself has no tag
		if at := strings.LastIndexByte(n, ':'); at > strings.LastIndexByte(n, '/') {
			repository, tag = n[:at], n[at+1:]
		}
		rows = append(rows, imageRow{repository, tag, i.ID(), cfg.Created, size})
	}
	return rows, err
}

// since is how long ago an image was made, if it says so.
func since(t time.Time) string {
	if t.IsZero() {
		return "N/A"
	}
	return ago(t) + " ago"
}

// decimal is a size in three digits and the units of disk makers, as docker shows
// it.
func decimal(n int64) string {
	size, unit := float64(n), 0
	units := []string{"B", "kB", "MB", "GB", "TB", "PB", "EB"}
	for size >= 999.5 {
		size /= 1000
		unit++
	}
	return strconv.FormatFloat(size, 'g', 3, 64) + units[unit]
}
