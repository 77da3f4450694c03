package supervisor

import (
	"bytes"
	"encoding/binary"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// ended is an exit record with a si_code, a status and the memory events.
func ended(code, status int, events string) []byte {
	b := LostExit(time.Unix(1700000000, 5))
	binary.LittleEndian.PutUint32(b[recordInfo+8:], uint32(code))
	binary.LittleEndian.PutUint32(b[recordInfo+24:], uint32(status))
	copy(b[recordText:], events)
	return b
}

func TestParseExit(t *testing.T) {
	t.Parallel()
	at := time.Unix(1700000000, 5)
	for _, tt := range []struct {
		name string
		in   []byte
		want Exit
	}{
		{"exited", ended(codeExited, 0, ""), Exit{Finished: at}},
		{"with a code", ended(codeExited, 42, ""), Exit{Code: 42, Finished: at}},
		{"killed", ended(codeKilled, 9, ""), Exit{Code: 137, Signal: syscall.SIGKILL, Finished: at}},
		{"dumped", ended(codeDumped, 11, ""), Exit{Code: 139, Signal: syscall.SIGSEGV, CoreDumped: true, Finished: at}},
		{"lost", LostExit(at), Exit{Code: 137, Lost: true, Finished: at}},
		{"stopped is no end", ended(5, 19, ""), Exit{Code: 137, Lost: true, Finished: at}},
		{"no OOM, v2", ended(codeExited, 0, "low 0\nhigh 0\nmax 3\noom 0\noom_kill 0\n"), Exit{Finished: at}},
		{"OOM, v2", ended(codeKilled, 9, "low 0\nmax 3\noom 1\noom_kill 1\noom_group_kill 0\n"), Exit{Code: 137, Signal: syscall.SIGKILL, OOMKilled: true, Finished: at}},
		{"OOM, v1", ended(codeExited, 1, "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n"), Exit{Code: 1, OOMKilled: true, Finished: at}},
		{"the count is cut", ended(codeExited, 0, "oom_kill "), Exit{Finished: at}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := ParseExit(tt.in)
			require.NoError(t, err)
			assert.True(t, tt.want.Finished.Equal(got.Finished))
			got.Finished = tt.want.Finished
			assert.Equal(t, tt.want, got)
		})
	}
}

func TestParseExitOfSomethingElse(t *testing.T) {
	t.Parallel()
	whole := LostExit(time.Now())
	for _, b := range [][]byte{nil, whole[:RecordSize-1], append(whole, 0), bytes.Replace(whole, []byte("crl"), []byte("CRL"), 1), make([]byte, RecordSize)} {
		_, err := ParseExit(b)
		assert.Error(t, err)
	}
}

func FuzzParseExit(f *testing.F) {
	f.Add(ended(codeKilled, 9, "oom_kill 1\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := ParseExit(b); err == nil {
			require.Len(t, b, RecordSize)
		}
	})
}

func FuzzParseLogHeader(f *testing.F) {
	f.Add(AppendLogHeader(nil, LogRecord{Time: time.Unix(1, 2), Stream: Stderr, Data: []byte("x")}))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < LogHeaderSize {
			return
		}
		r, n, err := ParseLogHeader(b)
		if err != nil {
			require.ErrorIs(t, err, ErrDamaged)
			return
		}
		r.Data = make([]byte, n)
		// Equal records have equal headers.
		require.Equal(t, b[:LogHeaderSize], AppendLogHeader(nil, r))
	})
}

func TestLogHeader(t *testing.T) {
	t.Parallel()
	r := LogRecord{Time: time.Unix(1700000000, 999999999), Stream: Stdout, Data: make([]byte, LogBuffer)}
	head := AppendLogHeader([]byte("front"), r)
	require.Len(t, head, len("front")+LogHeaderSize)
	got, n, err := ParseLogHeader(head[len("front"):])
	require.NoError(t, err)
	assert.Equal(t, LogBuffer, n)
	assert.Equal(t, Stdout, got.Stream)
	assert.True(t, r.Time.Equal(got.Time))

	for name, at := range map[string]int{"stream": 16, "length": 20, "nanoseconds": 12} {
		wrong := bytes.Clone(head[len("front"):])
		binary.LittleEndian.PutUint32(wrong[at:], 0xfffffff)
		_, _, err := ParseLogHeader(wrong)
		assert.ErrorIs(t, err, ErrDamaged, name)
	}
}
