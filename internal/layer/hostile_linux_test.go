package layer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coraclehq/coracle/internal/sys"
	"github.com/coraclehq/coracle/internal/testenv"
)

// arena is one root, base and canary for many hostile layers one after the other.
type arena struct {
	scene
	base, top *sys.FD
	n         int
}

func newArena(t testing.TB) *arena {
	a := &arena{scene: newScene(t)}
	a.top = a.dir(t, "top")
	a.base = a.dir(t, "base")
	_, err := Unpack(context.Background(), bytes.NewReader(ordinaryLayer(t)), a.base, Options{})
	require.NoError(t, err)
	return a
}

// try unpacks a stream in one way, holds what holds for all streams, and removes
// the result.
func (a *arena) try(t testing.TB, b []byte, deferred bool) error {
	a.n++
	name := fmt.Sprint(a.n)
	require.NoError(t, a.top.Mkdir(name, 0o700))
	dir, err := a.top.Open(name, sys.O_PATH, 0)
	require.NoError(t, err)
	o := Options{Limits: Limits{Bytes: 16 << 20, Size: 1 << 30, Entries: 2000, Memory: 1 << 20}, Base: a.base}
	if deferred {
		o.Base, o.Defer = nil, true
	}
	res, err := Unpack(context.Background(), bytes.NewReader(b), dir, o)
	if err == nil && res.Deferred() {
		err = Settle(context.Background(), dir, a.base, &res)
	}
	if err != nil && !errors.Is(err, ErrNeedsBase) {
		var f *FormatError
		var l *LimitError
		require.True(t, errors.As(err, &f) || errors.As(err, &l), "%v", err)
		require.NotContains(t, err.Error(), "\n")
		require.NotContains(t, err.Error(), "\x1b")
	}
	if err == nil {
		a.examine(t, dir)
	}
	require.False(t, a.canary.touched(), "%q", b)
	require.NoError(t, dir.Close())
	require.NoError(t, a.top.RemoveAll(name))
	return err
}

// examine looks for what no image may bring in.
func (a *arena) examine(t testing.TB, dir *sys.FD) {
	for _, l := range describeTree(t, dir, true) {
		require.NotContains(t, l, "trusted.overlay.redirect")
		require.NotContains(t, l, "user.overlay.")
		require.NotContains(t, "bc", l[:1], "a device: %s", l)
	}
	merged, err := mountView(dir, a.base)
	require.NoError(t, err)
	for _, l := range describeTree(t, merged, false) {
		require.NotEqual(t, '?', l[0], "%s", l)
	}
	require.NoError(t, merged.Close())
}

// TestMutatedLayers unpacks fixtures with bytes changed.
func TestMutatedLayers(t *testing.T) {
	testenv.Root(t)
	t.Parallel()
	a := newArena(t)
	seeds := hostileSeeds(t, a.canary.dir)
	rnd := rand.New(rand.NewPCG(8, 9))
	accepted := 0
	n := testenv.Scale(t, 40_000)
	for i := range n {
		b := bytes.Clone(seeds[i%len(seeds)])
		for range rnd.IntN(4) {
			mutate(rnd, b)
		}
		if a.try(t, b, i%2 == 0) == nil {
			accepted++
		}
	}
	t.Logf("%d of %d accepted", accepted, n)
	require.Greater(t, accepted, n/10)
}

// hostileSeeds are the layers of the fixtures and of the reader's tests, as far
// as they are short and not compressed.
func hostileSeeds(t testing.TB, canaryDir string) (seeds [][]byte) {
	for _, f := range fixtures() {
		for _, b := range f.layers(func() *archive { return newArchive(t) }, canaryDir) {
			if sniff(b) == Uncompressed && len(b) > blockSize && len(b) < 64<<10 {
				seeds = append(seeds, b)
			}
		}
	}
	return append(seeds, seedArchives(t)...)
}

// FuzzUnpack makes the sums of headers right, which a fuzzer does not.
func FuzzUnpack(f *testing.F) {
	if os.Geteuid() != 0 {
		f.Skip("needs root")
	}
	for _, b := range hostileSeeds(f, "/coracle-canary") {
		f.Add(b, false)
	}
	f.Fuzz(func(t *testing.T, b []byte, deferred bool) {
		if len(b) > 64<<10 {
			return
		}
		b = bytes.Clone(b)
		for h := 0; h+blockSize <= len(b); h += blockSize {
			if bytes.HasPrefix(b[h+257:], []byte("ustar")) {
				(*block)(b[h : h+blockSize]).seal()
			}
		}
		_ = newArena(t).try(t, b, deferred)
	})
}

// FuzzPackTree reads a tree of the fuzzer's making: whatever Unpack accepts, Pack
// can write, and it is the same layer.
func FuzzPackTree(f *testing.F) {
	if os.Geteuid() != 0 {
		f.Skip("needs root")
	}
	for _, b := range hostileSeeds(f, "/coracle-canary") {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 64<<10 {
			return
		}
		repack(t, b)
	})
}

// TestRepack does that with the fixtures.
func TestRepack(t *testing.T) {
	testenv.Root(t)
	t.Parallel()
	for _, b := range hostileSeeds(t, filepath.Join(t.TempDir(), "canary")) {
		repack(t, b)
	}
}

func repack(t testing.TB, b []byte) {
	base, one, two := newDir(t), newDir(t), newDir(t)
	l := Limits{Bytes: 16 << 20, Size: 16 << 20, Entries: 2000}
	unpack(t, ordinaryLayer(t), base, Options{})
	if _, err := Unpack(context.Background(), bytes.NewReader(b), one, Options{Base: base, Limits: l}); err != nil {
		return
	}
	var packed bytes.Buffer
	_, err := Pack(context.Background(), &packed, one, PackOptions{})
	require.NoError(t, err)
	_, err = Unpack(context.Background(), &packed, two, Options{Base: base})
	require.NoError(t, err)
	require.Equal(t, describeTree(t, one, true), describeTree(t, two, true))
}
