package policy

import (
	"fmt"
	"go/token"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// edges says what each package of the root module may import of the others.
// From the ground up: a package imports only packages that stand above it, and
// the facilities do not import each other. What one facility makes, the root or
// monitor passes to the next as a value.
var edges = []struct {
	pkg  string
	may  []string
	test bool // compiled into tests only: no other package may import it outside of its tests
}{
	{pkg: "internal/sys"},
	{pkg: "internal/probe", may: []string{"internal/sys"}},
	{pkg: "internal/testenv", may: []string{"internal/sys", "internal/probe"}, test: true},
	{pkg: "internal/testenv/vm"},

	{pkg: "internal/script"},
	{pkg: "internal/launch", may: []string{"internal/sys", "internal/probe", "internal/script"}},
	{pkg: "internal/supervisor", may: []string{"internal/sys", "internal/script"}},

	{pkg: "internal/union", may: []string{"internal/sys", "internal/probe"}},
	{pkg: "internal/namespace", may: []string{"internal/sys", "internal/probe"}},
	{pkg: "internal/cgroup", may: []string{"internal/sys", "internal/probe"}},
	{pkg: "internal/seccomp", may: []string{"internal/sys", "internal/probe"}},
	{pkg: "internal/cred", may: []string{"internal/sys", "internal/probe"}},

	{pkg: "internal/compile", may: []string{"internal/sys", "internal/probe", "internal/script", "internal/supervisor", "internal/union", "internal/namespace", "internal/cgroup", "internal/seccomp", "internal/cred"}},

	{pkg: "internal/layer", may: []string{"internal/sys", "internal/probe"}},
	{pkg: "internal/archive", may: []string{"internal/sys"}},
	{pkg: "internal/store", may: []string{"internal/sys", "internal/probe"}},

	{pkg: "internal/monitor", may: []string{"internal/sys", "internal/probe", "internal/script", "internal/launch", "internal/supervisor"}},

	{pkg: ".", may: []string{
		"internal/sys", "internal/probe", "internal/script", "internal/launch", "internal/supervisor",
		"internal/union", "internal/namespace", "internal/cgroup", "internal/seccomp", "internal/cred",
		"internal/compile", "internal/layer", "internal/archive", "internal/store", "internal/monitor",
	}},

	{pkg: "coracletest", may: []string{"."}, test: true},
	{pkg: "bench", may: []string{"."}},
	{pkg: "internal/policy"},
}

// edge is the place of a package in the table, or -1.
func edge(pkg string) int {
	for i, e := range edges {
		if e.pkg == pkg {
			return i
		}
	}
	return -1
}

// local is the folder of a package of the root module by its import path.
func local(importPath string) (string, bool) {
	if importPath == module {
		return ".", true
	}
	return strings.CutPrefix(importPath, module+"/")
}

// crossed says why a file may not import what it imports.
func crossed(s source) []string {
	from := edge(s.dir())
	if from < 0 {
		return []string{fmt.Sprintf("%s: package %s does not stand in the table of edges", s.path, s.dir())}
	}
	var found []string
	for _, p := range s.imports() {
		pkg, ok := local(p)
		if !ok || pkg == s.dir() {
			continue
		}
		to := edge(pkg)
		switch {
		case to < 0:
			found = append(found, fmt.Sprintf("%s: imports %s, which does not stand in the table of edges", s.path, p))
		case s.test() && (to < from || edges[to].test):
			// A test may use everything below its package, and what exists for tests.
		case edges[to].test:
			found = append(found, fmt.Sprintf("%s: imports %s, which is for tests", s.path, p))
		case !slices.Contains(edges[from].may, pkg):
			found = append(found, fmt.Sprintf("%s: %s may not import %s", s.path, s.dir(), p))
		}
	}
	return found
}

// Only the listed packages may import these modules, so that one place answers
// for each. Paths match themselves and what lies below them.
var owners = []struct {
	path string
	pkgs []string // tests need to be listed too
	why  string
}{
	{"golang.org/x/sys", []string{"internal/sys"}, "system calls and their errors have one place"},
	{"github.com/stretchr/testify", []string{"internal/testenv", "coracletest"}, "no program that uses Coracle is to carry it"},
	{"unsafe", []string{"internal/sys", "internal/launch", "internal/script"}, "memory that the kernel reads is laid out in few places"},
	{"plugin", nil, "it needs cgo"},
	{"C", nil, "the library is built without cgo"},
}

// foreign says which imports of a file belong to another package.
func foreign(s source) []string {
	var found []string
	for _, p := range s.imports() {
		for _, o := range owners {
			if p != o.path && !strings.HasPrefix(p, o.path+"/") || slices.Contains(o.pkgs, s.dir()) {
				continue
			}
			// What tests try on the kernel is not what the library answers for.
			if s.test() && (o.path == "github.com/stretchr/testify" || o.path == "unsafe") {
				continue
			}
			found = append(found, fmt.Sprintf("%s: may not import %s: %s", s.path, p, o.why))
		}
	}
	return found
}

func TestDirectionOfImports(t *testing.T) {
	t.Parallel()
	for _, s := range tree(t, false) {
		assert.Empty(t, crossed(s))
		assert.Empty(t, foreign(s))
	}
}

// Nested modules are users: they have nothing but the public API.
func TestNestedModulesUseThePublicAPI(t *testing.T) {
	t.Parallel()
	roots := make(map[string]bool)
	for _, s := range tree(t, false) {
		roots[s.path] = true
	}
	for _, s := range tree(t, true) {
		if roots[s.path] {
			continue
		}
		for _, p := range s.imports() {
			assert.False(t, strings.HasPrefix(p, module+"/internal/"), "%s imports %s", s.path, p)
		}
	}
}

func TestEdgesGoUpwards(t *testing.T) {
	t.Parallel()
	for i, e := range edges {
		assert.Equal(t, i, edge(e.pkg), "%s stands twice", e.pkg)
		for _, to := range e.may {
			assert.Less(t, edge(to), i, "%s imports %s, which stands below it", e.pkg, to)
			assert.GreaterOrEqual(t, edge(to), 0, "%s imports %s, which does not stand in the table", e.pkg, to)
		}
	}
}

func TestWrongImportsAreFound(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, path, text string
		want             int
	}{
		{"allowed", "internal/probe/a.go", `import _ "github.com/coraclehq/coracle/internal/sys"`, 0},
		{"against the table", "internal/sys/a.go", `import _ "github.com/coraclehq/coracle/internal/probe"`, 1},
		{"one facility the other", "internal/union/a_linux.go", `import _ "github.com/coraclehq/coracle/internal/cgroup"`, 1},
		{"test helper in a program", "internal/store/a.go", `import _ "github.com/coraclehq/coracle/internal/testenv"`, 1},
		{"test helper in a test", "internal/store/a_test.go", `import _ "github.com/coraclehq/coracle/internal/testenv"`, 0},
		{"test helper of the ground in a test of the ground", "internal/sys/a_test.go", `import _ "github.com/coraclehq/coracle/internal/testenv"`, 0},
		{"upwards in a test", "internal/sys/a_test.go", `import _ "github.com/coraclehq/coracle/internal/monitor"`, 1},
		{"unknown package", "internal/what/a.go", ``, 1},
		{"import of an unknown package", "internal/store/a.go", `import _ "github.com/coraclehq/coracle/internal/what"`, 1},
		{"the root", "internal/store/a.go", `import _ "github.com/coraclehq/coracle"`, 1},
		{"x/sys", "internal/store/a.go", `import _ "golang.org/x/sys/unix"`, 1},
		{"x/sys in its place", "internal/sys/a.go", `import _ "golang.org/x/sys/unix"`, 0},
		{"testify in a program", "internal/store/a.go", `import _ "github.com/stretchr/testify/assert"`, 1},
		{"testify in a test", "internal/store/a_test.go", `import _ "github.com/stretchr/testify/assert"`, 0},
		{"cgo", "internal/store/a.go", `import "C"`, 1},
		{"cgo in a test", "internal/store/a_test.go", `import "C"`, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := parse(t, token.NewFileSet(), tt.path, "package a\n\n"+tt.text)
			assert.Len(t, append(crossed(s), foreign(s)...), tt.want)
		})
	}
}
