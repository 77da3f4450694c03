package union

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coraclehq/coracle/internal/sys"
	"github.com/coraclehq/coracle/internal/testenv"
)

// BenchmarkView compares the two ways of looking at five layers.
func BenchmarkView(b *testing.B) {
	testenv.Root(b)
	fd, err := sys.Open(b.TempDir(), sys.O_PATH|sys.O_DIRECTORY, 0)
	require.NoError(b, err)
	defer fd.Close()
	var layers []string
	for _, n := range []string{"a", "b", "c", "d", "e"} {
		layers = append(layers, n)
		require.NoError(b, fd.Mkdir(n, 0o755))
	}
	for name, view := range map[string]func(*sys.FD, []string) (*sys.FD, error){"appended": viewAppended, "mounted": viewMounted} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				v, err := view(fd, layers)
				require.NoError(b, err)
				require.NoError(b, v.Close())
			}
		})
	}
}
