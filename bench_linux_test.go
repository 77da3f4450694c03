package coracle

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
)

func BenchmarkStart(b *testing.B) {
	ctx := context.Background()
	e := testEngine(b)
	img, err := e.NewImage(ctx, "host", FromHost())
	require.NoError(b, err)
	c, err := e.Create(ctx, img, Config{Cmd: Cmd{Args: []string{"/bin/true"}}})
	require.NoError(b, err)
	for b.Loop() {
		require.NoError(b, c.Run(ctx, IO{}))
	}
}
