package layer

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestClean(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ in, want, err string }{
		{"a", "a", ""},
		{"a/b", "a/b", ""},
		{"/a", "a", ""},
		{"///a//b///", "a/b", ""},
		{"./a/./b", "a/b", ""},
		{".", ".", ""},
		{"/", ".", ""},
		{"./", ".", ""},
		{"...", "...", ""},
		{".hidden/..x", ".hidden/..x", ""},
		{"a\nb", "a\nb", ""},
		{"\xff", "\xff", ""},
		{"", "", "empty"},
		{"..", "", `".."`},
		{"a/..", "", `".."`},
		{"../a", "", `".."`},
		{"a/../b", "", `".."`},
		{"a\x00b", "", "NUL"},
		{strings.Repeat("n", 255), strings.Repeat("n", 255), ""},
		{strings.Repeat("n", 256), "", "component"},
		{strings.Repeat("n/", 2047) + "n", strings.Repeat("n/", 2047) + "n", ""},
		{strings.Repeat("n/", 2048) + "n", "", "longer than 4095"},
	} {
		got, err := clean(tt.in)
		if tt.err != "" {
			require.ErrorContains(t, err, tt.err, "%.20q", tt.in)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, tt.want, got, "%.20q", tt.in)
	}
}

func TestClassify(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		in        string
		kind      kind
		dir, base string
		err       string
	}{
		{"a/b", ordinary, "a", "b", ""},
		{"a", ordinary, ".", "a", ""},
		{"x.wh.y", ordinary, ".", "x.wh.y", ""},
		{"a/.wh", ordinary, "a", ".wh", ""},
		{".wh.a", whiteout, ".", "a", ""},
		{"d/e/.wh.a", whiteout, "d/e", "a", ""},
		{"d/.wh....", whiteout, "d", "...", ""},
		{"d/.wh..a", whiteout, "d", ".a", ""},
		{"d/.wh..wh..opq", opaque, "d", ".wh..wh..opq", ""},
		{".wh..wh..opq", opaque, ".", ".wh..wh..opq", ""},
		{".wh..wh.plnk", ignored, ".", ".wh..wh.plnk", ""},
		{".wh..wh.plnk/1.2", ignored, ".wh..wh.plnk", "1.2", ""},
		{".wh..wh.", ignored, ".", ".wh..wh.", ""},
		{"d/.wh..wh..opq/x", ignored, "d/.wh..wh..opq", "x", ""},
		{"d/.wh.", 0, "", "", `whiteout of ""`},
		{"d/.wh..", 0, "", "", `whiteout of "."`},
		{"d/.wh...", 0, "", "", `whiteout of ".."`},
		{".wh...", 0, "", "", `whiteout of ".."`},
		{".wh.d/x", 0, "", "", "is a whiteout"},
	} {
		kind, dir, base, err := classify(tt.in)
		if tt.err != "" {
			require.ErrorContains(t, err, tt.err, tt.in)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, []any{tt.kind, tt.dir, tt.base}, []any{kind, dir, base}, tt.in)
	}
}

// FuzzName holds what the rest relies on: a clean name has no component that
// leads anywhere but down, and a whiteout hides a name in its directory.
func FuzzName(f *testing.F) {
	for _, s := range []string{"a", "/a/./b", "../x", ".wh...", "d/.wh..wh..opq", ".wh..wh.x", "a\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		name, err := clean(in)
		if err != nil {
			return
		}
		again, err := clean(name)
		require.NoError(t, err)
		require.Equal(t, name, again)
		if name != "." {
			for c := range strings.SplitSeq(name, "/") {
				require.NotContains(t, []string{"", ".", ".."}, c)
				require.LessOrEqual(t, len(c), nameMax)
			}
		}
		kind, dir, base, err := classify(name)
		if err == nil && kind == whiteout {
			require.NotContains(t, []string{"", ".", ".."}, base)
			require.NotContains(t, base, "/")
			require.Equal(t, name, join(dir, whPrefix+base))
		}
	})
}
