package coracle

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coraclehq/coracle/internal/script"
	"github.com/coraclehq/coracle/internal/testenv"
)

// Every op of a start's program is made to fail once: a start that fails names the
// step, one that does not runs to its end, and nothing is left behind either way.
func TestEveryOpFails(t *testing.T) {
	testenv.Root(t)
	for _, kind := range []struct {
		name string
		io   IO
		cfg  Config
	}{
		{"log", IO{}, Config{}},
		{"terminal", IO{}, Config{Cmd: Cmd{Terminal: true}}},
		{"user", IO{}, Config{Cmd: Cmd{User: "65534:65534", Dir: "/var/new/dir"}, Mounts: []Mount{{Target: "/data"}, {Source: "/usr", Target: "/host/usr", ReadOnly: true}}}},
	} {
		t.Run(kind.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
			defer cancel()
			e := testEngine(t)
			img, err := e.NewImage(ctx, "host", FromHost())
			require.NoError(t, err)
			kind.cfg.Cmd.Args = []string{"true"}
			c, err := e.Create(ctx, img, kind.cfg)
			require.NoError(t, err)
			p, err := c.program(ctx)
			require.NoError(t, err)
			lines := p.Lines()
			supervisors := slices.IndexFunc(lines, func(l script.Line) bool { return slices.Contains(l.Labels, "supervisor") })

			failed := 0
			for n := 1; n <= p.Ops(); n++ {
				e.failAt = n
				err := c.Run(ctx, kind.io)
				line := lines[n-1]
				require.NoError(t, ctx.Err(), "op %d, %s %s: it hangs", n, line.Call, line.Doing)
				var op *script.Error
				if errors.As(err, &op) {
					failed++
				}
				// A supervisor that cannot go on ends the container: what is named then
				// is what that hindered.
				if op != nil && n-1 < supervisors {
					assert.Equal(t, n-1, op.Index, "%v", err)
					if line.Doing != "" {
						assert.ErrorContains(t, err, line.Doing)
					}
				}
			}
			e.failAt = 0
			require.NoError(t, c.Run(ctx, kind.io))
			t.Logf("%d ops failed in turn, %d of them ended the start", p.Ops(), failed)
			require.Greater(t, failed, 100)
		})
	}
}
