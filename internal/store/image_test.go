package store

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	digest "github.com/opencontainers/go-digest"
	imagespec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	busybox = "docker.io/library/busybox:latest"
	alpine  = "docker.io/library/alpine:latest"
)

func TestImage(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	i := addImage(t, s, "busybox", "one", "two")
	addImage(t, s, "alpine", "one")
	require.Len(t, i.Layers, 2)
	assert.Equal(t, digest.FromString("one"), i.Layers[0].DiffID, "bottom first")
	assert.Equal(t, []string{i.Layers[1].ID, i.Layers[0].ID}, i.Lowers())
	assert.Equal(t, []string{busybox}, i.Names)
	assert.Equal(t, "linux", i.Config.OS)
	assert.Equal(t, i.ID, digest.FromBytes(i.RawConfig))
	for _, ref := range []string{
		"busybox", "busybox:latest", "library/busybox", busybox, string(i.ID), i.ID.Encoded(), i.ID.Encoded()[:12],
		"sha256:" + i.ID.Encoded()[:12], string(i.Manifest.Digest), "busybox@" + string(i.Manifest.Digest),
	} {
		got, err := s.Image(ref)
		require.NoError(t, err, ref)
		assert.Equal(t, i, got, ref)
	}
	for ref, want := range map[string]error{
		"debian":                              ErrNotFound,
		"busybox:1":                           ErrNotFound,
		"":                                    ErrInvalid,
		"../../etc":                           ErrInvalid,
		"alpine@" + string(i.Manifest.Digest): ErrNotFound,
		"sha256:" + strings.Repeat("0", 64):   ErrNotFound,
		i.Manifest.Digest.Encoded():           ErrNotFound,
		"sha256:" + strings.Repeat("z", 64):   ErrInvalid,
	} {
		_, err := s.Image(ref)
		assert.ErrorIs(t, err, want, ref)
	}
	var seen []string
	for i, err := range s.Images() {
		require.NoError(t, err)
		seen = append(seen, i.Names...)
	}
	assert.Equal(t, []string{busybox, alpine}, seen)
}

func TestImageByAmbiguousID(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	first := map[byte]bool{}
	for n := range 17 {
		i := addImage(t, s, "", "layer "+itoa(n))
		if first[i.ID.Encoded()[0]] {
			_, err := s.Image(i.ID.Encoded()[:1])
			require.ErrorIs(t, err, ErrInvalid)
			require.ErrorContains(t, err, "ambiguous, 2 IDs")
			return
		}
		first[i.ID.Encoded()[0]] = true
	}
	t.Fatal("17 IDs begin with different digits")
}

func TestPutImageIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	ctx := context.Background()
	taken := addImage(t, s, "alpine", "other")
	good := addManifest(t, s, "one", "two")
	manifest := func(edit func(*imagespec.Manifest)) imagespec.Descriptor {
		data, err := s.ReadBlob(good.Digest)
		require.NoError(t, err)
		var m imagespec.Manifest
		require.NoError(t, json.Unmarshal(data, &m))
		edit(&m)
		return putBlob(t, s, good.MediaType, must(json.Marshal(m)))
	}
	config := func(edit func(*imagespec.Image)) imagespec.Descriptor {
		return manifest(func(m *imagespec.Manifest) {
			data, err := s.ReadBlob(m.Config.Digest)
			require.NoError(t, err)
			var c imagespec.Image
			require.NoError(t, json.Unmarshal(data, &c))
			edit(&c)
			m.Config = putBlob(t, s, m.Config.MediaType, must(json.Marshal(c)))
		})
	}
	size := good
	size.Size++
	before := readFile(t, dir, "names.json")
	for _, tt := range []struct {
		name string
		new  NewImage
		want error
	}{
		{"no digest", NewImage{}, ErrInvalid},
		{"no media type", NewImage{Manifest: imagespec.Descriptor{Digest: good.Digest, Size: good.Size}}, ErrInvalid},
		{"an index", NewImage{Manifest: manifest(func(m *imagespec.Manifest) { m.MediaType = imagespec.MediaTypeImageIndex })}, ErrMismatch},
		{"no manifest", NewImage{Manifest: imagespec.Descriptor{MediaType: good.MediaType, Digest: digest.FromString("?")}}, ErrNotFound},
		{"another size", NewImage{Manifest: size}, ErrMismatch},
		{"not JSON", NewImage{Manifest: putBlob(t, s, good.MediaType, []byte("{"))}, ErrInvalid},
		{"a digest that is a path", NewImage{Manifest: manifest(func(m *imagespec.Manifest) { m.Config.Digest = "sha256:../../names.json" })}, ErrInvalid},
		{"a layer's digest that is a path", NewImage{Manifest: manifest(func(m *imagespec.Manifest) { m.Layers[0].Digest = "sha256:../../names.json" })}, ErrInvalid},
		{"no configuration", NewImage{Manifest: manifest(func(m *imagespec.Manifest) { m.Config.Digest = digest.FromString("?") })}, ErrNotFound},
		{"configuration of another size", NewImage{Manifest: manifest(func(m *imagespec.Manifest) { m.Config.Size++ })}, ErrMismatch},
		{"a blob missing", NewImage{Manifest: manifest(func(m *imagespec.Manifest) { m.Layers[0].Digest = digest.FromString("?") })}, ErrNotFound},
		{"a blob of another size", NewImage{Manifest: manifest(func(m *imagespec.Manifest) { m.Layers[0].Size-- })}, ErrMismatch},
		{"fewer layers", NewImage{Manifest: manifest(func(m *imagespec.Manifest) { m.Layers = m.Layers[:1] })}, ErrInvalid},
		{"fewer diffIDs", NewImage{Manifest: config(func(c *imagespec.Image) { c.RootFS.DiffIDs = c.RootFS.DiffIDs[:1] })}, ErrInvalid},
		{"a layer that is not unpacked", NewImage{Manifest: config(func(c *imagespec.Image) { c.RootFS.DiffIDs[1] = digest.FromString("?") })}, ErrNotFound},
		{"a diffID that is a path", NewImage{Manifest: config(func(c *imagespec.Image) { c.RootFS.DiffIDs[1] = "sha256:../x" })}, ErrInvalid},
		{"another kind of root", NewImage{Manifest: config(func(c *imagespec.Image) { c.RootFS.Type = "windows" })}, ErrInvalid},
		{"a bad name", NewImage{Manifest: good, Names: []string{"UPPER"}}, ErrInvalid},
		{"the machine's own name", NewImage{Manifest: good, Names: []string{HostName}}, ErrInvalid},
		{"a name with another's digest", NewImage{Manifest: good, Names: []string{"x@" + string(taken.Manifest.Digest)}}, ErrMismatch},
		{"somebody else's name", NewImage{Manifest: good, Names: []string{"mine", "alpine"}}, ErrExists},
	} {
		_, err := s.PutImage(ctx, tt.new)
		assert.ErrorIs(t, err, tt.want, tt.name)
	}
	assert.Equal(t, before, readFile(t, dir, "names.json"))
	_, err := s.PutImage(ctx, NewImage{Manifest: good, Names: []string{"x@" + string(good.Digest)}})
	require.NoError(t, err)
}

func TestNames(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	ctx := context.Background()
	a := addImage(t, s, "busybox", "one")
	b := addImage(t, s, "alpine", "two")
	names := func(id digest.Digest) []string {
		i, err := s.Image(string(id))
		require.NoError(t, err)
		return i.Names
	}
	// Putting it again adds names and nothing else.
	_, err := s.PutImage(ctx, NewImage{Manifest: a.Manifest, Names: []string{"busybox", "bb:1", "bb:1"}})
	require.NoError(t, err)
	assert.Equal(t, []string{"docker.io/library/bb:1", busybox}, names(a.ID))

	require.ErrorIs(t, s.Tag(ctx, "busybox", "alpine", false), ErrExists)
	require.ErrorContains(t, s.Tag(ctx, "busybox", "alpine", false), string(b.ID))
	require.NoError(t, s.Tag(ctx, "busybox", "alpine", true))
	assert.Equal(t, []string{alpine, "docker.io/library/bb:1", busybox}, names(a.ID))
	assert.Empty(t, names(b.ID), "dangling, and still listed")
	require.NoError(t, s.Tag(ctx, b.ID.Encoded()[:12], "ghcr.io/x/y:z", false))
	assert.Equal(t, []string{"ghcr.io/x/y:z"}, names(b.ID))
	require.NoError(t, s.Tag(ctx, "busybox", "busybox", false), "what is so already")

	require.ErrorIs(t, s.Tag(ctx, "nothing", "x", false), ErrNotFound)
	require.ErrorIs(t, s.Tag(ctx, "busybox", "a b", false), ErrInvalid)
	require.ErrorIs(t, s.Tag(ctx, "busybox", HostName, true), ErrInvalid)
	require.ErrorIs(t, s.Tag(ctx, "busybox", "x@"+string(b.Manifest.Digest), true), ErrMismatch)

	require.NoError(t, s.Untag(ctx, "alpine"))
	require.ErrorIs(t, s.Untag(ctx, "alpine"), ErrNotFound)
	assert.Equal(t, []string{"docker.io/library/bb:1", busybox}, names(a.ID))
}

// The machine's own root file system is an image like others, but that it is nobody
// else's.
func TestHostImage(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	ctx := context.Background()
	i, err := s.PutImage(ctx, NewImage{Manifest: addManifest(t, s), Names: []string{"host"}, Host: true})
	require.NoError(t, err)
	assert.Empty(t, i.Layers)
	onTop := addManifest(t, s, "one")
	_, err = s.PutImage(ctx, NewImage{Manifest: onTop, Names: []string{"mine"}, Host: true})
	require.NoError(t, err)
	_, err = s.PutImage(ctx, NewImage{Manifest: onTop})
	require.ErrorIs(t, err, ErrExists, "not with another base")
	for ref, want := range map[string]bool{"host": true, "mine": true} {
		i, err := s.Image(ref)
		require.NoError(t, err)
		assert.Equal(t, want, i.Host)
	}
	_, err = s.Image("host:latest")
	require.ErrorIs(t, err, ErrNotFound, "that is docker.io's")
	addImage(t, s, "busybox", "another")
	assert.Len(t, ociIndex(t, dir).Manifests, 1)
}

func ociIndex(t *testing.T, dir string) (x imagespec.Index) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(readFile(t, dir, "index.json")), &x))
	return x
}

func TestOCIIndex(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	a := addImage(t, s, "busybox", "one")
	require.NoError(t, s.Tag(context.Background(), "busybox", "bb:1", false))
	b := addImage(t, s, "", "two")
	x := ociIndex(t, dir)
	require.Len(t, x.Manifests, 3)
	assert.Equal(t, 2, x.SchemaVersion)
	for n, want := range []struct {
		digest digest.Digest
		name   string
	}{{a.Manifest.Digest, "docker.io/library/bb:1"}, {a.Manifest.Digest, busybox}, {b.Manifest.Digest, ""}} {
		m := x.Manifests[n]
		assert.Equal(t, want.digest, m.Digest)
		assert.Equal(t, want.name, m.Annotations[imagespec.AnnotationRefName])
		assert.Equal(t, want.name, m.Annotations["io.containerd.image.name"])
		assert.FileExists(t, filepath.Join(dir, "blobs/sha256", m.Digest.Encoded()))
	}
}

func TestRemoveImage(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	ctx := context.Background()
	a := addImage(t, s, "busybox", "shared", "one")
	b := addImage(t, s, "alpine", "shared", "two")
	require.NoError(t, s.Tag(ctx, "busybox", "bb:1", false))

	_, err := s.RemoveImage(ctx, string(a.ID), false)
	require.ErrorIs(t, err, ErrInUse)
	require.ErrorContains(t, err, "2 names")
	r, err := s.RemoveImage(ctx, "bb:1", false)
	require.NoError(t, err)
	assert.Equal(t, Removed{Untagged: []string{"docker.io/library/bb:1"}}, r)

	c, err := s.CreateContainer(ctx, NewContainer{Record: Record{Name: "web", Image: a.ID, Layers: a.Lowers()}})
	require.NoError(t, err)
	_, err = s.RemoveImage(ctx, "busybox", true)
	require.ErrorIs(t, err, ErrInUse)
	require.ErrorContains(t, err, "container web")
	require.NoError(t, s.RemoveContainer(ctx, c.ID))

	r, err = s.RemoveImage(ctx, "busybox", false)
	require.NoError(t, err)
	assert.Equal(t, []string{busybox}, r.Untagged)
	assert.Equal(t, []digest.Digest{a.ID}, r.Deleted)
	assert.Equal(t, []string{a.Layers[1].ID}, r.Layers, "the shared one stays")
	assert.Len(t, r.Blobs, 3)
	assert.Positive(t, r.Bytes)
	_, err = s.Image("busybox")
	require.ErrorIs(t, err, ErrNotFound)
	got, err := s.Image("alpine")
	require.NoError(t, err)
	assert.Equal(t, b, got)

	_, err = s.RemoveImage(ctx, "alpine", false)
	require.NoError(t, err)
	require.NoError(t, s.Settle(ctx))
	for _, d := range []string{"blobs/sha256", "layers", "layer-ids"} {
		left, err := os.ReadDir(filepath.Join(dir, d))
		require.NoError(t, err)
		assert.Empty(t, left, d)
	}
	_, err = s.RemoveImage(ctx, "alpine", false)
	require.ErrorIs(t, err, ErrNotFound)
}

// Two manifests of one configuration, compressed differently, are one image.
func TestOneImageTwice(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	ctx := context.Background()
	a := addImage(t, s, "busybox", "one")
	data, err := s.ReadBlob(a.Manifest.Digest)
	require.NoError(t, err)
	var m imagespec.Manifest
	require.NoError(t, json.Unmarshal(data, &m))
	m.Layers[0] = putBlob(t, s, imagespec.MediaTypeImageLayerZstd, []byte("smaller"))
	b, err := s.PutImage(ctx, NewImage{Manifest: putBlob(t, s, a.Manifest.MediaType, must(json.Marshal(m))), Names: []string{"bb"}})
	require.NoError(t, err)
	require.Equal(t, a.ID, b.ID)
	i, err := s.Image(string(a.ID))
	require.NoError(t, err, "not ambiguous")
	assert.Equal(t, []string{"docker.io/library/bb:latest", "docker.io/library/busybox:latest"}, i.Names)
	_, err = s.CreateContainer(ctx, NewContainer{Record: Record{Image: a.ID}})
	require.NoError(t, err)
	r, err := s.RemoveImage(ctx, "bb", false)
	require.NoError(t, err, "the container has the other one")
	assert.Empty(t, r.Deleted)
	assert.Len(t, r.Blobs, 2)
	_, err = s.RemoveImage(ctx, "busybox", false)
	require.ErrorIs(t, err, ErrInUse)
}

func TestHoldKeepsWhatIsThere(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, loader := open(t, dir), open(t, dir)
	ctx := context.Background()
	addImage(t, s, "busybox", "shared")
	hold, err := loader.Hold(ctx)
	require.NoError(t, err)
	manifest := addManifest(t, loader, "shared", "new")

	r, err := s.RemoveImage(ctx, "busybox", false)
	require.NoError(t, err)
	assert.Empty(t, r.Layers)
	_, err = s.Collect(ctx)
	require.ErrorIs(t, err, ErrInUse)

	_, err = loader.PutImage(ctx, NewImage{Manifest: manifest, Names: []string{"new"}})
	require.NoError(t, err)
	require.NoError(t, hold.Unlock())
	c, err := s.Collect(ctx)
	require.NoError(t, err)
	assert.Empty(t, c.Layers)
	assert.Len(t, c.Blobs, 2, "manifest and configuration of the one that was removed")
	_, err = s.Image("new")
	require.NoError(t, err)
}

// What a container uses stays, even if its image is gone.
func TestCollectKeepsLayersOfContainers(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	ctx := context.Background()
	used, unused := addLayer(t, s, "used"), addLayer(t, s, "unused")
	c, err := s.CreateContainer(ctx, NewContainer{Record: Record{Layers: []string{used.ID}}})
	require.NoError(t, err)
	got, err := s.Collect(ctx)
	require.NoError(t, err)
	assert.Equal(t, Collected{Layers: []string{unused.ID}, Bytes: 6}, got)

	// With a record that cannot be read, nothing can be known to be unused.
	require.NoError(t, os.WriteFile(filepath.Join(s.Path(), ContainerPath(c.ID), "record.json"), []byte("{"), 0o600))
	_, err = s.Collect(ctx)
	require.ErrorIs(t, err, ErrDamaged)
	_, err = s.Layer(used.ID)
	require.NoError(t, err)
	require.NoError(t, s.RemoveContainer(ctx, c.ID), "a damaged container can be removed")
	got, err = s.Collect(ctx)
	require.NoError(t, err)
	assert.Equal(t, []string{used.ID}, got.Layers)
}

func TestDamagedImageDoesNotHideOthers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	ctx := context.Background()
	a := addImage(t, s, "busybox", "one")
	addImage(t, s, "alpine", "two")
	require.NoError(t, os.Remove(filepath.Join(dir, "blobs/sha256", a.ID.Encoded())))
	var good, bad int
	for _, err := range s.Images() {
		if err != nil {
			assert.ErrorIs(t, err, ErrNotFound)
			assert.ErrorContains(t, err, string(a.ID))
			bad++
			continue
		}
		good++
	}
	assert.Equal(t, []int{1, 1}, []int{good, bad})
	_, err := s.Collect(ctx)
	require.Error(t, err)
	_, err = s.RemoveImage(ctx, "busybox", false)
	require.NoError(t, err)
	_, err = s.Collect(ctx)
	require.NoError(t, err)
}

func TestUnknownMembersSurvive(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	addImage(t, s, "busybox", "one")
	file := filepath.Join(dir, "names.json")
	text := readFile(t, file)
	text = strings.Replace(text, `{"version":1,`, `{"version":1,"signatures":{"a":[1]},`, 1)
	text = strings.Replace(text, `{"manifest":`, `{"pinned":true,"manifest":`, 1)
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	require.NoError(t, s.Tag(context.Background(), "busybox", "bb", false))
	text = readFile(t, file)
	assert.Contains(t, text, `"signatures":{"a":[1]}`)
	assert.Contains(t, text, `"pinned":true`)
	assert.Contains(t, text, "library/bb:latest")
}

func TestDamagedNames(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	c := addContainer(t, s, "web")
	require.NoError(t, s.Close())
	for _, text := range []string{"", "{", "null1", `{"images":[null]}`, `{"images":[{"config":"sha256:../x"}]}`} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, "names.json"), []byte(text), 0o600))
		require.NoError(t, os.Mkdir(filepath.Join(dir, "tmp", "dead"), 0o700))
		s := open(t, dir)
		_, err := s.Image("busybox")
		assert.ErrorIs(t, err, ErrDamaged, text)
		_, err = s.Container("web")
		assert.NoError(t, err, "the containers are there all the same")
		l, err := s.LockContainer(context.Background(), c.ID)
		require.NoError(t, err)
		require.NoError(t, l.Unlock())
		require.NoError(t, s.Close())
	}
}
