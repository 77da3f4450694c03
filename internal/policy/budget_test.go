package policy

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What the root module may cost a program that uses it.
const (
	maxDirect = 12 // modules required by the root, beyond the fixed ones
	maxLinked = 30 // modules of which code is built
	maxListed = 50 // modules in the build list
)

// fixed are the modules that are used for what they are for, and do not count.
var fixed = []string{
	"github.com/opencontainers/runtime-spec",
	"github.com/containerd/cgroups/v3",
	"github.com/moby/sys/mountinfo",
	"github.com/vishvananda/netns",
	"github.com/stretchr/testify",
}

// goCommand runs the go command on the root module as its users see it, outside
// of the workspace, for Linux.
func goCommand(t *testing.T, env []string, args ...string) []byte {
	t.Helper()
	cmd := exec.Command("go", args...)
	cmd.Dir = top
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOOS=linux", "GOFLAGS=-buildvcs=false")
	cmd.Env = append(cmd.Env, env...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, "go %s: %s", strings.Join(args, " "), stderr.String())
	return out
}

// lines are the distinct lines of a text that are not empty.
func lines(text []byte) []string {
	l := strings.Fields(string(text))
	slices.Sort(l)
	return slices.Compact(l)
}

func TestDirectModules(t *testing.T) {
	t.Parallel()
	var mod struct {
		Require []struct {
			Path     string
			Indirect bool
		}
		Replace, Exclude []json.RawMessage
	}
	require.NoError(t, json.Unmarshal(goCommand(t, nil, "mod", "edit", "-json"), &mod))
	// go install pkg@version refuses a module with either.
	assert.Empty(t, mod.Replace, "replace lines")
	assert.Empty(t, mod.Exclude, "exclude lines")

	var direct []string
	for _, r := range mod.Require {
		if !r.Indirect && !slices.Contains(fixed, r.Path) {
			direct = append(direct, r.Path)
		}
	}
	assert.LessOrEqual(t, len(direct), maxDirect, "%q", direct)
	t.Logf("%d direct modules beyond the fixed %d, of at most %d", len(direct), len(fixed), maxDirect)
}

func TestLinkedModules(t *testing.T) {
	t.Parallel()
	out := goCommand(t, []string{"CGO_ENABLED=0"}, "list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}}{{end}}{{end}}", "./...")
	linked := lines(out)
	assert.LessOrEqual(t, len(linked), maxLinked, "%q", linked)
	t.Logf("%d linked modules of at most %d", len(linked), maxLinked)
}

func TestListedModules(t *testing.T) {
	t.Parallel()
	listed := lines(goCommand(t, nil, "list", "-m", "-f", "{{.Path}}", "all"))
	assert.LessOrEqual(t, len(listed), maxListed, "%q", listed)
	t.Logf("%d modules in the build list of at most %d", len(listed), maxListed)
}

// The standard library uses cgo where it is allowed to, for names and users; no
// module may.
func TestNoCgo(t *testing.T) {
	t.Parallel()
	out := goCommand(t, []string{"CGO_ENABLED=1"}, "list", "-deps", "-f", "{{if and .CgoFiles (not .Standard)}}{{.ImportPath}}{{end}}", "./...")
	assert.Empty(t, lines(out), "packages with cgo")
}
