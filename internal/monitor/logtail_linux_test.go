package monitor

import (
	"crypto/rand"
	"iter"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coraclehq/coracle/internal/supervisor"
	"github.com/coraclehq/coracle/internal/testenv"
)

func TestTail(t *testing.T) {
	t.Parallel()
	dir := logDir(t)
	// o: a, b, c  d(unfinished)   e: x, y(unfinished until later) z
	file(t, dir, "log.3", record(epoch, 1, "a\nb"), record(epoch, 2, "x\ny"))
	file(t, dir, "log.2", record(epoch, 1, "b\n"))
	file(t, dir, "log.1", record(epoch, 2, "y\n"), record(epoch, 1, "c\n"))
	file(t, dir, "log", record(epoch, 1, "d"), record(epoch, 2, "z\n"), record(epoch, 1, "d"))
	for _, tt := range []struct {
		tail int
		want []string
	}{
		{-1, nil},
		{1, []string{"1:d", "1:d"}}, // dd is not finished, so it ends last
		{2, []string{"1:d", "2:z\n", "1:d"}},
		{3, []string{"1:c\n", "1:d", "2:z\n", "1:d"}},
		{4, []string{"2:y", "2:y\n", "1:c\n", "1:d", "2:z\n", "1:d"}},
		{5, []string{"1:b", "2:y", "1:b\n", "2:y\n", "1:c\n", "1:d", "2:z\n", "1:d"}},
		{6, []string{"1:b", "2:x\ny", "1:b\n", "2:y\n", "1:c\n", "1:d", "2:z\n", "1:d"}},
		{7, []string{"1:a\nb", "2:x\ny", "1:b\n", "2:y\n", "1:c\n", "1:d", "2:z\n", "1:d"}},
		{1 << 62, []string{"1:a\nb", "2:x\ny", "1:b\n", "2:y\n", "1:c\n", "1:d", "2:z\n", "1:d"}},
	} {
		assert.Equal(t, tt.want, all(t, dir, LogOptions{Tail: tt.tail}), "%d", tt.tail)
	}
}

// Tail agrees with a simple way of finding the last lines.
func TestTailOfRandomLogs(t *testing.T) {
	t.Parallel()
	for range testenv.Scale(t, 1000) {
		dir := logDir(t)
		var seed [64]byte
		rand.Read(seed[:])
		var parts [][]byte
		var whole []supervisor.LogRecord
		for _, b := range seed {
			data := strings.Repeat("\n", int(b>>1&1)) + strings.Repeat("t", int(b>>2&3)) + strings.Repeat("\n", int(b>>4&3)) + "u"
			stream := int(b&1) + 1
			parts = append(parts, record(epoch, stream, data))
			whole = append(whole, supervisor.LogRecord{Stream: stream, Data: []byte(data)})
		}
		file(t, dir, "log.2", parts[:20]...)
		file(t, dir, "log.1", parts[20:40]...)
		file(t, dir, "log", parts[40:]...)
		for _, n := range []int{1, 2, 5, 20, 60, 100} {
			require.Equal(t, lastLines(whole, n), perStream(ReadLog(t.Context(), dir, LogOptions{Tail: n}, nil)))
		}
	}
}

// perStream is the text of each stream.
func perStream(log iter.Seq2[supervisor.LogRecord, error]) (text [streams]string) {
	for r := range log {
		text[r.Stream] += string(r.Data)
	}
	return text
}

// lastLines splits all into lines, in the order of their ends, and joins the last.
func lastLines(records []supervisor.LogRecord, n int) (text [streams]string) {
	type line struct {
		stream int
		text   string
	}
	var ended []line
	var begun [streams]string
	for _, r := range records {
		for _, c := range r.Data {
			begun[r.Stream] += string(c)
			if c == '\n' {
				ended = append(ended, line{r.Stream, begun[r.Stream]})
				begun[r.Stream] = ""
			}
		}
	}
	for _, s := range []int{supervisor.Stderr, supervisor.Stdout} { // of two, stdout's counts as the last
		if begun[s] != "" {
			ended = append(ended, line{s, begun[s]})
		}
	}
	for _, l := range ended[max(len(ended)-n, 0):] {
		text[l.stream] += l.text
	}
	return text
}
