package monitor

import (
	"context"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coraclehq/coracle/internal/supervisor"
	"github.com/coraclehq/coracle/internal/sys"
	"github.com/coraclehq/coracle/internal/testenv"
)

func logDir(t testing.TB) *sys.FD { return dirAt(t, t.TempDir()) }

func dirAt(t testing.TB, path string) *sys.FD {
	dir, err := sys.Open(path, sys.O_RDONLY|sys.O_DIRECTORY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { dir.Close() })
	return dir
}

func logIn(t testing.TB, dir *sys.FD, limit int64, files int) *LogWriter {
	f, err := dir.Open(logName, sys.O_WRONLY|sys.O_CREAT|sys.O_APPEND, 0o600)
	require.NoError(t, err)
	l, err := NewLogWriter(dir, f, limit, files)
	require.NoError(t, err)
	return l
}

// logged is what the log has of each stream.
func logged(t testing.TB, dir *sys.FD) (stdout, stderr string) {
	t.Helper()
	var text [streams]strings.Builder
	for r, err := range ReadLog(context.Background(), dir, LogOptions{}, nil) {
		require.NoError(t, err)
		text[r.Stream].Write(r.Data)
	}
	return text[supervisor.Stdout].String(), text[supervisor.Stderr].String()
}

// read collects records as "stream:data", with errors in their places.
func read(log iter.Seq2[supervisor.LogRecord, error]) (records []string) {
	for r, err := range log {
		if err != nil {
			records = append(records, err.Error())
			continue
		}
		records = append(records, fmt.Sprintf("%d:%s", r.Stream, r.Data))
	}
	return records
}

func all(t testing.TB, dir *sys.FD, o LogOptions) []string {
	return read(ReadLog(t.Context(), dir, o, nil))
}

func TestLogWriter(t *testing.T) {
	t.Parallel()
	dir := logDir(t)
	l := logIn(t, dir, 0, 0)
	l.Append(1, []byte("one"))
	l.Append(2, []byte("two"))
	l.Append(1, nil)
	big := strings.Repeat("x", supervisor.LogBuffer+1)
	l.Append(1, []byte(big))
	require.NoError(t, l.Close())
	l = logIn(t, dir, 0, 0)
	l.Append(2, []byte("again"))
	require.NoError(t, l.Close())
	assert.Equal(t, []string{"1:one", "2:two", "1:" + big[1:], "1:x", "2:again"}, all(t, dir, LogOptions{}))
}

func TestLogWriterRotates(t *testing.T) {
	t.Parallel()
	for files := range 4 {
		dir := logDir(t)
		l := logIn(t, dir, 100, files)
		for i := range 20 {
			l.Append(1, fmt.Appendf(nil, "%060d", i)) // two in a file
		}
		require.NoError(t, l.Close())
		var want []string
		for i := 20 - 2*files; i < 20; i++ {
			want = append(want, fmt.Sprintf("1:%060d", i))
		}
		assert.Equal(t, want, all(t, dir, LogOptions{}))
		names, err := dir.Names()
		require.NoError(t, err)
		assert.Len(t, names, files+1)
	}
}

func TestLogWriterOnAFullDisk(t *testing.T) {
	t.Parallel()
	path := testenv.Tmpfs(t, 64<<10, 0)
	dir := dirAt(t, path)
	l := logIn(t, dir, 0, 0)
	for i := range 20 {
		l.Append(1, []byte(strings.Repeat(string('a'+rune(i)), 10000)))
	}
	err := l.Close()
	var lost *LogError
	require.ErrorAs(t, err, &lost)
	assert.Equal(t, 14, lost.Records)
	assert.ErrorIs(t, err, sys.ENOSPC)
	assert.Len(t, all(t, dir, LogOptions{}), 6)
}

// Where no new file can be made, the log grows.
func TestLogWriterWithoutInodes(t *testing.T) {
	t.Parallel()
	dir := dirAt(t, testenv.Tmpfs(t, 1<<20, 2))
	l := logIn(t, dir, 100, 3)
	for range 10 {
		l.Append(1, []byte(strings.Repeat("x", 60)))
	}
	require.NoError(t, l.Close())
	assert.Len(t, all(t, dir, LogOptions{}), 10)
}

// record is a record as it stands in a file.
func record(at time.Time, stream int, data string) []byte {
	r := supervisor.LogRecord{Time: at, Stream: stream, Data: []byte(data)}
	return append(supervisor.AppendLogHeader(nil, r), data...)
}

var epoch = time.Unix(1700000000, 0)

// file writes a file of a log, from records of one second each.
func file(t testing.TB, dir *sys.FD, name string, parts ...[]byte) {
	t.Helper()
	f, err := dir.Open(name, sys.O_WRONLY|sys.O_CREAT|sys.O_APPEND, 0o600)
	require.NoError(t, err)
	defer f.Close()
	for _, p := range parts {
		_, err := f.Write(p)
		require.NoError(t, err)
	}
}

func TestReadDamage(t *testing.T) {
	t.Parallel()
	a, b := record(epoch, 1, "a"), record(epoch, 2, "bbb")
	wrong := record(epoch, 3, "x") // there is no such stream
	for _, tt := range []struct {
		name string
		end  []byte
		want []string
		size int // after mending
	}{
		{"whole", nil, nil, 52},
		{"half a header", a[:10], nil, 52},
		{"half the data", b[:26], nil, 52},
		{"zeros", make([]byte, 5000), nil, 52},
		{"a few zeros", make([]byte, 5), nil, 52},
		{"wrong", wrong, []string{"LOG: damaged log record at byte 52"}, 77},
		{"wrong, more behind", append(wrong[:25:25], a...), []string{"LOG: damaged log record at byte 52"}, 102},
		{"zeros, more behind", append(make([]byte, 70000), a...), []string{"LOG: damaged log record at byte 52"}, 70077},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := logDir(t)
			file(t, dir, "log.1", a, b, tt.end)
			file(t, dir, "log", a)
			for i, w := range tt.want {
				tt.want[i] = strings.Replace(w, "LOG", dir.Name()+"/log.1", 1)
			}
			assert.Equal(t, append(append([]string{"1:a", "2:bbb"}, tt.want...), "1:a"), all(t, dir, LogOptions{}))

			f, err := dir.Open("log.1", sys.O_WRONLY, 0)
			require.NoError(t, err)
			defer f.Close()
			size, err := MendLog(f)
			require.NoError(t, err)
			assert.EqualValues(t, tt.size, size)
			st, err := f.Stat()
			require.NoError(t, err)
			assert.Equal(t, size, st.Size)
		})
	}
}

// A new record behind a torn one can be read.
func TestLogGoesOnBehindATornRecord(t *testing.T) {
	t.Parallel()
	dir := logDir(t)
	file(t, dir, "log", record(epoch, 1, "a"), record(epoch, 1, "torn")[:26])
	l := logIn(t, dir, 0, 0)
	l.Append(1, []byte("b"))
	require.NoError(t, l.Close())
	assert.Equal(t, []string{"1:a", "1:b"}, all(t, dir, LogOptions{}))
}

func TestReadNothing(t *testing.T) {
	t.Parallel()
	dir := logDir(t)
	assert.Empty(t, all(t, dir, LogOptions{}))
	assert.Empty(t, all(t, dir, LogOptions{Tail: 3}))
	file(t, dir, "log.x")
	file(t, dir, "log.01")
	file(t, dir, "log.1")
	file(t, dir, "log")
	assert.Empty(t, all(t, dir, LogOptions{Tail: 3}))
}

func TestReadTimes(t *testing.T) {
	t.Parallel()
	dir := logDir(t)
	var parts [][]byte
	for i := range 6 {
		parts = append(parts, record(epoch.Add(time.Duration(i)*time.Second), 1, fmt.Sprintln(i)))
	}
	file(t, dir, "log.1", parts[:3]...)
	file(t, dir, "log", parts[3:]...)
	at := func(i int) time.Time { return epoch.Add(time.Duration(i) * time.Second) }
	for _, tt := range []struct {
		o    LogOptions
		want string
	}{
		{LogOptions{}, "012345"},
		{LogOptions{Since: at(2)}, "2345"},
		{LogOptions{Until: at(2)}, "012"},
		{LogOptions{Since: at(1), Until: at(4)}, "1234"},
		{LogOptions{Since: at(9)}, ""},
		{LogOptions{Until: at(3), Tail: 2}, "23"},
		{LogOptions{Since: at(4), Tail: 5}, "45"},
		{LogOptions{Since: at(1).Add(1)}, "2345"},
	} {
		got := strings.Join(all(t, dir, tt.o), "")
		assert.Equal(t, tt.want, strings.NewReplacer("1:", "", "\n", "").Replace(got), "%+v", tt.o)
	}
}

func FuzzReadLog(f *testing.F) {
	f.Add(record(epoch, 1, "a\nb"), 0, false)
	f.Add(append(record(epoch, 1, "a\nb"), record(epoch, 2, "x\n")[:25]...), 1, true)
	f.Add(make([]byte, 100), -1, false)
	f.Fuzz(func(t *testing.T, content []byte, tail int, mend bool) {
		path := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(path, "log"), content, 0o600))
		dir := dirAt(t, path)
		if mend {
			l := logIn(t, dir, 0, 0)
			require.NoError(t, l.Close())
		}
		size := 0
		for r, err := range ReadLog(t.Context(), dir, LogOptions{Tail: tail}, nil) {
			if err != nil {
				require.ErrorIs(t, err, supervisor.ErrDamaged)
				continue
			}
			require.NotEmpty(t, r.Data)
			size += len(r.Data)
		}
		require.LessOrEqual(t, size, len(content))
	})
}
