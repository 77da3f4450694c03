package store

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParseName(t *testing.T) {
	t.Parallel()
	hex64, d := strings.Repeat("0123456789abcdef", 4), "sha256:"+strings.Repeat("0123456789abcdef", 4)
	for in, want := range map[string]string{
		"alpine":                 "docker.io/library/alpine:latest",
		"alpine:3.20":            "docker.io/library/alpine:3.20",
		"me/app":                 "docker.io/me/app:latest",
		"index.docker.io/me/app": "docker.io/me/app:latest",
		"ghcr.io/me/app:1":       "ghcr.io/me/app:1",
		"localhost/app":          "localhost/app:latest",
		"localhost:5000/app":     "localhost:5000/app:latest",
		"[::1]:5000/app":         "[::1]:5000/app:latest",
		"alpine@" + d:            "docker.io/library/alpine@" + d,
		"alpine:3@" + d:          "docker.io/library/alpine@" + d,
		"host":                   "host",
		"host:latest":            "docker.io/library/host:latest",
		"con":                    "docker.io/library/con:latest",
		strings.Repeat("a", 200): "docker.io/library/" + strings.Repeat("a", 200) + ":latest",
		"ghcr.io/sha256:1":       "ghcr.io/sha256:1",
		hex64[:63]:               "docker.io/library/" + hex64[:63] + ":latest",
	} {
		got, err := ParseName(in)
		require.NoError(t, err, in)
		assert.Equal(t, want, got)
		again, err := ParseName(got)
		require.NoError(t, err)
		assert.Equal(t, want, again, "a full name is its own full name")
	}
	for _, bad := range []string{
		"", " ", ".", "..", "../x", "/x", "x/", "a//b", "a/../b", "UPPER", "a b", "a\x00b", "a\nb", "a:b:c", "a:", ":a", "a@b",
		"a@sha256:../../x", "a@" + d[:70], "a@sha512:" + hex64 + hex64, hex64, "alpine:" + hex64, "sha256:abc", "sha256", d,
		"library/sha256:0", "docker.io/library/sha256", "-a", "a:-b", "http://x", "x?y", "é", "аlpine", "a:" + strings.Repeat("b", 129),
		strings.Repeat("a", 256), strings.Repeat("a/", 200) + "b", "host/", "host:", "HOST",
	} {
		got, err := ParseName(bad)
		assert.ErrorIs(t, err, ErrInvalid, "%.80q gives %q", bad, got)
	}
}

func TestFamiliarName(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"docker.io/library/alpine:latest": "alpine:latest",
		"docker.io/me/app:1":              "me/app:1",
		"ghcr.io/me/app:1":                "ghcr.io/me/app:1",
		"host":                            "host",
		"not A name":                      "not A name",
	} {
		assert.Equal(t, want, FamiliarName(in))
	}
}

// Container names are file names.
func TestCheckContainerName(t *testing.T) {
	t.Parallel()
	for _, good := range []string{"a", "A", "0", "web-1", "web_1", "web.1", "a..b", "con", strings.Repeat("a", 128), strings.Repeat("0", 63)} {
		assert.NoError(t, CheckContainerName(good), good)
	}
	bad := []string{
		"", ".", "..", "...", ".a", "-a", "_a", "a/b", "/", "../x", "a/../b", "a\\b", "a b", " a", "a ", "a\n", "\na", "a\x00", "a\tb",
		"é", "ａ", "a\u202eb", "\xff", "a:b", "a@b", "a%2e", "a*", "a?", "$a", "`a`", "a;b", "a|b", "a&b", "a'b", `a"b`, "a<b", "{a}", "[a]", "~", "#a", "a=b", "a,b", "a+b",
		strings.Repeat("a", 129), strings.Repeat("a", 10<<10), strings.Repeat("0", 64), strings.Repeat("abcdef01", 8),
	}
	for c := range 256 {
		if s := "a" + string([]byte{byte(c)}); !strings.ContainsAny(s[1:], "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") {
			bad = append(bad, s)
		}
	}
	require.Greater(t, len(bad), 200)
	for _, b := range bad {
		assert.ErrorIs(t, CheckContainerName(b), ErrInvalid, "%.50q", b)
	}
}

func FuzzParseName(f *testing.F) {
	for _, s := range []string{"alpine", "a/b:c", "a@sha256:" + strings.Repeat("a", 64), "host", "[::1]:5/x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		full, err := ParseName(s)
		if err != nil {
			require.ErrorIs(t, err, ErrInvalid)
			return
		}
		again, err := ParseName(full)
		require.NoError(t, err)
		require.Equal(t, full, again)
		back, err := ParseName(FamiliarName(full))
		require.NoError(t, err)
		require.Equal(t, full, back)
		require.False(t, isHex(s, 64))
	})
}

func FuzzNames(f *testing.F) {
	f.Add([]byte(`{"version":1,"images":[{"manifest":{"mediaType":"","digest":"","size":0},"config":"","names":["a"],"x":1}],"y":[2]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var x index
		if x.UnmarshalJSON(data) != nil {
			return
		}
		out, err := x.MarshalJSON()
		require.NoError(t, err)
		var y index
		require.NoError(t, y.UnmarshalJSON(out))
		again, err := y.MarshalJSON()
		require.NoError(t, err)
		require.Equal(t, string(out), string(again))
	})
}
