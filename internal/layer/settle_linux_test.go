package layer

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coraclehq/coracle/internal/sys"
	"github.com/coraclehq/coracle/internal/testenv"
)

// TestSettleIsSequential: random layers in random order, unpacked with the base at
// hand and in two steps, come out the same or are refused both.
func TestSettleIsSequential(t *testing.T) {
	testenv.Root(t)
	t.Parallel()
	for seed := range testenv.Scale(t, 1000) {
		t.Run(strconv.Itoa(seed), func(t *testing.T) {
			t.Parallel()
			rnd := rand.New(rand.NewPCG(uint64(seed), 7))
			lower := newDir(t)
			unpack(t, ordinaryLayer(t), lower, Options{})
			b := randomLayer(t, rnd)
			one, two := newDir(t), newDir(t)
			_, err1 := unpackOn(t, b, one, lower, false)
			_, err2 := unpackOn(t, b, two, lower, true)
			if err1 != nil || err2 != nil {
				require.Error(t, err1, "deferred: %v", err2)
				require.Error(t, err2, "at once: %v", err1)
				return
			}
			require.Equal(t, describeTree(t, view(t, one, lower), true), describeTree(t, view(t, two, lower), true))
			for _, l := range describeTree(t, view(t, one, lower), false) {
				require.NotEqual(t, '?', l[0], l)
			}
		})
	}
}

// randomLayer takes names from few, so that entries meet each other and the
// ordinary layer. Marks come first, as packers write them: behind what they hide,
// a link in it may have been followed already.
func randomLayer(t testing.TB, rnd *rand.Rand) []byte {
	names := []string{"etc", "etc/passwd", "etc/new", "bin", "bin/sh", "usr", "usr/lib", "usr/lib/libc", "usr/lib/x/y",
		"new", "new/a", "new/a/b", "lib/z", "lib/libc", "s", "s/t"}
	name := func() string { return names[rnd.IntN(len(names))] }
	a, whiteouts, marks := newArchive(t), newArchive(t), newArchive(t)
	for i := range 1 + rnd.IntN(6) {
		switch rnd.IntN(9) {
		case 0, 1:
			a.dir(name())
		case 2, 3:
			a.file(name(), fmt.Sprint(i))
		case 4:
			a.symlink(name(), []string{"/usr/lib", "etc", "nowhere", "../new"}[rnd.IntN(4)])
		case 5:
			a.link(name(), name())
		case 6, 7:
			dir, base := split(name())
			whiteouts.file(join(dir, whPrefix+base), "")
		case 8:
			dir, _ := split(name())
			marks.file(join(dir, whOpaque), "")
		}
	}
	return slices.Concat(marks.cut(), whiteouts.cut(), a.end())
}

// TestImpliedParents: directories that a layer does not list look as in the layer
// below, and at the bottom like /.
func TestImpliedParents(t *testing.T) {
	testenv.Root(t)
	t.Parallel()
	lower := newDir(t)
	f := newForest(t, 5)
	require.NoError(t, lower.Mkdir("tmp", 0o700))
	tmp, err := lower.Open("tmp", sys.O_RDONLY, 0)
	require.NoError(t, err)
	f.xattr(tmp, "user.dir")
	require.NoError(t, tmp.Chown(5, 6))
	require.NoError(t, tmp.Chmod(0o1777))
	require.NoError(t, tmp.Utimes(testTime, testTime))
	require.NoError(t, tmp.Close())
	require.NoError(t, lower.Chmod(0o711))
	b := newArchive(t).file("tmp/x", "").file("neu/y", "").end()
	for _, deferred := range []bool{false, true} {
		dir := newDir(t)
		res, err := unpackOn(t, b, dir, lower, deferred)
		require.NoError(t, err)
		require.True(t, res.Depends)
		for name, want := range map[string]string{".": "711 0:0", "tmp": "1777 5:6", "neu": "755 0:0"} {
			st, err := dir.StatAt(name, false)
			require.NoError(t, err)
			require.Equal(t, want, fmt.Sprintf("%o %d:%d", st.Perm(), st.UID, st.GID), name)
		}
		v1, err := lower.XattrAt("tmp", "user.dir")
		require.NoError(t, err)
		v2, err := dir.XattrAt("tmp", "user.dir")
		require.NoError(t, err)
		require.Equal(t, v1, v2)
	}
}

func TestDepends(t *testing.T) {
	testenv.Root(t)
	t.Parallel()
	a := func() *archive { return newArchive(t) }
	for _, tt := range []struct {
		name string
		in   []byte
		want bool
	}{
		{"complete", a().dir("d").file("d/f", "").link("l", "d/f").symlink("s", "d").end(), false},
		{"parents behind", a().file("d/f", "").dir("d").end(), true},
		{"opaque", a().dir("d").file("d/.wh..wh..opq", "").end(), false},
		{"implied", a().file("d/f", "").end(), true},
		{"whiteout", a().file(".wh.etc", "").end(), true},
		{"opaque root", a().file(".wh..wh..opq", "").end(), true},
		{"link below", a().link("l", "bin/sh").end(), true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			res, err := Unpack(context.Background(), bytes.NewReader(tt.in), newDir(t), Options{Defer: true})
			require.NoError(t, err)
			require.Equal(t, tt.want, res.Depends)
			require.Equal(t, tt.want, res.Deferred())
		})
	}
}

// TestSettleAtTheBottom: a layer that was deferred and has nothing below it.
func TestSettleAtTheBottom(t *testing.T) {
	testenv.Root(t)
	t.Parallel()
	dir := newDir(t)
	res := unpack(t, newArchive(t).file("d/f", "x").file("d/.wh.gone", "").file(".wh.neither", "").end(), dir, Options{Defer: true})
	require.NoError(t, Settle(context.Background(), dir, nil, &res))
	require.False(t, res.Deferred())
	require.Equal(t, []string{"d d", `- d/f "x"`}, describeTree(t, dir, false))
	require.NoError(t, Settle(context.Background(), dir, nil, &res), "nothing left to do")

	dir = newDir(t)
	res = unpack(t, newArchive(t).link("l", "nothing").end(), dir, Options{Defer: true})
	require.ErrorContains(t, Settle(context.Background(), dir, nil, &res), `a hard link to "nothing"`)
	require.True(t, res.Deferred())
}

func TestUserXattr(t *testing.T) {
	testenv.Root(t)
	t.Parallel()
	dir := newDir(t)
	unpack(t, newArchive(t).dir("d").file("d/.wh..wh..opq", "").end(), dir, Options{Base: newDir(t), UserXattr: true})
	v, err := dir.XattrAt("d", opaqueUserXattr)
	require.NoError(t, err)
	require.Equal(t, "y", string(v))
	b := pack(t, dir, PackOptions{UserXattr: true})
	es, _, err := readAll(b)
	require.NoError(t, err)
	require.Equal(t, "d/.wh..wh..opq", es[2].name)
}
