package policy

import (
	"fmt"
	"go/ast"
	"go/token"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// forbidden finds what no file may contain: an init function, which runs before
// main of every program that imports the package, and go:linkname, which binds
// to what another package never promised.
func forbidden(s source) []string {
	var found []string
	for _, d := range s.syntax.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
			found = append(found, fmt.Sprintf("%s: init function", s.at(f)))
		}
	}
	for _, group := range s.syntax.Comments {
		for _, c := range group.List {
			if strings.HasPrefix(c.Text, "//go:linkname ") {
				found = append(found, fmt.Sprintf("%s: go:linkname", s.at(c)))
			}
		}
	}
	return found
}

func TestForbiddenContent(t *testing.T) {
	t.Parallel()
	for _, s := range tree(t, true) {
		assert.Empty(t, forbidden(s))
	}
}

func TestForbiddenContentIsFound(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, text string
		want       []string
	}{
		{"init", "func init() {}", []string{"a.go:3: init function"}},
		{"method of that name", "type t int\n\nfunc (t) init() {}", nil},
		{"linkname", "//go:linkname now time.now\nfunc now()", []string{"a.go:3: go:linkname"}},
		{"the word in a sentence", "// go:linkname is not used.", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, tt.want, forbidden(parse(t, token.NewFileSet(), "a.go", "package a\n\n"+tt.text)))
		})
	}
}
