package store

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	digest "github.com/opencontainers/go-digest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCreateContainer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	ctx := context.Background()
	i := addImage(t, s, "busybox", "one", "two")
	r, err := s.CreateContainer(ctx, NewContainer{
		Record: Record{Name: "web", Image: i.ID, ImageName: "busybox", Layers: i.Lowers(), Config: json.RawMessage(`{"a":1}`)},
		Spec:   []byte(`{"ociVersion":"1.2.0"}`),
		Files:  map[string][]byte{"hosts": []byte("127.0.0.1 localhost\n")},
	})
	require.NoError(t, err)
	assert.Regexp(t, "^[0-9a-f]{64}$", r.ID)
	assert.Equal(t, 1, r.Version)
	assert.WithinDuration(t, time.Now(), r.Created, time.Minute)

	for _, ref := range []string{r.ID, "web", r.ID[:12], r.ID[:1]} {
		got, err := s.Container(ref)
		require.NoError(t, err, ref)
		assert.Equal(t, r, got, ref)
	}
	base := filepath.Join(dir, ContainerPath(r.ID))
	assert.Equal(t, `{"ociVersion":"1.2.0"}`, readFile(t, base, "config.json"))
	assert.Equal(t, "127.0.0.1 localhost\n", readFile(t, base, "hosts"))
	for _, d := range []string{"upper", "work", "rootfs"} {
		left, err := os.ReadDir(filepath.Join(base, d))
		require.NoError(t, err)
		assert.Empty(t, left)
	}
	d, err := s.ContainerDir(r.ID)
	require.NoError(t, err)
	names, err := d.Names()
	require.NoError(t, err)
	require.NoError(t, d.Close())
	assert.Equal(t, []string{"config.json", "hosts", "record.json", "rootfs", "upper", "work"}, names)
}

// The upper directory's owner and permissions become those of "/".
func TestUpperIsLikeTheTopLayer(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	w, err := s.NewLayer()
	require.NoError(t, err)
	require.NoError(t, w.Dir.Chmod(0o1775))
	if os.Geteuid() == 0 {
		require.NoError(t, w.Dir.Chown(12, 34))
	}
	l, err := w.Commit(context.Background(), Layer{DiffID: digest.FromString("x")})
	require.NoError(t, err)
	c, err := s.CreateContainer(context.Background(), NewContainer{Record: Record{Layers: []string{l.ID}}})
	require.NoError(t, err)
	var want, got syscall.Stat_t
	require.NoError(t, syscall.Stat(filepath.Join(s.Path(), l.Path()), &want))
	require.NoError(t, syscall.Stat(filepath.Join(s.Path(), ContainerPath(c.ID), "upper"), &got))
	assert.Equal(t, []uint32{want.Mode, want.Uid, want.Gid}, []uint32{got.Mode, got.Uid, got.Gid})
}

func TestCreateContainerIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	ctx := context.Background()
	web := addContainer(t, s, "web")
	before := tree(t, dir)
	for _, tt := range []struct {
		name string
		new  NewContainer
		want error
	}{
		{"a name that is taken", NewContainer{Record: Record{Name: "web"}}, ErrExists},
		{"an ID that is taken", NewContainer{Record: Record{ID: web.ID, Name: "other"}}, ErrExists},
		{"name and ID that are taken", NewContainer{Record: Record{ID: web.ID, Name: "web"}}, ErrExists},
		{"a bad ID", NewContainer{Record: Record{ID: "../" + web.ID[3:]}}, ErrInvalid},
		{"a bad name", NewContainer{Record: Record{Name: ".."}}, ErrInvalid},
		{"a name like an ID", NewContainer{Record: Record{Name: web.ID}}, ErrInvalid},
		{"a bad image", NewContainer{Record: Record{Image: "busybox"}}, ErrInvalid},
		{"no such image", NewContainer{Record: Record{Image: digest.FromString("?")}}, ErrNotFound},
		{"a bad layer", NewContainer{Record: Record{Layers: []string{"../../../etc"}}}, ErrInvalid},
		{"no such layer", NewContainer{Record: Record{Layers: []string{"0123456789ab"}}}, ErrNotFound},
		{"a file that is a path", NewContainer{Files: map[string][]byte{"../hosts": nil}}, ErrInvalid},
		{"a file of the store's", NewContainer{Files: map[string][]byte{"record.json": nil}}, ErrInvalid},
		{"no JSON", NewContainer{Record: Record{Config: json.RawMessage("{")}}, ErrInvalid},
	} {
		_, err := s.CreateContainer(ctx, tt.new)
		assert.ErrorIs(t, err, tt.want, tt.name)
		if tt.want == ErrExists {
			assert.ErrorContains(t, err, web.ID[:12], "says who has it")
		}
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	_, err := s.CreateContainer(ended, NewContainer{})
	assert.ErrorIs(t, err, context.Canceled)
	require.NoError(t, s.Settle(ctx))
	assert.Equal(t, before, tree(t, dir))
}

func TestContainerIsNotFound(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	a := NewID()
	b := a[:63] + string("0123456789abcdef"[(strings.IndexByte("0123456789abcdef", a[63])+1)%16])
	for _, id := range []string{a, b} {
		_, err := s.CreateContainer(context.Background(), NewContainer{Record: Record{ID: id}})
		require.NoError(t, err)
	}
	for ref, want := range map[string]error{
		"": ErrInvalid, "..": ErrInvalid, "a/b": ErrInvalid, strings.Repeat("x", 10<<10): ErrInvalid,
		"web": ErrNotFound, NewID(): ErrNotFound, "0x": ErrNotFound, a[:12]: ErrInvalid, a[:62]: ErrInvalid,
	} {
		_, err := s.Container(ref)
		assert.ErrorIs(t, err, want, "%.20s", ref)
	}
	_, err := s.Container(a[:12])
	assert.ErrorContains(t, err, "ambiguous, 2 IDs")
	_, err = s.Running("web")
	assert.ErrorIs(t, err, ErrInvalid)
	for _, f := range []func(string) error{
		func(id string) error { _, err := s.Running(id); return err },
		func(id string) error { _, _, err := s.State(id); return err },
		func(id string) error { _, err := s.Undos(id); return err },
		func(id string) error { _, err := s.ContainerDir(id); return err },
		func(id string) error { _, err := s.LockContainer(context.Background(), id); return err },
		func(id string) error { return s.RemoveContainer(context.Background(), id) },
	} {
		assert.ErrorIs(t, f(NewID()), ErrNotFound)
		assert.ErrorIs(t, f("../../../x"), ErrInvalid)
	}
}

// A name comes before the beginning of an ID, and an ID before a name.
func TestContainerByNameThatLooksLikeAnID(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	a := addContainer(t, s, "")
	b := addContainer(t, s, a.ID[:12])
	got, err := s.Container(a.ID[:12])
	require.NoError(t, err)
	assert.Equal(t, b.ID, got.ID)
	got, err = s.Container(a.ID[:13])
	require.NoError(t, err)
	assert.Equal(t, a.ID, got.ID)
}

func TestContainers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	a, b := addContainer(t, s, "a"), addContainer(t, s, "b")
	require.NoError(t, os.Mkdir(filepath.Join(dir, "containers", "junk"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, ContainerPath(a.ID), "record.json"), []byte(`{"id":"`+b.ID+`"}`), 0o600))
	var ids []string
	for r, err := range s.Containers() {
		if err != nil {
			assert.ErrorIs(t, err, ErrDamaged)
			assert.ErrorContains(t, err, a.ID)
			continue
		}
		ids = append(ids, r.ID)
	}
	assert.Equal(t, []string{b.ID}, ids)
	for range s.Containers() {
		break
	}
	require.NoError(t, s.Close())
}

func TestUpdateRecord(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	ctx := context.Background()
	c := addContainer(t, s, "web")
	file := filepath.Join(dir, ContainerPath(c.ID), "record.json")
	text := strings.Replace(readFile(t, file), "{", `{"restart":{"max":3},`, 1)
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))

	r, err := s.UpdateRecord(ctx, c.ID, func(r *Record) error {
		r.Config = json.RawMessage(`{"pids":100}`)
		return nil
	})
	require.NoError(t, err)
	got, err := s.Container("web")
	require.NoError(t, err)
	assert.Equal(t, r, got)
	assert.JSONEq(t, `{"pids":100}`, string(got.Config))
	assert.Contains(t, readFile(t, file), `"restart":{"max":3}`, "what a newer program wrote survives")

	before := readFile(t, file)
	for name, f := range map[string]func(*Record) error{
		"ID":      func(r *Record) error { r.ID = NewID(); return nil },
		"name":    func(r *Record) error { r.Name = "other"; return nil },
		"created": func(r *Record) error { r.Created = time.Now(); return nil },
		"version": func(r *Record) error { r.Version = 2; return nil },
		"layer":   func(r *Record) error { r.Layers = []string{"../x"}; return nil },
	} {
		_, err := s.UpdateRecord(ctx, c.ID, f)
		assert.ErrorIs(t, err, ErrInvalid, name)
	}
	_, err = s.UpdateRecord(ctx, c.ID, func(r *Record) error { r.Layers = []string{"0123456789ab"}; return nil })
	assert.ErrorIs(t, err, ErrNotFound)
	_, err = s.UpdateRecord(ctx, c.ID, func(r *Record) error { return os.ErrDeadlineExceeded })
	assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
	assert.Equal(t, before, readFile(t, file))
}

func TestUpdatesDoNotLoseEachOther(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	stores := []*Store{open(t, dir), open(t, dir)}
	c, err := stores[0].CreateContainer(context.Background(), NewContainer{Record: Record{Config: json.RawMessage("0")}})
	require.NoError(t, err)
	var all sync.WaitGroup
	for n := range 8 {
		all.Go(func() {
			for range 10 {
				_, err := stores[n%2].UpdateRecord(context.Background(), c.ID, func(r *Record) error {
					var n int
					err := json.Unmarshal(r.Config, &n)
					r.Config = json.RawMessage(itoa(n + 1))
					return err
				})
				assert.NoError(t, err)
			}
		})
	}
	all.Wait()
	got, err := stores[0].Container(c.ID)
	require.NoError(t, err)
	assert.Equal(t, "80", string(got.Config))
}

func TestRename(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	ctx := context.Background()
	a, b := addContainer(t, s, "one"), addContainer(t, s, "two")
	l, err := s.LockContainer(ctx, a.ID)
	require.NoError(t, err)
	require.ErrorIs(t, l.Rename(ctx, "two"), ErrExists)
	require.ErrorContains(t, l.Rename(ctx, "two"), b.ID[:12])
	require.ErrorIs(t, l.Rename(ctx, "../b"), ErrInvalid)
	require.ErrorIs(t, l.Rename(ctx, ""), ErrInvalid)
	require.NoError(t, l.Rename(ctx, "one"))
	require.NoError(t, l.Rename(ctx, "three"))
	r, err := l.Record()
	require.NoError(t, err)
	assert.Equal(t, "three", r.Name)
	require.NoError(t, l.Unlock())
	_, err = s.Container("one")
	require.ErrorIs(t, err, ErrNotFound)
	got, err := s.Container("three")
	require.NoError(t, err)
	assert.Equal(t, a.ID, got.ID)
	addContainer(t, s, "one")
	requireClosed(t, s)
	requireWhole(t, dir)
}

func TestRemoveContainer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	ctx := context.Background()
	c := addContainer(t, s, "web")
	deep := filepath.Join(dir, ContainerPath(c.ID), "upper", strings.Repeat("d/", 100))
	require.NoError(t, os.MkdirAll(deep, 0o700))

	p := child(t, "hold", dir, "alive "+c.ID)
	require.Equal(t, "held", p.line())
	require.ErrorIs(t, s.RemoveContainer(ctx, c.ID), ErrRunning)
	require.Error(t, p.kill())

	waiting := make(chan error, 1)
	l, err := s.LockContainer(ctx, c.ID)
	require.NoError(t, err)
	go func() { waiting <- s.RemoveContainer(ctx, c.ID) }()
	require.NoError(t, l.Remove(ctx))
	again := addContainer(t, s, "web")
	require.ErrorIs(t, l.Remove(ctx), ErrNotFound)
	require.NoError(t, l.Unlock())
	require.ErrorIs(t, <-waiting, ErrNotFound, "who waits for the lock of what is removed learns that it is gone")
	got, err := s.Container("web")
	require.NoError(t, err)
	assert.Equal(t, again.ID, got.ID)
	requireClosed(t, s)
	requireWhole(t, dir)
}

// A name whose container is gone, as a crash may leave it, is free.
func TestStaleName(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	for n, to := range []string{NewID(), "nonsense", "../../../etc"} {
		name := fmt.Sprint("stale", n)
		require.NoError(t, os.Symlink(to, filepath.Join(dir, "container-names", name)))
		_, err := s.Container(name)
		require.ErrorIs(t, err, ErrNotFound)
		if to == "../../../etc" {
			continue // Create sees that something is there
		}
		addContainer(t, s, name)
	}
	require.NoError(t, os.Mkdir(filepath.Join(dir, "tmp", "dead"), 0o700))
	requireClosed(t, s)
	requireWhole(t, dir)
}

func TestState(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	c := addContainer(t, s, "web")
	_, ok, err := s.State(c.ID)
	require.NoError(t, err)
	require.False(t, ok)
	l, err := s.LockContainer(context.Background(), c.ID)
	require.NoError(t, err)
	defer l.Unlock()
	want := State{Started: time.Now().UTC().Round(0), PID: 4711, Attached: true}
	for range 3 {
		want.PID++
		require.NoError(t, l.WriteState(want))
		got, ok, err := s.State(c.ID)
		require.NoError(t, err)
		require.True(t, ok)
		assert.Equal(t, want, got)
	}
	file := filepath.Join(dir, ContainerPath(c.ID), "state")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, ok, err = s.State(c.ID)
	require.NoError(t, err)
	assert.False(t, ok, "what a power cut leaves")
	require.NoError(t, os.WriteFile(file, []byte("{"), 0o600))
	_, _, err = s.State(c.ID)
	assert.ErrorIs(t, err, ErrDamaged)
	require.NoError(t, l.WriteSpec([]byte(`{"new":1}`)))
	assert.Equal(t, `{"new":1}`, readFile(t, dir, ContainerPath(c.ID), "config.json"))
}

func TestUndo(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	c := addContainer(t, s, "web")
	l, err := s.LockContainer(context.Background(), c.ID)
	require.NoError(t, err)
	defer l.Unlock()
	require.NoError(t, l.ClearUndo())
	require.NoError(t, l.AddUndo(Undo{"cgroup", "a"}))
	require.NoError(t, l.AddUndo(Undo{"nft", "b"}, Undo{"nft", "c"}))
	u, err := s.Undos(c.ID)
	require.NoError(t, err)
	assert.Equal(t, []Undo{{"cgroup", "a"}, {"nft", "b"}, {"nft", "c"}}, u)
	require.NoError(t, l.ClearUndo())
	u, err = s.Undos(c.ID)
	require.NoError(t, err)
	assert.Empty(t, u)
}

func TestRunning(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	ctx := context.Background()
	c := addContainer(t, s, "web")
	running := func() bool {
		r, err := s.Running(c.ID)
		require.NoError(t, err)
		return r
	}
	require.False(t, running())
	l, err := s.LockContainer(ctx, c.ID)
	require.NoError(t, err)
	alive, err := l.TakeAlive(ctx)
	require.NoError(t, err)
	require.True(t, running())
	_, err = l.TakeAlive(ctx)
	require.ErrorIs(t, err, ErrRunning)
	require.NoError(t, alive.Close())
	require.False(t, running())
	require.NoError(t, l.Unlock())

	p := child(t, "hold", dir, "alive "+c.ID)
	require.Equal(t, "held", p.line())
	require.True(t, running())
	require.Error(t, p.kill())
	require.False(t, running(), "the lock ends with the process")
}

// Those who look whether a container runs never make it look as if it did.
func TestTakeAliveUnderProbes(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	c := addContainer(t, s, "web")
	stop := make(chan struct{})
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					_, err := s.Running(c.ID)
					assert.NoError(t, err)
				}
			}
		})
	}
	l, err := s.LockContainer(context.Background(), c.ID)
	require.NoError(t, err)
	for range 100 {
		alive, err := l.TakeAlive(context.Background())
		if assert.NoError(t, err) {
			assert.NoError(t, alive.Close())
		}
	}
	close(stop)
	all.Wait()
	require.NoError(t, l.Unlock())
}
