package coracle

import (
	"bytes"
	"context"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coraclehq/coracle/internal/script"
	"github.com/coraclehq/coracle/internal/testenv"
)

// traced, in the environment, is the store in which a test process starts the
// container "traced" when it runs under strace.
const traced = "CORACLE_TEST_TRACED"

// What Explain prints is what a start does: a start under strace makes the calls of
// the program, in their order, with their strings.
func TestExplainIsWhatHappens(t *testing.T) {
	testenv.Root(t)
	ctx := context.Background()
	if dir := os.Getenv(traced); dir != "" {
		e, err := Open(dir, nil)
		require.NoError(t, err)
		c, err := e.Container(ctx, "traced")
		require.NoError(t, err)
		require.NoError(t, c.Run(ctx, IO{}))
		require.NoError(t, e.Close())
		return
	}
	strace, err := exec.LookPath("strace")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("%v: run make deps", err)
		}
		t.Skipf("%v: run make deps", err)
	}
	e := testEngine(t)
	img, err := e.NewImage(ctx, "host", FromHost())
	require.NoError(t, err)
	c, err := e.Create(ctx, img, Config{Name: "traced", Cmd: Cmd{Args: []string{"true"}}})
	require.NoError(t, err)
	p, err := c.program(ctx)
	require.NoError(t, err)

	file := filepath.Join(t.TempDir(), "strace")
	cmd := exec.Command(strace, "-f", "-s", "65536", "-o", file, os.Args[0], "-test.run=^TestExplainIsWhatHappens$")
	cmd.Env = append(os.Environ(), traced+"="+e.store.Path())
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	supervisor, container := processes(t, text)

	w := walker{t: t, lines: p.Lines()}
	made := w.walk(0, supervisor)
	require.Greater(t, made, 20)
	t.Logf("the supervisor made the %d calls that are in the list", made)
	// With cgroup v2 it is clone3.
	forked := 1 + slices.IndexFunc(w.lines, func(l script.Line) bool { return l.Call == script.Clone || l.Call == script.Clone3 })
	made = w.walk(forked, container)
	require.Greater(t, made, 100)
	t.Logf("the container's process made the %d calls that are in the list", made)
}

// call is a system call that strace saw.
type call struct {
	name, text string
	result     int
	errno      string
}

var (
	straceLine = regexp.MustCompile(`^(\d+) +(.*)$`)
	finished   = regexp.MustCompile(`^(\w+)\((.*)\) += (-?\d+|0x[0-9a-f]+|\?)(?: (E\w+))?`)
)

// processes finds the calls of the helper, from its exec on, and those of the
// process that it clones, to its exec.
func processes(t *testing.T, text []byte) (supervisor, container []call) {
	calls := map[string][]call{}
	unfinished := map[string]string{}
	var helper, child string
	for line := range bytes.Lines(text) {
		m := straceLine.FindStringSubmatch(strings.TrimSpace(string(line)))
		require.NotNil(t, m, "%s", line)
		pid, rest := m[1], m[2]
		if before, ok := strings.CutSuffix(rest, " <unfinished ...>"); ok {
			unfinished[pid] = before
			continue
		}
		if i := strings.Index(rest, " resumed>"); strings.HasPrefix(rest, "<... ") && i > 0 {
			rest = unfinished[pid] + rest[i+len(" resumed>"):]
		}
		f := finished.FindStringSubmatch(rest)
		if f == nil {
			continue // signals, exits
		}
		result, _ := strconv.ParseInt(f[3], 0, 64)
		c := call{f[1], f[2], int(result), f[4]}
		if c.name == "execveat" && strings.Contains(c.text, `["coracle"`) {
			helper = pid
			calls[pid] = nil // the launcher's are another program's
			continue
		}
		calls[pid] = append(calls[pid], c)
		if pid == helper && (c.name == "clone" || c.name == "clone3") && child == "" {
			child = strconv.Itoa(c.result)
		}
	}
	require.NotEmpty(t, child)
	container = calls[child]
	exec := slices.IndexFunc(container, func(c call) bool { return c.name == "execve" && c.errno == "" })
	require.Positive(t, exec)
	return calls[helper], container[:exec+1]
}

// walker follows a program with the results that were seen.
type walker struct {
	t     *testing.T
	lines []script.Line
}

func (w walker) label(name string) int {
	i := slices.IndexFunc(w.lines, func(l script.Line) bool { return slices.Contains(l.Labels, name) })
	require.GreaterOrEqual(w.t, i, 0, "label %s", name)
	return i
}

// walk compares the calls with the program from op at on and returns how many there
// were. What a pseudo-op finds in memory is not known here, so every way that it can
// go is followed; at least one must lead through all calls.
func (w walker) walk(at int, calls []call) int {
	places := map[int]bool{at: true}
	for n, c := range calls {
		next := map[int]bool{}
		for at := range places {
			for made := range w.makers(at, c, map[int]bool{}) {
				next[w.after(made, c)] = true
			}
		}
		require.NotEmpty(w.t, next, "call %d, %s(%s), is not what the program makes after the %d before", n, c.name, c.text, n)
		places = next
	}
	return len(calls)
}

// makers are the ops that can have made call c when op at comes next.
func (w walker) makers(at int, c call, seen map[int]bool) map[int]bool {
	found := map[int]bool{}
	for at < len(w.lines) && !seen[at] {
		seen[at] = true
		l := w.lines[at]
		if l.Call != script.Add {
			if w.matches(l, c) {
				found[at] = true
			}
			break
		}
		if l.Then != "" {
			maps.Copy(found, w.makers(w.label(l.Then), c, seen))
		}
		at++
	}
	return found
}

// matches says whether an op can have made a call: its name, every string, and the
// numbers that both sides show as such.
func (w walker) matches(l script.Line, c call) bool {
	if l.Call.String() != c.name {
		return false
	}
	seen := splitArguments(c.text)
	for i, a := range l.Args {
		want, err := strconv.ParseInt(a, 0, 64)
		if err != nil || i >= len(seen) {
			continue
		}
		if got, err := strconv.ParseInt(seen[i], 0, 64); err == nil && got != want {
			return false
		}
	}
	for _, a := range l.Args {
		if strings.HasPrefix(a, `"`) && len(a) > 2 && !strings.Contains(c.text, a) {
			return false
		}
	}
	return true
}

// after is the op that follows one with a result.
func (w walker) after(at int, c call) int {
	l := w.lines[at]
	switch {
	case c.errno != "" && l.OnErr != "":
		return w.label(l.OnErr)
	case c.errno != "":
		require.NotEmpty(w.t, l.Errno, "%s(%s) gave %s, which is not tolerated", c.name, c.text, c.errno)
	case l.If == "0" && c.result == 0, l.If == ">0" && c.result > 0, l.If != "" && l.If != "0" && l.If != ">0" && strconv.Itoa(c.result) == l.If:
		return w.label(l.Then)
	}
	return at + 1
}

// splitArguments splits what strace shows between the parentheses of a call.
func splitArguments(text string) (all []string) {
	depth, quoted, from := 0, false, 0
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[' || c == '(':
			depth++
		case c == '}' || c == ']' || c == ')':
			depth--
		case c == ',' && depth == 0:
			all = append(all, strings.TrimSpace(text[from:i]))
			from = i + 1
		}
	}
	return append(all, strings.TrimSpace(text[from:]))
}
