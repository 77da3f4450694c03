package policy

import (
	"errors"
	"fmt"
	"go/ast"
	"go/build"
	"go/token"
	"go/types"
	"path"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// systems are those that the state of packages is looked at for. Together they
// build every file that is no test.
var systems = [][2]string{{"linux", "amd64"}, {"linux", "arm64"}, {"darwin", "arm64"}, {"windows", "amd64"}}

// changing are the types whose values exist to be changed. A package variable of
// such a type is state, even where nothing assigns to it.
var changing = []string{
	"sync.Mutex", "sync.RWMutex", "sync.Once", "sync.WaitGroup", "sync.Map", "sync.Pool", "sync.Cond",
	"atomic.Bool", "atomic.Int32", "atomic.Int64", "atomic.Uint32", "atomic.Uint64", "atomic.Uintptr", "atomic.Pointer", "atomic.Value",
}

// state finds the package variables of one package that change: those that a
// function assigns to, takes the address of, or calls a method with a pointer
// receiver on, and those of a type that is made to change. Imports are not
// followed, so it cannot see what a function of another package does with a map
// or a pointer that it was given.
func state(files []source) []string {
	syntax := make([]*ast.File, len(files))
	for i, s := range files {
		syntax[i] = s.syntax
	}
	info := &types.Info{Uses: make(map[*ast.Ident]types.Object), Selections: make(map[*ast.SelectorExpr]*types.Selection)}
	conf := types.Config{
		Importer: nothing{},
		Error:    func(error) {}, // everything imported is unknown
	}
	pkg, _ := conf.Check("p", files[0].fset, syntax, info)

	var found []string
	for _, s := range files {
		found = append(found, declared(s)...)
		ast.Inspect(s.syntax, func(n ast.Node) bool {
			for _, e := range changed(n, info) {
				if v := variable(e, info, pkg); v != nil {
					found = append(found, fmt.Sprintf("%s: package variable %s changes", s.at(n), v.Name()))
				}
			}
			return true
		})
	}
	return found
}

// nothing imports nothing: go/types puts an empty package in the place of each.
type nothing struct{}

func (nothing) Import(string) (*types.Package, error) { return nil, errors.New("not followed") }

// declared finds package variables of a type that is made to change.
func declared(s source) []string {
	var found []string
	for _, d := range s.syntax.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.VAR {
			continue
		}
		for _, spec := range g.Specs {
			ast.Inspect(spec.(*ast.ValueSpec), func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.FuncLit:
					return false
				case *ast.SelectorExpr:
					if name := types.ExprString(n); slices.Contains(changing, name) {
						found = append(found, fmt.Sprintf("%s: package variable of type %s", s.at(n), name))
					}
				}
				return true
			})
		}
	}
	return found
}

// changed is what a node changes, as expressions.
func changed(n ast.Node, info *types.Info) []ast.Expr {
	switch n := n.(type) {
	case *ast.AssignStmt:
		if n.Tok != token.DEFINE {
			return n.Lhs
		}
	case *ast.IncDecStmt:
		return []ast.Expr{n.X}
	case *ast.RangeStmt:
		if n.Tok == token.ASSIGN {
			return []ast.Expr{n.Key, n.Value}
		}
	case *ast.UnaryExpr:
		if n.Op == token.AND {
			return []ast.Expr{n.X}
		}
	case *ast.CallExpr:
		if f, ok := n.Fun.(*ast.Ident); ok && (f.Name == "delete" || f.Name == "clear") && len(n.Args) > 0 {
			return n.Args[:1]
		}
	case *ast.SelectorExpr:
		if s := info.Selections[n]; s != nil && s.Kind() == types.MethodVal {
			_, byPointer := s.Obj().Type().(*types.Signature).Recv().Type().(*types.Pointer)
			if _, already := s.Recv().(*types.Pointer); byPointer && !already {
				return []ast.Expr{n.X}
			}
		}
	}
	return nil
}

// variable is the package variable that an expression is a part of, or nil.
func variable(e ast.Expr, info *types.Info, pkg *types.Package) *types.Var {
	for {
		switch x := e.(type) {
		case *ast.ParenExpr:
			e = x.X
		case *ast.SelectorExpr:
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.StarExpr:
			e = x.X
		case *ast.SliceExpr:
			e = x.X
		case *ast.Ident:
			v, ok := info.Uses[x].(*types.Var)
			if ok && v.Parent() == pkg.Scope() {
				return v
			}
			return nil
		default:
			return nil
		}
	}
}

// packages are the files of each package as one system builds them, by folder.
// The tag faults is not set: its counter is state by intent, and no program is
// built with it.
func packages(files []source, goos, goarch string) map[string][]source {
	ctx := build.Default
	ctx.GOOS, ctx.GOARCH, ctx.CgoEnabled, ctx.BuildTags = goos, goarch, false, nil
	built := make(map[string][]source)
	for _, s := range files {
		if s.test() {
			continue
		}
		ok, err := ctx.MatchFile(filepath.Join(top, filepath.FromSlash(s.dir())), path.Base(s.path))
		if err == nil && ok {
			built[s.dir()] = append(built[s.dir()], s)
		}
	}
	return built
}

func TestNoPackageVariableChanges(t *testing.T) {
	t.Parallel()
	found := make(map[string]bool)
	files := tree(t, true)
	for _, system := range systems {
		for _, pkg := range packages(files, system[0], system[1]) {
			for _, f := range state(pkg) {
				found[f] = true
			}
		}
	}
	var list []string
	for f := range found {
		list = append(list, f)
	}
	sort.Strings(list)
	assert.Empty(t, strings.Join(list, "\n"))
}

func TestChangingPackageVariablesAreFound(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, text string
		changes    bool
	}{
		{"assigned", "var n int\nfunc f() { n = 1 }", true},
		{"counted", "var n int\nfunc f() { n++ }", true},
		{"part of it", "var a struct{ b []int }\nfunc f() { a.b[0] = 1 }", true},
		{"map entry", "var m = map[int]int{}\nfunc f() { m[1] = 1 }", true},
		{"entry deleted", "var m = map[int]int{}\nfunc f() { delete(m, 1) }", true},
		{"through a pointer", "var p = &struct{ n int }{}\nfunc f() { p.n = 1 }", true},
		{"address taken", "var n int\nfunc f() *int { return &n }", true},
		{"pointer method", "type t int\nfunc (*t) set() {}\nvar v t\nfunc f() { v.set() }", true},
		{"value method", "type t int\nfunc (t) get() {}\nvar v t\nfunc f() { v.get() }", false},
		{"in a range", "var n int\nfunc f() { for n = range 3 {} }", true},
		{"mutex", "import \"sync\"\nvar mu sync.Mutex", true},
		{"counter of a type argument", "import \"sync/atomic\"\nvar p atomic.Pointer[int]", true},
		{"once initialised", "import \"sync\"\nvar v = sync.OnceValue(func() int { var mu sync.Mutex; mu.Lock(); return 1 })", false},
		{"read", "var m = map[int]int{1: 2}\nfunc f() int { return m[1] }", false},
		{"shadowed", "var n int\nfunc f() { n := 0; n = 1; _ = n }", false},
		{"parameter", "var n int\nfunc f(n int) { n = 1 }", false},
		{"field of the same name", "var n int\ntype t struct{ n int }\nfunc f(v *t) { v.n = 1 }", false},
		{"interface satisfied", "type t int\nvar _ interface{} = t(0)", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			found := state([]source{parse(t, token.NewFileSet(), "a.go", "package a\n\n"+tt.text+"\n")})
			if tt.changes {
				assert.NotEmpty(t, found)
			} else {
				assert.Empty(t, found)
			}
		})
	}
}
