package main

import (
	"flag"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParse(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		line  string
		mixed bool
		want  string // the flags that are set, then the arguments
		err   string
	}{
		{line: "-it img sh", want: "i t | img sh"},
		{line: "-itd img", want: "i t d | img"},
		{line: "-i -t img -d", want: "i t | img -d"},
		{line: "--interactive --tty=true img", want: "i t | img"},
		{line: "--tty=false img", want: "| img"},
		{line: "-t=false img", want: "| img"},
		{line: "-ite A=b img", want: "i t A=b | img"},
		{line: "-iteA=b img", want: "i t A=b | img"},
		{line: "-e=A=b --env C=d --env=E -eF img", want: "A=b C=d E F | img"},
		{line: "-e -t img", want: "-t | img"},
		{line: "-- img -t", want: "| img -t"},
		{line: "- -t", want: "| - -t"},
		{line: "a -t b", mixed: true, want: "t | a b"},
		{line: "a -- -t b", mixed: true, want: "| a -t b"},
		{line: "", want: "|"},
		{line: "-x", err: "unknown shorthand flag: 'x' in -x"},
		{line: "-itx", err: "unknown shorthand flag: 'x' in -x"},
		{line: "-tty", err: "unknown shorthand flag: 'y' in -y"},
		{line: "-txi", err: "unknown shorthand flag: 'x' in -xi"},
		{line: "--t", err: "unknown flag: --t"},
		{line: "--bogus", err: "unknown flag: --bogus"},
		{line: "-e", err: "flag needs an argument: -e"},
		{line: "--env", err: "flag needs an argument: --env"},
		{line: "--tty=perhaps", err: `invalid argument "perhaps" for --tty`},
		{line: "--help", err: flag.ErrHelp.Error()},
		{line: "--", want: "|"},
		{line: "--=x", err: "unknown flag: --"},
		{line: "-=x", err: "unknown shorthand flag: '=' in -=x"},
	} {
		t.Run(tt.line, func(t *testing.T) {
			t.Parallel()
			f := flag.NewFlagSet("test", flag.ContinueOnError)
			i, tty, d := boolFlag(f, "i interactive", ""), boolFlag(f, "t tty", ""), boolFlag(f, "d detach", "")
			e := listFlag(f, "e env", "")
			rest, err := parse(f, strings.Fields(tt.line), tt.mixed)
			if tt.err != "" {
				require.ErrorContains(t, err, tt.err)
				return
			}
			require.NoError(t, err)
			var got []string
			for _, set := range []struct {
				name string
				on   bool
			}{{"i", *i}, {"t", *tty}, {"d", *d}} {
				if set.on {
					got = append(got, set.name)
				}
			}
			got = append(append(append(got, *e...), "|"), rest...)
			assert.Equal(t, tt.want, strings.Join(got, " "))
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add("-itd --env=A img -- x", true)
	f.Fuzz(func(t *testing.T, line string, mixed bool) {
		set := flag.NewFlagSet("test", flag.ContinueOnError)
		boolFlag(set, "i interactive", "")
		listFlag(set, "e env", "")
		args := strings.Split(line, " ")
		rest, err := parse(set, args, mixed)
		if err == nil {
			assert.LessOrEqual(t, len(rest), len(args))
		}
	})
}
