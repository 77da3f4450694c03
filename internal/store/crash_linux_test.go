package store

import (
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coraclehq/coracle/internal/testenv"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A process that is killed between any two steps of a change leaves the change made
// or not made, and nothing else, after the next Open.
func TestKillAtEveryStep(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ operation, step string }{
		{"create", "container made"},
		{"create", "container named"},
		{"create", "container placed"},
		{"rename", "container claimed"},
		{"rename", "container renamed"},
		{"remove", "container discarded"},
		{"layer", "layer made"},
		{"layer", "layer moved"},
		{"image", "image listed"},
		{"rmi", "image listed"},
		{"rmi", "layers unlinked"},
		{"rmi", "layers discarded"},
	} {
		t.Run(tt.operation+" "+tt.step, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			s := open(t, dir)
			addImage(t, s, "old", "old")
			addContainer(t, s, "old")
			require.NoError(t, s.Close())
			child(t, "die", dir, tt.step, tt.operation).killed(t)
			s = requireWhole(t, dir)

			// The same can be done now, if it was not.
			switch tt.operation {
			case "create":
				if _, err := s.Container("new"); err != nil {
					addContainer(t, s, "new")
				}
			case "rename":
				_, oldErr := s.Container("old")
				_, newErr := s.Container("new")
				assert.True(t, (oldErr == nil) != (newErr == nil), "one name: %v, %v", oldErr, newErr)
				if newErr != nil {
					operations(t)["rename"](s)
				}
			case "remove":
				_, err := s.Container("old")
				require.ErrorIs(t, err, ErrNotFound)
				addContainer(t, s, "old")
			case "layer":
				addLayer(t, s, "new")
				names, err := s.layers.Names()
				require.NoError(t, err)
				assert.Len(t, names, 2)
			case "image":
				addImage(t, s, "new", "new")
			case "rmi":
				_, err := s.Image("old")
				require.ErrorIs(t, err, ErrNotFound)
				_, err = s.Collect(context.Background())
				require.NoError(t, err)
				names, err := s.layers.Names()
				require.NoError(t, err)
				assert.Empty(t, names)
			}
			requireClosed(t, s)
			requireWhole(t, dir)
		})
	}
}

// Processes that work on one store and are killed at random lose nothing that they
// had finished, and do not disturb each other.
func TestKillAtRandom(t *testing.T) {
	t.Parallel()
	const workers = 4
	dir := t.TempDir()
	requireClosed(t, open(t, dir))
	want := map[string]bool{} // containers and images by name: true there, false not
	for round := range testenv.Scale(t, 100) {
		var children []*process
		for n := range workers {
			children = append(children, child(t, "work", dir, itoa(round*workers+n)))
		}
		for _, c := range children {
			// Each gets to something; when it ends is chance.
			require.NotEmpty(t, c.line())
			time.AfterFunc(rand.N(100*time.Millisecond), func() { c.cmd.Process.Kill() })
		}
		for _, c := range children {
			said := c.lines()
			c.killed(t)
			remember(want, said)
		}
		requireAcknowledged(t, dir, want)
	}
	t.Logf("%d things acknowledged", len(want))
}

// remember notes what a worker has said to have done. What it was about to do when it
// was killed is open.
func remember(want map[string]bool, said []string) {
	for _, line := range said {
		f := strings.Fields(line)
		if len(f) != 3 {
			continue // cut in the middle
		}
		verb, name := f[1], f[2]
		keys := map[string]bool{}
		switch verb {
		case "create":
			keys["c "+name] = true
		case "remove":
			keys["c "+name] = false
		case "rename":
			keys["c "+name], keys["c "+name+"-renamed"] = false, true
		case "image":
			keys["i "+name] = true
		case "rmi":
			keys["i "+name] = false
		}
		for k, there := range keys {
			if f[0] == "?" {
				delete(want, k)
			} else {
				want[k] = there
			}
		}
	}
}

func requireAcknowledged(t *testing.T, dir string, want map[string]bool) {
	t.Helper()
	start := time.Now()
	s := open(t, dir)
	if d := time.Since(start); d > 500*time.Millisecond {
		t.Errorf("Open took %v", d)
	}
	requireClosed(t, s)
	s = requireWhole(t, dir)
	for k, there := range want {
		kind, name, _ := strings.Cut(k, " ")
		var err error
		if kind == "c" {
			_, err = s.Container(name)
		} else {
			_, err = s.Image(name)
		}
		if there {
			require.NoError(t, err)
		} else {
			require.ErrorIs(t, err, ErrNotFound)
		}
	}
	requireClosed(t, s)
}

// Of processes that want the same names, each name goes to one.
func TestNamesRace(t *testing.T) {
	t.Parallel()
	const names = 50
	dir := t.TempDir()
	s := open(t, dir)
	var children []*process
	for range 4 {
		children = append(children, child(t, "names", dir, itoa(names)))
	}
	got := map[string]string{}
	for _, c := range children {
		for _, line := range c.lines() {
			name, id, _ := strings.Cut(line, " ")
			require.NotContains(t, got, name)
			got[name] = id
		}
		c.wait(t)
	}
	assert.Len(t, got, names)
	for name, id := range got {
		c, err := s.Container(name)
		require.NoError(t, err)
		assert.Equal(t, id, c.ID)
	}
	requireClosed(t, s)
	requireWhole(t, dir)
}

// Who is alive keeps what it is making when another process opens the store and
// clears up after the dead.
func TestOpenLeavesTheLivingAlone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	blob, err := s.NewBlob()
	require.NoError(t, err)
	layer, err := s.NewLayer()
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "tmp", "dead", "half", "made"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "tmp", "a file"), nil, 0o600))
	requireClosed(t, open(t, dir))
	left, err := os.ReadDir(filepath.Join(dir, "tmp"))
	require.NoError(t, err)
	require.Len(t, left, 1)
	require.Equal(t, s.writer.name, left[0].Name())
	_, _, err = blob.Commit("", -1)
	require.NoError(t, err)
	_, err = layer.Commit(context.Background(), Layer{})
	require.NoError(t, err)

	// A long-lived process can do the same for one that died since.
	require.NoError(t, os.Mkdir(filepath.Join(dir, "tmp", "dead"), 0o700))
	require.NoError(t, s.Recover(context.Background()))
	require.NoError(t, s.Settle(context.Background()))
	_, err = os.Stat(filepath.Join(dir, "tmp", "dead"))
	require.ErrorIs(t, err, os.ErrNotExist)
}

// What other files say the same thing as one that is the truth is made again.
func TestRepair(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	a := addImage(t, s, "busybox", "one", "two")
	web, db := addContainer(t, s, "web"), addContainer(t, s, "db")
	require.NoError(t, s.Close())
	at := func(p ...string) string { return filepath.Join(append([]string{dir}, p...)...) }
	require.NoError(t, os.Remove(at("container-names", "web")))
	require.NoError(t, os.Symlink(web.ID, at("container-names", "former")))
	require.NoError(t, os.Symlink(NewID(), at("container-names", "stale")))
	require.NoError(t, os.Remove(at("layer-ids", linkName(a.Layers[0].DiffID))))
	require.NoError(t, os.Symlink("0123456789ab", at("layer-ids", "sha256-"+NewID())))
	require.NoError(t, os.WriteFile(at("index.json"), []byte("{"), 0o600))
	require.NoError(t, os.WriteFile(at("containers", db.ID, "record.json"), nil, 0o600))
	require.NoError(t, os.Mkdir(at("tmp", "dead"), 0o700))
	s = open(t, dir)
	require.NoError(t, s.Settle(context.Background()))
	assert.Equal(t, map[string]string{"web": web.ID, "db": db.ID}, links(t, at("container-names")),
		"a container that cannot be read keeps its name")
	assert.Len(t, links(t, at("layer-ids")), 2)
	assert.Len(t, ociIndex(t, dir).Manifests, 1)
	i, err := s.Image("busybox")
	require.NoError(t, err)
	assert.Equal(t, a, i)
	_, err = s.Container("db")
	require.ErrorIs(t, err, ErrDamaged)
	require.NoError(t, s.RemoveContainer(context.Background(), db.ID))
	addContainer(t, s, "db")
}
