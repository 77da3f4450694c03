//go:build faults

package coracle

import (
	"bytes"
	"context"
	"io"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coraclehq/coracle/internal/sys"
	"github.com/coraclehq/coracle/internal/testenv"
)

// Every call of the kernel that bringing in an image makes fails once, as on a
// broken disk and as on a full one. The error comes back, and there is the image,
// whole, or nothing of it.
func TestImageFaults(t *testing.T) {
	testenv.Root(t)
	ctx := context.Background()
	from := otherEngine(t, t.TempDir())
	lower, upper := tarOf(t, dirEntry("a", 0o711), entry{name: "a/b", data: "b"}), tarOf(t, entry{name: "a/.wh.b"}, entry{name: "a/c", data: "c"})
	image, err := from.NewImage(ctx, "one", FromLayers(ImageConfig{Cmd: []string{"/x"}}, newLayer(t, from, lower), newLayer(t, from, gzipped(t, upper))))
	require.NoError(t, err)
	archive := saved(t, DockerArchive, image, smallImage(t, from, "two", "x"))

	for name, op := range map[string]func(*Engine, *Container) error{
		"load": func(e *Engine, _ *Container) error {
			_, err := e.Load(ctx, bytes.NewReader(archive), LoadOptions{})
			return err
		},
		"layer": func(e *Engine, _ *Container) error {
			l, err := e.NewLayer(ctx, bytes.NewReader(lower))
			if err == nil {
				_, err = e.NewImage(ctx, "one", FromLayers(ImageConfig{}, l))
			}
			return err
		},
		"fs": func(e *Engine, _ *Container) error {
			_, err := e.NewImage(ctx, "one", FromFS(mapFS("a/b", "c"), ImageConfig{}))
			return err
		},
		"commit": func(_ *Engine, c *Container) error {
			_, err := c.Commit(ctx, "one", CommitOptions{})
			return err
		},
		"save": func(e *Engine, c *Container) error {
			i, err := e.Image(ctx, "base")
			if err == nil {
				err = i.WriteArchive(ctx, io.Discard, OCIArchive)
			}
			return err
		},
		"remove": func(e *Engine, c *Container) error {
			i, err := e.Image(ctx, "spare")
			if err == nil {
				err = i.Remove(ctx, true)
			}
			return err
		},
	} {
		for _, errno := range []syscall.Errno{sys.EIO, sys.ENOSPC} {
			t.Run(name+" "+sys.ErrnoName(errno), func(t *testing.T) {
				testenv.FailNth(t, func(n int) bool {
					dir := t.TempDir()
					e, err := Open(dir, &Options{Volatile: true})
					require.NoError(t, err)
					smallImage(t, e, "spare", "spare")
					c, err := e.Create(ctx, smallImage(t, e, "base", "base"), Config{Cmd: Cmd{Args: []string{"/x"}}})
					require.NoError(t, err)
					before := inventory(t, e)
					reached := testenv.Fault(t, n, errno, func() { err = op(e, c) })
					if err != nil {
						require.ErrorIs(t, err, errno)
					}
					e.Close() // what it could not remove, it says
					again, openErr := Open(dir, &Options{Volatile: true})
					require.NoError(t, openErr)
					for i, err := range again.Images(ctx) {
						require.NoError(t, err)
						assert.NoError(t, i.WriteArchive(ctx, io.Discard, OCIArchive))
					}
					if err != nil && name != "remove" {
						assert.NoError(t, again.collect(ctx)) // where the fault has kept it from being done
						after := inventory(t, again)
						if _, is := after["/names.json"]; is && before["/names.json"] == after["/names.json"] {
							assert.Equal(t, before, after)
						} else { // listed, and then something failed
							_, err := again.Image(ctx, "one")
							assert.NoError(t, err)
						}
					}
					require.NoError(t, again.Close())
					return reached && !t.Failed()
				})
			})
		}
	}
}
