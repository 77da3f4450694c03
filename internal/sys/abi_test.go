package sys

import (
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"go/types"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// constants type-checks the constants of Go files and returns the numbers. Types
// from other packages (syscall.Errno, syscall.Signal) are taken for integers.
func constants(t *testing.T, paths ...string) map[string]constant.Value {
	t.Helper()
	fset := token.NewFileSet()
	var files []*ast.File
	for _, p := range paths {
		f, err := parser.ParseFile(fset, p, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		var decls []ast.Decl
		for _, d := range f.Decls {
			if g, ok := d.(*ast.GenDecl); ok && g.Tok == token.CONST {
				decls = append(decls, d)
			}
		}
		f.Decls, f.Imports = decls, nil
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.ValueSpec:
				n.Type = nil
			case *ast.CallExpr: // a conversion
				n.Fun = &ast.Ident{NamePos: n.Pos(), Name: "int"}
			}
			return true
		})
		files = append(files, f)
	}
	conf := types.Config{Error: func(error) {}}
	pkg, _ := conf.Check("p", fset, files, nil)
	m := make(map[string]constant.Value)
	for _, n := range pkg.Scope().Names() {
		if c, ok := pkg.Scope().Lookup(n).(*types.Const); ok && c.Val().Kind() == constant.Int {
			m[n] = c.Val()
		}
	}
	return m
}

// kernelNumbers are those of golang.org/x/sys/unix for Linux on arch.
func kernelNumbers(t *testing.T, arch string) map[string]constant.Value {
	t.Helper()
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("needs the go command, to find golang.org/x/sys")
	}
	cmd := exec.Command("go", "list", "-f", "{{.Dir}}", "golang.org/x/sys/unix")
	dir, err := cmd.Output()
	require.NoError(t, err)
	var paths []string
	for _, f := range []string{"zerrors_linux", "zerrors_linux_" + arch, "ztypes_linux", "zsysnum_linux_" + arch} {
		paths = append(paths, filepath.Join(strings.TrimSpace(string(dir)), f+".go"))
	}
	return constants(t, paths...)
}

// Those that x/sys/unix lacks.
var notInUnix = regexp.MustCompile(`^((CLD|SIG|NS_GET|SECBIT|EM|IOPRIO)_.*|SIGRTM(IN|AX)|AT_EXECVE_CHECK|PIDFD_.*|` +
	`X32_SYSCALL_BIT|RESOLVE_CACHED|OPEN_TREE_CLOEXEC|FS_(IOC_SHUTDOWN|IMMUTABLE_FL|APPEND_FL)|(ZFS|BCACHEFS)_SUPER_MAGIC|` +
	`MAX_ARG_STRLEN|PATH_MAX|NAME_MAX|MOUNT_DATA_MAX|XATTR_(NAME|SIZE)_MAX|FION(READ|BIO)|FIOCLEX|POLLRDHUP)$`)

func TestNumbersAreTheKernels(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ arch, own string }{{"amd64", "abi_generic.go"}, {"arm64", "abi_arm64.go"}} {
		t.Run(tt.arch, func(t *testing.T) {
			t.Parallel()
			want := kernelNumbers(t, tt.arch)
			checked := 0
			for name, got := range constants(t, "abi.go", "errno.go", tt.own) {
				w, ok := want[name]
				if !ok {
					assert.Regexp(t, notInUnix, name, "is it spelt so?")
					continue
				}
				checked++
				assert.Equal(t, w.ExactString(), got.ExactString(), name)
			}
			assert.Greater(t, checked, 800)
		})
	}
}

func TestSystemCallsAreTheKernels(t *testing.T) {
	t.Parallel()
	for _, a := range []Arch{AMD64, ARM64, I386, ARM} {
		t.Run(string(a), func(t *testing.T) {
			t.Parallel()
			checked := 0
			for name, nr := range kernelNumbers(t, string(a)) {
				call, ok := strings.CutPrefix(name, "SYS_")
				if !ok || call == "SYSCALL_MASK" {
					continue
				}
				checked++
				got, ok := a.Number(strings.ToLower(call))
				require.True(t, ok, call)
				assert.Equal(t, nr.String(), constant.MakeInt64(int64(got)).String(), call)
				assert.NotEmpty(t, a.Call(got))
			}
			assert.Greater(t, checked, 300)
			n, ok := a.Number("clone3")
			assert.True(t, ok && n == 435)
			n, ok = a.Number("file_setattr")
			assert.True(t, ok && n == 469)
		})
	}
	_, ok := AMD64.Number("no such call")
	assert.False(t, ok)
	_, ok = Arch("pdp11").Number("read")
	assert.False(t, ok)
	assert.Empty(t, Arch("pdp11").Calls())
}

func TestOpenFlagsOfArch(t *testing.T) {
	t.Parallel()
	host := HostArch().OpenFlags()
	assert.Equal(t, OpenFlags{O_DIRECT, O_DIRECTORY, O_NOFOLLOW, O_TMPFILE}, host)
	for _, a := range []Arch{AMD64, ARM64} {
		want := kernelNumbers(t, string(a))
		f := a.OpenFlags()
		for name, got := range map[string]int{
			"O_DIRECT": f.Direct, "O_DIRECTORY": f.Directory, "O_NOFOLLOW": f.Nofollow, "O_TMPFILE": f.Tmpfile,
		} {
			assert.Equal(t, want[name].ExactString(), constant.MakeInt64(int64(got)).ExactString(), "%s of %s", name, a)
		}
	}
}

func TestErrnoNames(t *testing.T) {
	t.Parallel()
	assert.Equal(t, "ENOENT", ErrnoName(ENOENT))
	assert.Equal(t, "EAGAIN", ErrnoName(EWOULDBLOCK))
	assert.Equal(t, "EOPNOTSUPP", ErrnoName(ENOTSUP))
	assert.Equal(t, "4095", ErrnoName(4095))
	for _, name := range []string{"EPERM", "ENOSYS", "EHWPOISON", "EDEADLK"} {
		e, ok := ErrnoByName(name)
		require.True(t, ok)
		assert.Equal(t, name, ErrnoName(e))
	}
	for _, alias := range []string{"EWOULDBLOCK", "EDEADLOCK", "ENOTSUP"} {
		_, ok := ErrnoByName(alias)
		assert.True(t, ok, alias)
	}
	_, ok := ErrnoByName("EVERYTHING")
	assert.False(t, ok)
	assert.Equal(t, syscall.Errno(2), ENOENT)
}

func TestDeviceNumbers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		major, minor uint32
		dev          uint64
	}{
		{0, 0, 0}, {1, 3, 0x103}, {254, 0, 0xfe00}, {8, 0x100, 0x100800},
		{0xfff, 0xfffff, 0xffffffff}, {0xffffffff, 0xffffffff, 0xffffffffffffffff},
	} {
		assert.Equal(t, tt.dev, Mkdev(tt.major, tt.minor))
		assert.Equal(t, tt.major, Major(tt.dev))
		assert.Equal(t, tt.minor, Minor(tt.dev))
	}
}

// What callers on other systems compile against is what Linux has.
func TestOtherSystemsHaveTheSameCalls(t *testing.T) {
	t.Parallel()
	signatures := func(pattern string) map[string]string {
		m := make(map[string]string)
		paths, err := filepath.Glob(pattern)
		require.NoError(t, err)
		for _, p := range paths {
			if strings.HasSuffix(p, "_test.go") {
				continue
			}
			f, err := parser.ParseFile(token.NewFileSet(), p, nil, parser.SkipObjectResolution)
			require.NoError(t, err)
			for _, d := range f.Decls {
				if fn, ok := d.(*ast.FuncDecl); ok && fn.Name.IsExported() {
					m[signature(fn)] = p
				}
			}
		}
		return m
	}
	linux, other := signatures("*_linux.go"), signatures("*_other.go")
	for s, path := range linux {
		assert.Contains(t, other, s, path)
	}
	for s, path := range other {
		assert.Contains(t, linux, s, path)
	}
}

// signature is a function without the names of its parameters.
func signature(fn *ast.FuncDecl) string {
	var b strings.Builder
	list := func(l *ast.FieldList) {
		b.WriteByte('(')
		if l != nil {
			for _, f := range l.List {
				for range max(1, len(f.Names)) {
					b.WriteString(types.ExprString(f.Type) + ",")
				}
			}
		}
		b.WriteByte(')')
	}
	list(fn.Recv)
	b.WriteString(fn.Name.Name)
	list(fn.Type.Params)
	list(fn.Type.Results)
	return b.String()
}
