package policy

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// module is the path of the root module, and top its folder.
const (
	module = "github.com/coraclehq/coracle"
	top    = "../.."
)

// source is one Go file, parsed, whatever system or tag it is built for.
type source struct {
	path   string // slash-separated, from the top of the tree
	syntax *ast.File
	fset   *token.FileSet
}

// dir is the folder of the file from the top of the tree; "." is the top.
func (s source) dir() string { return path.Dir(s.path) }

// test reports whether the file is compiled for tests only.
func (s source) test() bool { return strings.HasSuffix(s.path, "_test.go") }

// at is the place of a node, as an editor understands it.
func (s source) at(n ast.Node) string {
	return s.path + ":" + strconv.Itoa(s.fset.Position(n.Pos()).Line)
}

// imports are the paths that the file imports.
func (s source) imports() []string {
	var paths []string
	for _, spec := range s.syntax.Imports {
		p, err := strconv.Unquote(spec.Path.Value)
		if err == nil {
			paths = append(paths, p)
		}
	}
	return paths
}

// parse makes a source of a text. The files of one package share fset.
func parse(t *testing.T, fset *token.FileSet, path, text string) source {
	t.Helper()
	f, err := parser.ParseFile(fset, path, text, parser.ParseComments|parser.SkipObjectResolution)
	require.NoError(t, err)
	return source{path: path, syntax: f, fset: fset}
}

// tree is every Go file of the root module, or with nested those of the modules
// below it as well. Folders that the go command passes over are left out.
func tree(t *testing.T, nested bool) []source {
	t.Helper()
	var files []source
	fset := token.NewFileSet()
	err := filepath.WalkDir(top, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(top, name)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if d.IsDir() {
			if rel != "." && (skipped(d.Name()) || !nested && exists(filepath.Join(name, "go.mod"))) {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") || skipped(d.Name()) {
			return nil
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		files = append(files, parse(t, fset, rel, string(text)))
		return nil
	})
	require.NoError(t, err)
	require.NotEmpty(t, files)
	return files
}

func skipped(name string) bool {
	return strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") || name == "testdata"
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}
