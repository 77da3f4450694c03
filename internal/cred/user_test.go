package cred

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	passwdFile = `root:x:0:0:root:/root:/bin/sh
# a comment
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin

app:x:1000:1000:App,,,:/home/app:/bin/sh
short:x:1001:100
other:x:1000:7::/other:
no-id:x::5::/:
bad-id:x:-1:5::/:
large:x:2147483648:0::/:
wraps:x:4294967296:0::/:
4294967296:x:0:0::/:
2147483648:x:0:0::/:
1234:x:0:0::/:
-1:x:0:0::/:
+1:x:0:0::/:
0x0:x:0:0::/:
١:x:0:0::/:
nul:x:1002:1002::/a` + "\x00" + `b:
dos:x:1003:1003::/dos:` + "\r\n" + `last:x:1004:1004::/last:/bin/sh`

	groupFile = `root:x:0:
wheel:x:10:root,app
users:x:100:
again:x:10:app
audio:x:29:apple,app,app
video:x:44:appx
app:x:1000:app
no-id:x::app
wraps:x:4294967296:app
12:x:0:app
short:x:77
nomember:x:78:
last:x:79:last`
)

func TestResolve(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		user string
		want User
	}{
		{"", User{UID: 0, GID: 0, Groups: []uint32{0, 10}, Home: "/root", Name: "root"}},
		{"0", User{UID: 0, GID: 0, Groups: []uint32{0, 10}, Home: "/root", Name: "root"}},
		{"00", User{UID: 0, GID: 0, Groups: []uint32{0, 10}, Home: "/root", Name: "root"}},
		{"root", User{UID: 0, GID: 0, Groups: []uint32{0, 10}, Home: "/root", Name: "root"}},
		{"app", User{UID: 1000, GID: 1000, Groups: []uint32{1000, 10, 29, 0}, Home: "/home/app", Name: "app"}},
		{"1000", User{UID: 1000, GID: 1000, Groups: []uint32{1000, 10, 29, 0}, Home: "/home/app", Name: "app"}},
		{"other", User{UID: 1000, GID: 7, Groups: []uint32{7}, Home: "/other", Name: "other"}},
		{"short", User{UID: 1001, GID: 100, Groups: []uint32{100}, Name: "short"}},
		{"nul", User{UID: 1002, GID: 1002, Groups: []uint32{1002}, Name: "nul"}},
		{"dos", User{UID: 1003, GID: 1003, Groups: []uint32{1003}, Home: "/dos", Name: "dos"}},
		{"last", User{UID: 1004, GID: 1004, Groups: []uint32{1004, 79}, Home: "/last", Name: "last"}},

		{"5000", User{UID: 5000, GID: 0, Groups: []uint32{0}}},
		{"1234", User{UID: 1234, GID: 0, Groups: []uint32{0}}}, // a name in the file
		{"2147483647", User{UID: 2147483647, GID: 0, Groups: []uint32{0}}},

		// With a group there are no others.
		{"app:29", User{UID: 1000, GID: 29, Groups: []uint32{29}, Home: "/home/app", Name: "app"}},
		{"app:audio", User{UID: 1000, GID: 29, Groups: []uint32{29}, Home: "/home/app", Name: "app"}},
		{"1000:12", User{UID: 1000, GID: 12, Groups: []uint32{12}, Home: "/home/app", Name: "app"}}, // a name in the file
		{"5000:short", User{UID: 5000, GID: 77, Groups: []uint32{77}}},
		{"5000:6000", User{UID: 5000, GID: 6000, Groups: []uint32{6000}}},
	} {
		t.Run(tt.user, func(t *testing.T) {
			got, err := resolve(tt.user, []byte(passwdFile), file(groupFile))
			require.NoError(t, err)
			assert.Equal(t, tt.want, got)
		})
	}
}

func file(s string) func() ([]byte, error) { return func() ([]byte, error) { return []byte(s), nil } }

// CVE-2026-30892, CVE-2024-40635, CVE-2026-46680: what is no number, or too large
// a one, must not end as anybody, root least of all.
func TestResolveRefuses(t *testing.T) {
	t.Parallel()
	for _, user := range []string{
		"2147483648", "4294967295", "4294967296", "18446744073709551616", "99999999999999999999999999",
		"-1", "+1", "-0", "+0", "0x0", "0x3e8", "0b0", "0o0", "1e3", "1_000", "1.0", "1 ", " ", " 1", "1\n", "0\x00",
		"1000:", ":", ":0", "::", "0:0:0", "app:", "app:root:0", "root\x00", "ro\not",
		"١", "１", "²", "①", "0１",
		"app:-1", "app:+0", "app:0x0", "app:2147483648", "app:4294967296", "app:١", "app: ",
	} {
		t.Run(user, func(t *testing.T) {
			got, err := resolve(user, []byte(passwdFile), file(groupFile))
			require.Error(t, err, "%+v", got)
			assert.Equal(t, User{}, got)
			assert.True(t, errors.Is(err, fs.ErrInvalid) || errors.Is(err, fs.ErrNotExist), "%v", err)
		})
	}
	for _, user := range []string{"nobody", "app:nogroup", "no-id", "bad-id", "large", "wraps", "app:no-id", "app:wraps", "#", "\xff"} {
		t.Run(user, func(t *testing.T) {
			_, err := resolve(user, []byte(passwdFile), file(groupFile))
			require.ErrorIs(t, err, fs.ErrNotExist)
		})
	}
}

func TestResolveWithoutFiles(t *testing.T) {
	t.Parallel()
	none := func() ([]byte, error) { return nil, nil }
	u, err := resolve("", nil, none)
	require.NoError(t, err)
	assert.Equal(t, User{Groups: []uint32{0}}, u)
	_, err = resolve("root", nil, none)
	require.ErrorIs(t, err, fs.ErrNotExist)
	_, err = resolve("0:root", nil, none)
	require.ErrorIs(t, err, fs.ErrNotExist)
	assert.ErrorContains(t, err, `group "root" is not in the image`)

	broken := errors.New("broken")
	_, err = resolve("app", []byte(passwdFile), func() ([]byte, error) { return nil, broken })
	require.ErrorIs(t, err, broken)
	_, err = resolve("5000:5000", []byte(passwdFile), func() ([]byte, error) { return nil, broken })
	require.NoError(t, err, "the file does not matter")
}

func TestResolveOfVeryManyGroups(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	for i := range maxGroups + 10 {
		fmt.Fprintf(&b, "g%d:x:%d:app\n", i, i)
	}
	_, err := resolve("app", []byte(passwdFile), file(b.String()))
	require.ErrorIs(t, err, fs.ErrInvalid)
	require.ErrorContains(t, err, "more than 65536 groups")

	u, err := resolve("app", []byte(passwdFile), file("g:x:5:"+strings.Repeat("x,", 2<<20)+"app\n"))
	require.NoError(t, err)
	assert.Equal(t, []uint32{1000, 5}, u.Groups)
}

func FuzzResolve(f *testing.F) {
	for _, user := range []string{"", "app", "1000:users", "4294967296", "-1", "١", "a:b:c", "1000:"} {
		f.Add(user, []byte(passwdFile), []byte(groupFile))
	}
	f.Add("x", []byte("x:x:0:0"), []byte(":::::\n\r\n"))
	f.Fuzz(func(t *testing.T, user string, passwd, group []byte) {
		u, err := resolve(user, passwd, func() ([]byte, error) { return group, nil })
		if err != nil {
			require.Equal(t, User{}, u)
			return
		}
		require.LessOrEqual(t, u.UID, uint32(math.MaxInt32))
		require.LessOrEqual(t, u.GID, uint32(math.MaxInt32))
		require.Equal(t, u.GID, u.Groups[0])
		require.LessOrEqual(t, len(u.Groups), maxGroups)
		require.NotContains(t, u.Home, "\x00")
		// Who is root was asked to be root, or has root's name in the file.
		name, _, _ := strings.Cut(user, ":")
		if u.UID == 0 && strings.Trim(name, "0") != "" {
			require.Equal(t, name, u.Name)
			require.True(t, slices.ContainsFunc(strings.Split(string(passwd), "\n"), func(l string) bool {
				return strings.HasPrefix(l, name+":")
			}))
		}
	})
}
