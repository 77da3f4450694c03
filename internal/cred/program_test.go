package cred

import (
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coraclehq/coracle/internal/sys"
)

func TestCandidates(t *testing.T) {
	t.Parallel()
	usual := []string{"/usr/local/sbin/sh", "/usr/local/bin/sh", "/usr/sbin/sh", "/usr/bin/sh", "/sbin/sh", "/bin/sh"}
	for _, tt := range []struct {
		name, program string
		env           []string
		want          []string
	}{
		{"absolute", "/bin/sh", []string{"PATH=/x"}, []string{"/bin/sh"}},
		{"relative", "./sh", []string{"PATH=/x"}, []string{"./sh"}},
		{"slash at the end", "sh/", []string{"PATH=/x"}, []string{"sh/"}},
		{"looked for", "sh", []string{"A=b", "PATH=/x:/y/", "PATHS=/z"}, []string{"/x/sh", "/y/sh"}},
		{"below the root", "sh", []string{"PATH=/"}, []string{"/sh"}},
		{"working directory", "sh", []string{"PATH=:/x:"}, []string{"./sh", "/x/sh"}},
		{"relative directory", "sh", []string{"PATH=bin"}, []string{"bin/sh"}},
		{"one directory twice", "sh", []string{"PATH=/x:/y:/x:/y//"}, []string{"/x/sh", "/y/sh"}},
		{"the last PATH", "sh", []string{"PATH=/x", "PATH=/y"}, []string{"/y/sh"}},
		{"no PATH", "sh", nil, usual},
		{"empty PATH", "sh", []string{"PATH="}, usual},
		{"no variable", "sh", []string{"PATH"}, usual},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Candidates(tt.program, tt.env)
			require.NoError(t, err)
			assert.Equal(t, tt.want, got)
		})
	}
}

func TestCandidatesRefuses(t *testing.T) {
	t.Parallel()
	var many []string
	for i := range maxCandidates + 1 {
		many = append(many, fmt.Sprintf("/%d", i))
	}
	for _, tt := range []struct {
		name, program, path string
	}{
		{"nothing", "", "/bin"},
		{"NUL in the program", "s\x00h", "/bin"},
		{"NUL in a path", "/bin/s\x00h", "/bin"},
		{"NUL in PATH", "sh", "/bin\x00"},
		{"too many", "sh", strings.Join(many, ":")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Candidates(tt.program, []string{"PATH=" + tt.path})
			require.ErrorIs(t, err, fs.ErrInvalid)
		})
	}
	got, err := Candidates("sh", []string{"PATH=" + strings.Join(many[1:], ":")})
	require.NoError(t, err)
	assert.Len(t, got, maxCandidates)
}

func TestCheckArgs(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 200<<10)
	fits := strings.Repeat("x", maxArg)
	require.NoError(t, CheckArgs([]string{"sh", fits}, []string{"A=" + fits[2:]}))
	for _, tt := range []struct {
		name      string
		args, env []string
		text      string
	}{
		{"argument", []string{"sh", long}, nil, "argument 1 has 204800 bytes, of which the kernel takes 131071 (128 KiB with the final NUL)"},
		{"variable", nil, []string{"A=b", "LONG=" + long}, `variable "LONG" has 204805 bytes`},
		{"one byte", []string{fits + "x"}, nil, "argument 0 has 131072 bytes"},
		{"together", make50(fits), nil, "of which the kernel takes 6291456"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := CheckArgs(tt.args, tt.env)
			require.ErrorIs(t, err, sys.E2BIG)
			assert.ErrorContains(t, err, tt.text)
		})
	}
}

func make50(s string) []string {
	all := make([]string, 50)
	for i := range all {
		all[i] = s
	}
	return all
}
