package union

import (
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const off = ",metacopy=off,redirect_dir=nofollow,index=off"

func TestOptions(t *testing.T) {
	for _, tt := range []struct {
		name        string
		lowers      []string
		upper, work string
		opts        Opts
		want        string
	}{
		{"container", []string{"layers/b/fs", "layers/a/fs"}, "containers/c/upper", "containers/c/work", Opts{},
			"lowerdir=layers/b/fs:layers/a/fs,upperdir=containers/c/upper,workdir=containers/c/work" + off},
		{"one layer", []string{"a"}, "u", "w", Opts{}, "lowerdir=a,upperdir=u,workdir=w" + off},
		{"read-only", []string{"b", "a"}, "", "", Opts{}, "lowerdir=b:a" + off},
		{"user", []string{"a"}, "u", "w", Opts{UserXattr: true}, "lowerdir=a,upperdir=u,workdir=w" + off + ",userxattr"},
		{"escaped", []string{`a:b`, `c,d`, `e\f`, "g h"}, `u:,\`, `w=`, Opts{},
			`lowerdir=a\:b:c\,d:e\\f:g h,upperdir=u\:\,\\,workdir=w=` + off},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Options(tt.lowers, tt.upper, tt.work, tt.opts)
			require.NoError(t, err)
			assert.Equal(t, tt.want, got)
		})
	}
}

func TestParams(t *testing.T) {
	got, err := Params([]string{`a:b`, `c\d,`}, `u:\`, "w", Opts{UserXattr: true})
	require.NoError(t, err)
	assert.Equal(t, []Param{
		{"lowerdir+", `a:b`}, {"lowerdir+", `c\d,`}, {"upperdir", `u:\\`}, {"workdir", "w"},
		{"metacopy", "off"}, {"redirect_dir", "nofollow"}, {"index", "off"}, {"userxattr", ""},
	}, got)
}

func TestNoOverlay(t *testing.T) {
	many := strings.Split(strings.Repeat("a ", MaxLayers+1), " ")[:MaxLayers+1]
	for _, tt := range []struct {
		name        string
		lowers      []string
		upper, work string
	}{
		{"nothing", nil, "", ""},
		{"no lower", nil, "u", "w"},
		{"one lower alone", []string{"a"}, "", ""},
		{"no work", []string{"a"}, "u", ""},
		{"no upper", []string{"a", "b"}, "", "w"},
		{"empty name", []string{"a", ""}, "u", "w"},
		{"NUL in a lower", []string{"a", "b\x00,upperdir=c"}, "u", "w"},
		{"NUL in the upper", []string{"a"}, "u\x00", "w"},
		{"too many", many, "u", "w"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Options(tt.lowers, tt.upper, tt.work, Opts{})
			assert.ErrorIs(t, err, fs.ErrInvalid)
			_, err = Params(tt.lowers, tt.upper, tt.work, Opts{})
			assert.ErrorIs(t, err, fs.ErrInvalid)
		})
	}
}

func TestLimitOfData(t *testing.T) {
	// Filled to the last byte, and one more.
	base := len("lowerdir=,upperdir=u,workdir=w" + off)
	name := strings.Repeat("a", maxData-base)
	got, err := Options([]string{name}, "u", "w", Opts{})
	require.NoError(t, err)
	assert.Len(t, got, 4095)
	_, err = Options([]string{name + "a"}, "u", "w", Opts{})
	assert.ErrorIs(t, err, ErrTooLong)

	_, err = Params([]string{strings.Repeat("a", 255)}, "u", "w", Opts{})
	require.NoError(t, err)
	_, err = Params([]string{strings.Repeat("a", 256)}, "u", "w", Opts{})
	assert.ErrorIs(t, err, ErrTooLong)
	_, err = Params([]string{"a"}, strings.Repeat(`\`, 128), "w", Opts{})
	assert.ErrorIs(t, err, ErrTooLong)
}

// What a store makes of an image with as many layers as Docker allows fits.
func TestLayersOfAStore(t *testing.T) {
	var lowers []string
	for i := range 127 {
		lowers = append(lowers, fmt.Sprintf("layers/%016x/fs", i))
	}
	data, err := Options(lowers, "containers/"+strings.Repeat("c", 64)+"/upper", "containers/"+strings.Repeat("c", 64)+"/work", Opts{})
	require.NoError(t, err)
	assert.Less(t, len(data), 4095)
}

// Unescaping as the kernel does gives back the names, whatever they are.
func FuzzOptions(f *testing.F) {
	f.Add("a", "b", "u", "w")
	f.Add(`\`, `:,\:`, ",", `x\,y`)
	f.Add("a,upperdir=x", "b:c", "u\xff", "w\n")
	f.Fuzz(func(t *testing.T, a, b, upper, work string) {
		data, err := Options([]string{a, b}, upper, work, Opts{})
		if err != nil {
			return
		}
		require.Less(t, len(data), 4096)
		require.NotContains(t, data, "\x00")
		var got []string
		for _, o := range split(data, ',') {
			if v, ok := strings.CutPrefix(o, "lowerdir="); ok {
				for _, l := range split(v, ':') {
					got = append(got, unescape(l))
				}
			} else if _, v, _ := strings.Cut(o, "="); len(got) < 4 {
				got = append(got, unescape(v))
			}
		}
		want := []string{a, b, upper, work}
		if upper == "" {
			want = []string{a, b, "off", "nofollow"}
		}
		require.Equal(t, want, got)
	})
}

// split cuts at each separator that no backslash protects.
func split(s string, sep byte) (parts []string) {
	start := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case sep:
			parts, start = append(parts, s[start:i]), i+1
		}
	}
	return append(parts, s[start:])
}

func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
