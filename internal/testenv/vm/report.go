package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
)

// An event is a line of go test -json; see go doc test2json.
type event struct {
	Action  string
	Package string
	Test    string
	Output  string
	Elapsed float64
}

// A report prints of go test's lines those that somebody reads: the packages',
// all of a test that failed, and why one was skipped. The rest it counts.
type report struct {
	w       io.Writer
	uid     int
	verbose bool
	begin   time.Time
	output  map[[2]string][]string // of tests that have not ended, by package and test

	packages, passed, failed, skipped int
	unexpected                        int // skips that do not stand in the list
	reasons                           map[string]int
}

func newReport(w io.Writer, uid int, verbose bool) *report {
	return &report{w: w, uid: uid, verbose: verbose, begin: time.Now(), output: map[[2]string][]string{}, reasons: map[string]int{}}
}

func (r *report) read(events io.Reader) error {
	lines := bufio.NewScanner(events)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var e event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			fmt.Fprintln(r.w, lines.Text()) // of the go command itself
			continue
		}
		r.event(e)
	}
	return lines.Err()
}

func (r *report) event(e event) {
	key := [2]string{e.Package, e.Test}
	switch {
	case e.Action == "output" || e.Action == "build-output":
		if r.verbose || e.Test == "" && e.Output != "PASS\n" {
			fmt.Fprint(r.w, e.Output)
		} else if e.Test != "" {
			r.output[key] = append(r.output[key], e.Output)
		}
		if r.verbose && e.Test != "" {
			r.output[key] = append(r.output[key], e.Output)
		}
		return
	case e.Test == "":
		if e.Action == "pass" || e.Action == "fail" {
			r.packages++
			r.interrupted(e.Package)
		}
		return
	case e.Action == "pass":
		r.passed++
	case e.Action == "fail":
		r.failed++
		r.print(key)
	case e.Action == "skip":
		r.skipped++
		r.skip(key)
	default:
		return
	}
	delete(r.output, key)
}

// print shows all that a test wrote.
func (r *report) print(key [2]string) {
	if !r.verbose {
		fmt.Fprint(r.w, strings.Join(r.output[key], ""))
	}
}

// interrupted shows the tests of a package that never ended: the package crashed,
// or its time was over.
func (r *report) interrupted(pkg string) {
	for key, lines := range r.output {
		// What a test that waits for its turn wrote is nothing.
		if key[0] == pkg && len(lines) > 2 {
			fmt.Fprintf(r.w, "=== not ended: %s\n", key[1])
			r.print(key)
			r.failed++
			delete(r.output, key)
		}
	}
}

func (r *report) skip(key [2]string) {
	text := strings.Join(r.output[key], "")
	if why, ok := expected(r.uid, text); ok {
		r.reasons[why]++
		return
	}
	r.unexpected++
	fmt.Fprintf(r.w, "vm: a skip that does not stand in the list:\n")
	r.print(key)
}

func (r *report) summary() {
	fmt.Fprintf(r.w, "vm: uid %d: %d passed, %d failed, %d skipped in %d packages, %.0fs\n",
		r.uid, r.passed, r.failed, r.skipped, r.packages, time.Since(r.begin).Seconds())
	for why, n := range r.reasons {
		fmt.Fprintf(r.w, "vm:   %d skipped: %s\n", n, why)
	}
}
