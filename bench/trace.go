package main

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// traced is a system call in what strace -f wrote.
type traced struct {
	name, args, result string
}

var (
	traceLine = regexp.MustCompile(`^(\d+) +(.*)$`)
	traceCall = regexp.MustCompile(`^(\w+)\((.*)\) += (-?\d+|0x[0-9a-f]+|\?)`)
)

// parseTrace returns the calls of each process, in order.
func parseTrace(text string) map[string][]traced {
	calls := map[string][]traced{}
	unfinished := map[string]string{}
	for line := range strings.Lines(text) {
		m := traceLine.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil {
			continue
		}
		pid, rest := m[1], m[2]
		if before, ok := strings.CutSuffix(rest, " <unfinished ...>"); ok {
			unfinished[pid] = before
			continue
		}
		if i := strings.Index(rest, " resumed>"); strings.HasPrefix(rest, "<... ") && i > 0 {
			rest = unfinished[pid] + rest[i+len(" resumed>"):]
		}
		if f := traceCall.FindStringSubmatch(rest); f != nil {
			calls[pid] = append(calls[pid], traced{f[1], f[2], f[3]})
		}
	}
	return calls
}

// executed cuts the calls of a process after the exec that succeeded.
func executed(calls []traced) ([]traced, error) {
	i := slices.IndexFunc(calls, func(c traced) bool { return c.name == "execve" && c.result == "0" })
	if i < 0 {
		return nil, errors.New("the trace has no exec of the container's program")
	}
	return calls[:i+1], nil
}

var errTrace = errors.New("the trace has no helper, or no process that it cloned")

// ofLibrary finds the calls that set the container's process up, in the process that
// a helper cloned. Of an exec those come first by which another process joined the
// cgroups and namespaces, before it forked this one.
func ofLibrary(calls map[string][]traced, exec bool) ([]traced, error) {
	for _, all := range calls {
		helper := slices.IndexFunc(all, func(c traced) bool { return c.name == "execveat" && strings.Contains(c.args, `["coracle"`) })
		if helper < 0 {
			continue
		}
		child, ok := cloned(all[helper+1:])
		if !ok {
			continue
		}
		var joined []traced
		if exec {
			joining := calls[child]
			if child, ok = cloned(joining); !ok {
				continue // the helper of the container's first process
			}
			for _, c := range joining {
				if c.name == "clone" || c.name == "clone3" {
					break
				}
				joined = append(joined, c)
			}
		}
		own, err := executed(calls[child])
		return append(joined, own...), err
	}
	return nil, errTrace
}

// cloned is the process that the first clone made.
func cloned(calls []traced) (string, bool) {
	for _, c := range calls {
		if c.name == "clone" || c.name == "clone3" {
			return c.result, true
		}
	}
	return "", false
}

// ofLimit finds the calls of the process that the C limit cloned.
func ofLimit(calls map[string][]traced) ([]traced, error) {
	for _, all := range calls {
		if child, ok := cloned(all); ok {
			return executed(calls[child])
		}
	}
	return nil, errTrace
}

// compareTraces says how the C limit's calls differ from the library's. Without the
// closes of the supervisor's descriptors both are to be the same, name by name.
func compareTraces(library, limit []traced, closed int) error {
	names := func(calls []traced) (all []string) {
		for _, c := range calls {
			all = append(all, c.name)
		}
		return all
	}
	ours, theirs := names(library), names(limit)
	skipped, at := 0, 0
	for i, name := range ours {
		switch {
		case at < len(theirs) && name == theirs[at]:
			at++
		case name == "close" && skipped < closed:
			skipped++
		case at == len(theirs):
			return fmt.Errorf("the library makes %d calls, the C limit %d", len(ours), len(theirs))
		default:
			return fmt.Errorf("call %d is %s in the library and %s in the C limit", i, name, theirs[at])
		}
	}
	if skipped != closed || at != len(theirs) {
		return fmt.Errorf("the library makes %d calls, %d of them closes of the supervisor's descriptors, and the C limit %d", len(ours), skipped, len(theirs))
	}
	return nil
}
