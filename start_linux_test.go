package coracle

import (
	"bytes"
	"context"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestHost(t *testing.T) {
	ctx := context.Background()
	e := testEngine(t)
	img, err := e.NewImage(ctx, "host", FromHost())
	require.NoError(t, err)
	c, err := e.Create(ctx, img, Config{Cmd: Cmd{Args: []string{"sh", "-c", "echo pid $$; hostname; id; ps ax; ls -la / /root /dev; mount; exit 3"}}})
	require.NoError(t, err)
	text, err := c.Explain(ctx)
	require.NoError(t, err)
	t.Log(text)
	var out bytes.Buffer
	err = c.Run(ctx, IO{Stdout: &out, Stderr: &out})
	t.Log(out.String())
	require.ErrorContains(t, err, "exit status 3")
	require.NoError(t, c.Remove(ctx, false))
}
