package monitor

import (
	"bytes"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coraclehq/coracle/internal/testenv"
)

// BenchmarkPump is 1 GiB from a process to a writer, to the log and to both, moved by
// this program; compare BenchmarkPump of package supervisor.
//
//	go test -run '^$' -bench Pump -benchtime 5x ./internal/monitor
func BenchmarkPump(b *testing.B) {
	const size = 1 << 30
	for _, tt := range []struct {
		name string
		log  bool
		to   io.Writer
	}{{"writer", false, io.Discard}, {"log", true, nil}, {"both", true, io.Discard}} {
		b.Run(tt.name, func(b *testing.B) {
			b.SetBytes(size)
			for range b.N {
				var log *LogWriter
				if tt.log {
					log = logIn(b, dirAt(b, testenv.Tmpfs(b, 64<<20, 0)), 16<<20, 1)
				}
				code, err := run(b, false, IO{Stdout: tt.to}, log, "dd if=/dev/zero bs=64k count=16384 2>/dev/null")
				require.NoError(b, err)
				require.Zero(b, code)
			}
		})
	}
}

// BenchmarkReadLog is 64 MiB of lines.
func BenchmarkReadLog(b *testing.B) {
	dir := logDir(b)
	l := logIn(b, dir, 0, 0)
	line := append(bytes.Repeat([]byte("x"), 79), '\n')
	const count = 64 << 20 / 80
	for range count {
		l.Append(1, line)
	}
	require.NoError(b, l.Close())
	for name, tail := range map[string]int{"all": 0, "tail": 10} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(count * 80)
			for range b.N {
				n := 0
				for _, err := range ReadLog(b.Context(), dir, LogOptions{Tail: tail}, nil) {
					require.NoError(b, err)
					n++
				}
				require.Equal(b, map[int]int{0: count, 10: 10}[tail], n)
			}
		})
	}
}
