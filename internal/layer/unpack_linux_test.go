package layer

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coraclehq/coracle/internal/sys"
	"github.com/coraclehq/coracle/internal/testenv"
)

var update = flag.Bool("update", false, "rewrite docs/layers.md's table")

// unpackBlob unpacks what may be compressed, as a puller does.
func unpackBlob(blob []byte, dir *sys.FD, o Options) (Result, error) {
	r, _, err := Decompress(bytes.NewReader(blob), o.Limits)
	if err != nil {
		return Result{}, err
	}
	res, err := Unpack(context.Background(), r, dir, o)
	if cerr := r.Close(); err == nil {
		err = cerr
	}
	return res, err
}

func TestFixtures(t *testing.T) {
	testenv.Root(t)
	for _, f := range fixtures() {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			runFixture(t, f, false)
		})
		t.Run(f.name+" deferred", func(t *testing.T) {
			t.Parallel()
			runFixture(t, f, true)
		})
	}
}

// scene is where a fixture plays: an image root and a canary beside it.
type scene struct {
	canary *canary
	roots  string
}

func newScene(t testing.TB) scene {
	top := t.TempDir()
	return scene{newCanary(t, filepath.Join(top, "canary")), top}
}

// dir makes a directory for a layer. Its parent is watched too.
func (s scene) dir(t testing.TB, name string) *sys.FD {
	p := filepath.Join(s.roots, "layers", name, "fs")
	require.NoError(t, os.MkdirAll(p, 0o700))
	return openDir(t, p)
}

func runFixture(t *testing.T, f fixture, deferred bool) {
	s := newScene(t)
	blobs := f.layers(func() *archive { return newArchive(t) }, s.canary.dir)
	lower := []*sys.FD{s.dir(t, "base")}
	_, err := unpackBlob(ordinaryLayer(t), lower[0], Options{})
	require.NoError(t, err)
	before := describeTree(t, view(t, lower...), false)

	start := time.Now()
	var skipped []string
	for i, b := range blobs {
		dir := s.dir(t, fmt.Sprint(i))
		var res Result
		res, err = unpackOn(t, b, dir, view(t, lower...), deferred)
		if err != nil {
			break
		}
		for _, s := range res.Skipped {
			skipped = append(skipped, s.Name+": "+s.What)
		}
		lower = append([]*sys.FD{dir}, lower...)
	}
	took := time.Since(start)
	assert.Less(t, took, 2*time.Second)
	assert.Less(t, diskUse(t, lower...), int64(64<<20))
	require.False(t, s.canary.touched(), "the canary was touched: %q", s.canary.look())

	if f.err != "" {
		require.ErrorContains(t, err, f.err)
		return
	}
	require.NoError(t, err)
	assert.ElementsMatch(t, f.skipped, skipped)
	got := changes(before, describeTree(t, view(t, lower...), false), s.canary.dir)
	assert.ElementsMatch(t, f.want, got)
}

// unpackOn unpacks a layer on lower ones, at once or in two steps.
func unpackOn(t testing.TB, blob []byte, dir, base *sys.FD, deferred bool) (Result, error) {
	if !deferred {
		return unpackBlob(blob, dir, Options{Base: base})
	}
	res, err := unpackBlob(blob, dir, Options{Defer: true})
	if err != nil {
		return res, err
	}
	if res.Deferred() {
		err = Settle(context.Background(), dir, base, &res)
	}
	if !errors.Is(err, ErrNeedsBase) {
		return res, err
	}
	names, err := dir.Names()
	require.NoError(t, err)
	for _, n := range names {
		require.NoError(t, dir.RemoveAll(n))
	}
	return unpackBlob(blob, dir, Options{Base: base})
}

// changes lists what is new as it is and what is gone as "! name". The canary's
// path inside the image is called CANARY, and its parents are left out.
func changes(before, after []string, canaryDir string) []string {
	var out []string
	for _, l := range before {
		if !slices.ContainsFunc(after, func(a string) bool { return nameOf(a) == nameOf(l) }) {
			out = append(out, "! "+nameOf(l))
		}
	}
	rel := strings.TrimPrefix(canaryDir, "/")
	for _, l := range after {
		if slices.Contains(before, l) {
			continue
		}
		if isParent(nameOf(l), rel) || isParent(nameOf(l), rel+"/self/root"+canaryDir) {
			continue
		}
		l = strings.ReplaceAll(l, up(canaryDir), "UP/CANARY")
		l = strings.ReplaceAll(l, canaryDir, "CANARY")
		l = strings.Replace(l, " "+rel, " CANARY", 1)
		out = append(out, l)
	}
	slices.Sort(out)
	return out
}

func isParent(name, of string) bool { return strings.HasPrefix(of+"/", name+"/") }

func nameOf(line string) string {
	_, rest, _ := strings.Cut(line, " ")
	if strings.HasPrefix(rest, `"`) {
		return rest
	}
	name, _, _ := strings.Cut(rest, " ")
	return name
}

// TestFixturesReachTheCanary is the control: a program that trusts the archive
// touches the canary, so the fixtures are what they claim to be.
func TestFixturesReachTheCanary(t *testing.T) {
	testenv.Root(t)
	n := 0
	for _, f := range fixtures() {
		if !f.control {
			continue
		}
		n++
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t)
			// The root lies beside the canary, where ".." would remove both.
			root := filepath.Join(s.roots, "root")
			require.NoError(t, os.Mkdir(root, 0o755))
			if strings.HasPrefix(f.name, "10-") || strings.HasPrefix(f.name, "11-") {
				// These remove the image's own root: the canary is in it.
				s.canary = newCanary(t, filepath.Join(root, "canary"))
			}
			for _, b := range f.layers(func() *archive { return newArchive(t) }, s.canary.dir) {
				naiveUnpack(t, b, root, s.roots)
			}
			require.True(t, s.canary.touched())
		})
	}
	require.GreaterOrEqual(t, n, 18)
}

func TestUnpackTable(t *testing.T) {
	const file, begin, end = "../../docs/layers.md", "<!-- table: made by go test ./internal/layer -update -->\n", "<!-- end of table -->\n"
	var b strings.Builder
	b.WriteString("| fixture | what it is | result | why |\n|---|---|---|---|\n")
	for _, f := range fixtures() {
		result := f.result
		if f.err != "" {
			require.Empty(t, result, f.name)
			result = "refused"
		}
		require.NotEmpty(t, result, f.name)
		require.NotEmpty(t, f.why, f.name)
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", f.name, f.what, result, f.why)
	}
	doc, err := os.ReadFile(file)
	require.NoError(t, err)
	head, rest, ok := strings.Cut(string(doc), begin)
	require.True(t, ok)
	table, tail, ok := strings.Cut(rest, end)
	require.True(t, ok)
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(head+begin+b.String()+end+tail), 0o644))
		return
	}
	require.Equal(t, b.String(), table, "rewrite it with -update")
}
