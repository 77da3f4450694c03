package coracle

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coraclehq/coracle/internal/archive"
)

// start starts a shell command in a container of an image, with a connection to its
// standard input and what it has written.
func start(t testing.TB, e *Engine, i *Image, want, command string) (*Container, io.WriteCloser, *sink) {
	c, err := e.Create(t.Context(), i, Config{Cmd: Cmd{Args: []string{"sh", "-c", command}}})
	require.NoError(t, err)
	r, w := io.Pipe()
	out := newSink(want)
	require.NoError(t, c.Start(t.Context(), IO{Stdin: r, Stdout: out, Stderr: out}))
	t.Cleanup(func() {
		w.Close()
		c.Remove(context.Background(), true)
	})
	return c, w, out
}

// listing tells all of a container's files, and what they contain.
const listing = `cd /; find . -xdev ! -path './etc/hosts' ! -path './etc/hostname' ! -path './etc/resolv.conf' ! -path ./proc ! -path ./sys ! -path ./dev ! -path . | sort | while read -r f; do
	stat -c '%N %A %h %u %g %s %t:%T %Y' "$f" | sed 's/^\(d.* \|.* d[^ ]* [0-9]* [0-9]* [0-9]*\) [0-9]* \([^ ]* [0-9]*\)$/\1 \2/'
	[ ! -f "$f" ] || [ -L "$f" ] || md5sum "$f"
done`

func TestCommit(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	i := busyboxImage(t, e)
	c, err := e.Create(t.Context(), i, Config{Cmd: Cmd{Args: []string{"sh", "-c", `
		if [ -e /done ]; then ` + listing + `; exit; fi
		mkdir -p /new/deep; echo new > /new/deep/file; ln /new/deep/file /new/hard; ln -s deep/file /new/soft; mkfifo /new/fifo
		rm /etc/group; rm -r /home; mkdir -m 700 /home; echo x > /home/x; chown 5:6 /home/x; chmod 4711 /home/x
		rm -r /var; mv /tmp /moved; mkdir -m 1777 /tmp; mv /etc/passwd /etc/pass; rmdir /usr; echo a-file > /usr
		rm /bin/zcat; mkdir /bin/zcat; echo > "/new/$(printf 'a\tb\377')"; truncate -s 1000000 /new/holes; touch -d 1999-01-01 /new/old /new
		touch /done`}}})
	require.NoError(t, err)
	require.Empty(t, output(t, c))
	want := output(t, c)
	require.Contains(t, want, "./new/deep/file")

	j, err := c.Commit(t.Context(), "mine", CommitOptions{Author: "me", Comment: "a test"})
	require.NoError(t, err)
	require.Equal(t, []string{"mine:latest"}, names(t, j))
	assert.Equal(t, want, sh(t, e, j, listing))

	// And so it is elsewhere, and on a commit of the commit.
	there := otherEngine(t, t.TempDir())
	loaded, err := there.NewImage(t.Context(), "", FromArchive(bytes.NewReader(saved(t, DockerArchive, j))))
	require.NoError(t, err)
	require.Equal(t, j.ID(), loaded.ID())
	assert.Equal(t, want, sh(t, there, loaded, listing))

	c, err = e.Create(t.Context(), j, Config{Cmd: Cmd{Args: []string{"rm", "-r", "/new", "/tmp", "/moved", "/home/x"}}})
	require.NoError(t, err)
	require.Empty(t, output(t, c))
	k, err := c.Commit(t.Context(), "", CommitOptions{})
	require.NoError(t, err)
	require.Empty(t, names(t, k))
	got := sh(t, e, k, listing)
	require.NotContains(t, got, "new")
	require.NotContains(t, got, "moved")
	require.NotContains(t, got, "./home/x")

	history, err := k.History(t.Context())
	require.NoError(t, err)
	require.Len(t, history, 3)
	assert.Equal(t, "me", history[1].Author)
	assert.Equal(t, "a test", history[1].Comment)
	assert.Equal(t, "rm -r /new /tmp /moved /home/x", history[2].CreatedBy)
	assert.WithinDuration(t, time.Now(), history[2].Created, time.Minute)
	layers, err := k.Layers(t.Context())
	require.NoError(t, err)
	require.Len(t, layers, 3)
	assert.Equal(t, layers[2].DiffID(), history[2].Layer.DiffID())
}

// A container that was never started has changed nothing.
func TestCommitOfNothing(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	c, err := e.Create(t.Context(), busyboxImage(t, e), Config{})
	require.NoError(t, err)
	i, err := c.Commit(t.Context(), "nothing", CommitOptions{})
	require.NoError(t, err)
	size, err := i.Size(t.Context())
	require.NoError(t, err)
	before, err := busyboxImage(t, e).Size(t.Context())
	require.NoError(t, err)
	require.Equal(t, before, size)
	require.Equal(t, "fine\n", sh(t, e, i, "echo fine"))
}

// A program that changes two files in turn is stopped between two changes or in the
// middle of one, and goes on afterwards. The files of the image are from one moment:
// the second is never ahead of the first.
func TestCommitOfARunningContainer(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	i := busyboxImage(t, e)
	c, _, out := start(t, e, i, "\n100\n", `n=0; mkdir -p /a /z; while :; do n=$((n+1)); echo $n > /a/n.new; mv /a/n.new /a/n; echo $n > /z/n.new; mv /z/n.new /z/n; echo $n; done`)
	out.wait(t)
	p, err := c.Exec(t.Context(), Cmd{Args: []string{"sh", "-c", "while :; do date > /from-exec; done"}}, IO{})
	require.NoError(t, err)
	for range 3 {
		j, err := c.Commit(t.Context(), "running", CommitOptions{})
		require.NoError(t, err)
		var first, second int
		_, err = fmt.Sscan(sh(t, e, j, "cat /a/n /z/n"), &first, &second)
		require.NoError(t, err)
		require.Contains(t, []int{0, 1}, first-second, "%d and %d", first, second)
		require.GreaterOrEqual(t, second, 99)
		seen := len(out.String())
		require.Eventually(t, func() bool { return len(out.String()) > seen }, 30*time.Second, time.Millisecond, "it goes on")
	}
	require.NoError(t, p.Signal(9))
	require.Error(t, p.Wait(t.Context()))
	require.NoFileExists(t, filepath.Join(e.store.Path(), "containers", c.ID(), frozenMark))

	s, err := c.Status(t.Context())
	require.NoError(t, err)
	require.Equal(t, Running, s.State)
	_, err = c.Commit(t.Context(), "live", CommitOptions{Live: true})
	if err != nil {
		t.Log(err) // as documented
	}
}

// A container that somebody else has frozen stays so, and a commit that fails thaws
// what it has frozen.
func TestCommitThaws(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	c, _, out := start(t, e, busyboxImage(t, e), "up", `echo up; touch /.wh.bad; cat > /in`)
	out.wait(t)
	group, err := e.group(c.id)
	require.NoError(t, err)
	defer group.Close()
	require.Eventually(t, func() bool {
		_, err = c.Commit(t.Context(), "bad", CommitOptions{})
		return err != nil // the file is there now
	}, 30*time.Second, time.Millisecond)
	require.ErrorContains(t, err, ".wh.bad")
	frozen, err := group.Frozen()
	require.NoError(t, err)
	require.False(t, frozen)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = c.Commit(ctx, "late", CommitOptions{})
	require.ErrorIs(t, err, context.Canceled)
	frozen, err = group.Frozen()
	require.NoError(t, err)
	require.False(t, frozen)

	p, err := c.Exec(t.Context(), Cmd{Args: []string{"rm", "/.wh.bad"}}, IO{})
	require.NoError(t, err)
	require.NoError(t, p.Wait(t.Context()))
	require.NoError(t, group.Freeze(t.Context()))
	_, err = c.Commit(t.Context(), "frozen", CommitOptions{})
	require.NoError(t, err)
	frozen, err = group.Frozen()
	require.NoError(t, err)
	require.True(t, frozen)
	require.NoError(t, group.Thaw())
}

// The process that was committing was killed: the container goes on with the next
// Open, and is left alone while the process lives.
func TestOpenThawsWhatWasLeft(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	c, _, out := start(t, e, busyboxImage(t, e), "up", `echo up; sleep 1000`)
	out.wait(t)
	lock, err := e.store.LockContainer(t.Context(), c.id)
	require.NoError(t, err)
	_, err = e.freeze(t.Context(), lock)
	require.NoError(t, err)
	group, err := e.group(c.id)
	require.NoError(t, err)
	defer group.Close()

	otherEngine(t, e.store.Path())
	frozen, err := group.Frozen()
	require.NoError(t, err)
	require.True(t, frozen, "whoever holds the lock is alive")

	require.NoError(t, lock.Unlock()) // as the kernel does
	otherEngine(t, e.store.Path())
	frozen, err = group.Frozen()
	require.NoError(t, err)
	require.False(t, frozen)
	require.NoFileExists(t, filepath.Join(e.store.Path(), "containers", c.ID(), frozenMark))

	// A mark on a container that has ended since means nothing.
	require.NoError(t, c.Stop(t.Context()))
	mark := filepath.Join(e.store.Path(), "containers", c.ID(), frozenMark)
	require.NoError(t, os.WriteFile(mark, nil, 0o600))
	otherEngine(t, e.store.Path())
	require.NoFileExists(t, mark)
}

func TestCommitConfig(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	ctx := t.Context()
	// An image as docker makes them, with members that image-spec does not have.
	l := newLayer(t, e, tarOf(t, entry{name: "a", data: "a"}))
	base := imageWith(t, e, l, `{"architecture":"riscv64","os":"linux","os.version":"7","docker_version":"1.2","container":"abc",
		"config":{"Cmd":["/a"],"Env":["A=1"],"StopSignal":"SIGINT","Healthcheck":{"Test":["CMD","/ok"]},"Shell":["/bin/ash"],"ArgsEscaped":true},
		"history":[{"created_by":"nothing","empty_layer":true}],"rootfs":{"type":"layers","diff_ids":["`+l.DiffID()+`"]}}`)
	c, err := e.Create(ctx, base, Config{})
	require.NoError(t, err)
	created := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	i, err := c.Commit(ctx, "changed", CommitOptions{Author: "me", Config: func(c *ImageConfig) {
		assert.WithinDuration(t, time.Now(), c.Created, time.Minute)
		assert.Equal(t, "me", c.Author)
		c.Created, c.Cmd, c.Labels, c.StopSignal = created, []string{"/b", "c"}, map[string]string{"new": "label"}, ""
	}})
	require.NoError(t, err)
	cfg, err := i.Config(ctx)
	require.NoError(t, err)
	assert.Equal(t, ImageConfig{
		Cmd: []string{"/b", "c"}, Env: []string{"A=1"}, Labels: map[string]string{"new": "label"},
		Author: "me", Created: created, OS: "linux", Architecture: "riscv64",
	}, cfg)
	s, err := i.stored()
	require.NoError(t, err)
	var raw struct {
		Container     string
		DockerVersion string         `json:"docker_version"`
		Config        map[string]any `json:"config"`
		OSVersion     string         `json:"os.version"`
	}
	require.NoError(t, json.Unmarshal(s.RawConfig, &raw))
	assert.Empty(t, raw.Container, "that was another one")
	assert.Empty(t, raw.DockerVersion)
	assert.Equal(t, "7", raw.OSVersion)
	assert.Equal(t, map[string]any{
		"Cmd": []any{"/b", "c"}, "Env": []any{"A=1"}, "Labels": map[string]any{"new": "label"},
		"Healthcheck": map[string]any{"Test": []any{"CMD", "/ok"}}, "Shell": []any{"/bin/ash"}, "ArgsEscaped": true,
	}, raw.Config)
	history, err := i.History(ctx)
	require.NoError(t, err)
	require.Len(t, history, 3)
	require.Equal(t, "nothing", history[0].CreatedBy)
	require.Equal(t, l.DiffID(), history[1].Layer.DiffID(), "one that the author had left out")

	again, err := c.Commit(ctx, "", CommitOptions{Author: "me", Config: func(c *ImageConfig) {
		c.Created, c.Cmd, c.Labels, c.StopSignal = created, []string{"/b", "c"}, map[string]string{"new": "label"}, ""
	}})
	require.NoError(t, err)
	require.Equal(t, i.ID(), again.ID(), "the same files and configuration")

	require.NoError(t, c.Remove(ctx, false))
	_, err = c.Commit(ctx, "gone", CommitOptions{})
	require.ErrorIs(t, err, ErrNotFound)
}

func TestCommitIsRefused(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	ctx := t.Context()
	c, err := e.Create(ctx, smallImage(t, e, "small", "a"), Config{Cmd: Cmd{Args: []string{"/a"}}})
	require.NoError(t, err)
	before := inventory(t, e)
	_, err = c.Commit(ctx, "bad", CommitOptions{Config: func(c *ImageConfig) { c.Env = []string{"bad"} }})
	require.ErrorIs(t, err, ErrInvalid)
	_, err = c.Commit(ctx, "BAD", CommitOptions{})
	require.ErrorIs(t, err, ErrInvalid)
	_, err = c.Commit(ctx, "host", CommitOptions{})
	require.ErrorIs(t, err, ErrInvalid)
	require.Equal(t, before, inventory(t, e))
}

// imageWith loads an image with a given configuration and one layer.
func imageWith(t testing.TB, e *Engine, l *Layer, config string) *Image {
	var i *Image
	require.NoError(t, e.held(t.Context(), func() (err error) {
		if err = e.unpack(t.Context(), []archive.Layer{l.blob}, blobs{e.store}); err == nil {
			i, err = e.put(t.Context(), "", []byte(config), []archive.Layer{l.blob}, false)
		}
		return err
	}))
	return i
}

func TestCommitOverTheHost(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	ctx := t.Context()
	c := testContainer(t, e, Config{}, "sh", "-c", "rm /etc/debian_version; rm -r /usr/share/doc; mkdir /usr/share/doc; echo kept > /usr/share/doc/note")
	require.Empty(t, output(t, c))
	i, err := c.Commit(ctx, "on-host", CommitOptions{})
	require.NoError(t, err)
	require.ErrorIs(t, i.WriteArchive(ctx, io.Discard, OCIArchive), ErrNotPortable)
	layers, err := i.Layers(ctx)
	require.NoError(t, err)
	require.Len(t, layers, 1)
	_, err = e.NewImage(ctx, "out", FromLayers(ImageConfig{}, layers...))
	require.ErrorIs(t, err, ErrNotPortable)
	host, err := e.Image(ctx, "host")
	require.NoError(t, err)
	require.NotEqual(t, i.ID(), host.ID())

	look := "cat /usr/share/doc/note; ls /usr/share/doc; ls -d /usr/bin; test ! -e /etc/debian_version && echo gone"
	require.Equal(t, "kept\nnote\n/usr/bin\ngone\n", sh(t, e, i, look))

	c, err = e.Create(ctx, i, Config{Cmd: Cmd{Args: []string{"rm", "/usr/share/doc/note"}}})
	require.NoError(t, err)
	require.Empty(t, output(t, c))
	j, err := c.Commit(ctx, "on-on-host", CommitOptions{})
	require.NoError(t, err)
	require.Equal(t, "", strings.TrimSpace(sh(t, e, j, "ls /usr/share/doc")))
}
