package main

import (
	"flag"
	"fmt"
	"strings"
)

// A flag is declared once by all its names: "e env" is -e and --env.

func boolFlag(f *flag.FlagSet, names, usage string) *bool {
	v := new(bool)
	for _, n := range strings.Fields(names) {
		f.BoolVar(v, n, false, usage)
	}
	return v
}

func stringFlag(f *flag.FlagSet, names, value, usage string) *string {
	v := new(string)
	for _, n := range strings.Fields(names) {
		f.StringVar(v, n, value, usage)
	}
	return v
}

// list is what a flag was given, each time that it was; nil: never.
type list []string

func (l *list) String() string     { return strings.Join(*l, ",") }
func (l *list) Set(s string) error { *l = append(*l, s); return nil }

func listFlag(f *flag.FlagSet, names, usage string) *list {
	v := new(list)
	for _, n := range strings.Fields(names) {
		f.Var(v, n, usage)
	}
	return v
}

// parse reads a command line as docker does and returns its arguments: letters may
// be joined (-it, -itd, -eNAME=value), a name of several letters has two dashes,
// and "--" ends the flags. Unless mixed is set, so does the first argument.
func parse(f *flag.FlagSet, args []string, mixed bool) (rest []string, err error) {
	for len(args) > 0 {
		arg := args[0]
		switch {
		case arg == "--":
			return append(rest, args[1:]...), nil
		case strings.HasPrefix(arg, "--"):
			name, value, given := strings.Cut(arg[2:], "=")
			args, err = assign(f, "--"+name, name, value, given, args[1:])
		case len(arg) > 1 && arg[0] == '-':
			letter, value := arg[1:2], arg[2:]
			l := f.Lookup(letter)
			if l == nil {
				return nil, fmt.Errorf("unknown shorthand flag: %q in %s", letter[0], arg)
			}
			if isBool(l) && value != "" && value[0] != '=' {
				args, value = append([]string{"", "-" + value}, args[1:]...), "" // the other letters come next
			}
			given := value != ""
			args, err = assign(f, "-"+letter, letter, strings.TrimPrefix(value, "="), given, args[1:])
		case !mixed:
			return args, nil
		default:
			rest, args = append(rest, arg), args[1:]
		}
		if err != nil {
			return nil, err
		}
	}
	return rest, nil
}

// assign gives a flag its value, which may be the next of args, and returns the
// others.
func assign(f *flag.FlagSet, shown, name, value string, given bool, args []string) ([]string, error) {
	found := f.Lookup(name)
	switch {
	case found == nil && name == "help":
		return nil, flag.ErrHelp
	case found == nil || len(shown) != len(name)+min(len(name), 2): // -name or --n
		return nil, fmt.Errorf("unknown flag: %s", shown)
	case given:
	case isBool(found):
		value = "true"
	case len(args) == 0:
		return nil, fmt.Errorf("flag needs an argument: %s", shown)
	default:
		value, args = args[0], args[1:]
	}
	if err := f.Set(name, value); err != nil {
		return nil, fmt.Errorf("invalid argument %q for %s: %w", value, shown, err)
	}
	return args, nil
}

func isBool(f *flag.Flag) bool {
	b, ok := f.Value.(interface{ IsBoolFlag() bool })
	return ok && b.IsBoolFlag()
}

// help prints how the command is used.
func (c command) help(f *flag.FlagSet) {
	fmt.Printf("Usage:  coracle %s [OPTIONS] %s\n\n%s\n", c.name, c.args, c.about)
	names := map[flag.Value]string{}
	var order []*flag.Flag
	f.VisitAll(func(l *flag.Flag) {
		dashed := "--" + l.Name
		if len(l.Name) == 1 {
			dashed = "-" + l.Name
		}
		if names[l.Value] == "" {
			order = append(order, l)
		} else if len(l.Name) == 1 {
			dashed += ", " + names[l.Value]
		} else {
			dashed = names[l.Value] + ", " + dashed
		}
		names[l.Value] = dashed
	})
	if len(order) > 0 {
		fmt.Print("\nOptions:\n")
	}
	for _, l := range order {
		value, usage := flag.UnquoteUsage(l)
		fmt.Printf("  %-28s %s\n", strings.TrimSpace(names[l.Value]+" "+value), usage)
	}
}
