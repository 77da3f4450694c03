package supervisor

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coraclehq/coracle/internal/testenv"
)

// BenchmarkPump is 1 GiB on its way from a process to a file: by the supervisor, and
// by cat from a pipe as a measure of what the machine allows. The bytes of a record's
// header come on top in the log. File systems in memory, so that no disk is measured.
//
//	go test -run '^$' -bench Pump -benchtime 5x ./internal/supervisor
func BenchmarkPump(b *testing.B) {
	const size = 1 << 30
	for _, block := range []string{"64k", "4k"} {
		text := fmt.Sprintf("dd if=/dev/zero bs=%s count=%dk 2>/dev/null", block, size>>10/map[string]int{"64k": 64, "4k": 4}[block]>>10)
		b.Run("supervisor/"+block, func(b *testing.B) {
			b.SetBytes(size)
			for range b.N {
				x := boxIn(b, testenv.Tmpfs(b, 2*size, 0))
				x.LogLimit, x.LogFiles = MaxLog, 1
				x.logged().start(text)
				require.Zero(b, x.wait().Code)
				st, err := os.Stat(filepath.Join(x.path, "log"))
				require.NoError(b, err)
				require.Greater(b, st.Size(), int64(size))
				x.close()
				require.NoError(b, os.Remove(filepath.Join(x.path, "log")))
			}
		})
		b.Run("cat/"+block, func(b *testing.B) {
			b.SetBytes(size)
			for range b.N {
				path := filepath.Join(testenv.Tmpfs(b, 2*size, 0), "log")
				require.NoError(b, exec.Command("/bin/sh", "-c", text+" | cat >"+path).Run())
				require.NoError(b, os.Remove(path))
			}
		})
	}
}
