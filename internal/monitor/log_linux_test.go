package monitor

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
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

// follower reads a log while it is written.
type follower struct {
	live atomic.Bool
	got  safe
	gaps atomic.Int64
	err  error
	done chan struct{}
}

func follow(t testing.TB, dir *sys.FD, o LogOptions, slow time.Duration) *follower {
	f := &follower{done: make(chan struct{})}
	f.live.Store(true)
	o.Follow = true
	go func() {
		defer close(f.done)
		for r, err := range ReadLog(t.Context(), dir, o, func() (bool, error) { return f.live.Load(), nil }) {
			switch {
			case errors.Is(err, ErrLogGap):
				f.gaps.Add(1)
			case err != nil:
				f.err = err
			}
			f.got.Write(r.Data)
			time.Sleep(slow)
		}
	}()
	return f
}

func (f *follower) end(t testing.TB) string {
	t.Helper()
	f.live.Store(false)
	select {
	case <-f.done:
	case <-time.After(patience):
		t.Fatal("the follower does not end")
	}
	require.NoError(t, f.err)
	return f.got.String()
}

// A follower that keeps up sees every byte across rotations, and no gap.
func TestFollow(t *testing.T) {
	t.Parallel()
	for _, files := range []int{0, 1, 4} {
		t.Run(fmt.Sprint(files), func(t *testing.T) {
			t.Parallel()
			dir := logDir(t)
			l := logIn(t, dir, 4<<10, files)
			f := follow(t, dir, LogOptions{}, 0)
			want := 0
			for i := range 2000 {
				line := fmt.Appendf(nil, "%d\n", i)
				l.Append(1, line)
				want += len(line)
				if i%20 == 0 { // it keeps up
					eventually(t, "the follower does not follow", func() bool { return len(f.got.String()) == want })
				}
			}
			require.NoError(t, l.Close())
			sameText(t, lines(0, 1999), f.end(t))
			assert.Zero(t, f.gaps.Load())
		})
	}
}

// Many followers, started at any time, and a writer that does not wait: as long as
// nothing is rotated away, all is there.
func TestFollowStorm(t *testing.T) {
	t.Parallel()
	for range testenv.Scale(t, 40) {
		dir := logDir(t)
		l := logIn(t, dir, 2<<10, 60)
		var followers []*follower
		var wg sync.WaitGroup
		wg.Go(func() {
			for i := range 3000 {
				l.Append(1+i%2, fmt.Appendf(nil, "%d\n", i))
			}
		})
		for range 5 { // begun at any time
			followers = append(followers, follow(t, dir, LogOptions{}, 0))
			time.Sleep(time.Millisecond)
		}
		wg.Wait()
		for _, f := range followers { // the container has ended; whoever pumps has not
			f.live.Store(false)
		}
		l.Append(1, []byte("3000\n"))
		require.NoError(t, l.Close())
		for _, f := range followers {
			sameText(t, lines(0, 3000), f.end(t))
			require.Zero(t, f.gaps.Load())
		}
	}
}

// A follower that is overtaken is told, and goes on with what is there.
func TestFollowOvertaken(t *testing.T) {
	t.Parallel()
	dir := logDir(t)
	l := logIn(t, dir, 100, 1)
	l.Append(1, []byte("first\n"))
	f := follow(t, dir, LogOptions{}, 0)
	eventually(t, "no first record", func() bool { return f.got.String() == "first\n" })
	for burst := range 20 {
		for i := range 50 {
			l.Append(1, fmt.Appendf(nil, "%d.%03d.%050d\n", burst, i, i))
		}
	}
	l.Append(1, []byte("last\n"))
	require.NoError(t, l.Close())
	got := f.end(t)
	assert.True(t, strings.HasSuffix(got, "last\n"))
	// Either it kept up or it was told.
	if strings.Count(got, "\n") < 1002 {
		assert.Positive(t, f.gaps.Load())
	}
}

// A slow one, for sure.
func TestFollowSlowly(t *testing.T) {
	t.Parallel()
	dir := logDir(t)
	l := logIn(t, dir, 100, 1)
	f := follow(t, dir, LogOptions{}, 2*time.Millisecond)
	for i := range 500 {
		l.Append(1, fmt.Appendf(nil, "%070d\n", i))
	}
	require.NoError(t, l.Close())
	got := f.end(t)
	assert.True(t, strings.HasSuffix(got, fmt.Sprintf("%070d\n", 499)))
	assert.Positive(t, f.gaps.Load())
	assert.Less(t, strings.Count(got, "\n"), 500)
}

func TestFollowWithoutInotify(t *testing.T) {
	t.Parallel()
	dir := logDir(t)
	l := logIn(t, dir, 4<<10, 3)
	r := &logReader{dir: dir, LogOptions: LogOptions{Follow: true}, watch: &logWatch{delay: shortestWait}}
	var live atomic.Bool
	live.Store(true)
	r.running = func() (bool, error) { return live.Load(), nil }
	defer r.close()
	done := make(chan string)
	go func() {
		var b strings.Builder
		for {
			record, err := r.next(t.Context())
			if err != nil {
				done <- b.String()
				return
			}
			b.Write(record.Data)
		}
	}()
	for i := range 1000 {
		l.Append(1, fmt.Appendf(nil, "%d\n", i))
		if i%100 == 0 {
			time.Sleep(60 * time.Millisecond)
		}
	}
	require.NoError(t, l.Close())
	live.Store(false)
	sameText(t, lines(0, 999), <-done)
}

// A log that ends: by the container, by Until, by the context, by the consumer.
func TestFollowEnds(t *testing.T) {
	t.Parallel()
	dir := logDir(t)
	l := logIn(t, dir, 0, 0)
	l.Append(1, []byte("x\n"))
	require.NoError(t, l.Close())

	t.Run("stopped long ago", func(t *testing.T) {
		f := follow(t, dir, LogOptions{}, 0)
		assert.Equal(t, "x\n", f.end(t))
	})
	t.Run("until", func(t *testing.T) {
		f := follow(t, dir, LogOptions{Until: time.Now().Add(30 * time.Millisecond)}, 0)
		<-f.done
		assert.Equal(t, "x\n", f.got.String())
	})
	t.Run("context", func(t *testing.T) {
		why := errors.New("enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		defer cancel(nil)
		var errs []error
		for _, err := range ReadLog(ctx, dir, LogOptions{Follow: true}, func() (bool, error) { return true, nil }) {
			errs = append(errs, err)
			time.AfterFunc(10*time.Millisecond, func() { cancel(why) })
		}
		require.Len(t, errs, 2)
		assert.NoError(t, errs[0])
		assert.ErrorIs(t, errs[1], why)
	})
	t.Run("consumer", func(t *testing.T) {
		for range ReadLog(t.Context(), dir, LogOptions{Follow: true}, func() (bool, error) { return true, nil }) {
			break
		}
	})
	t.Run("running fails", func(t *testing.T) {
		broken := errors.New("broken")
		var last error
		for _, err := range ReadLog(t.Context(), dir, LogOptions{Follow: true}, func() (bool, error) { return false, broken }) {
			last = err
		}
		assert.ErrorIs(t, last, broken)
	})
}

func TestFollowTail(t *testing.T) {
	t.Parallel()
	dir := logDir(t)
	l := logIn(t, dir, 50, 5)
	l.Append(1, []byte("1\n2\n3\n"))
	for _, tt := range []struct {
		tail int
		want string
	}{
		{-1, "new\n"},
		{2, "3\nnew\nnew\n"}, // 3 and the first new are the last two
	} {
		f := follow(t, dir, LogOptions{Tail: tt.tail}, 0)
		time.Sleep(20 * time.Millisecond) // it has begun
		l.Append(1, []byte("new\n"))
		eventually(t, "nothing new", func() bool { return len(f.got.String()) >= len(tt.want) })
		assert.Equal(t, tt.want, f.got.String())
		f.live.Store(false)
	}
	require.NoError(t, l.Close())
}

// A log that comes to be only later.
func TestFollowFromNothing(t *testing.T) {
	t.Parallel()
	dir := logDir(t)
	f := follow(t, dir, LogOptions{}, 0)
	time.Sleep(5 * time.Millisecond)
	l := logIn(t, dir, 0, 0)
	l.Append(1, []byte("x"))
	require.NoError(t, l.Close())
	eventually(t, "nothing", func() bool { return f.got.String() == "x" })
	f.end(t)
}

// Followed, a supervisor's log has every byte too, and the end comes with it.
func TestFollowSupervisor(t *testing.T) {
	t.Parallel()
	dir := logDir(t)
	var out, errs strings.Builder
	c, err := Connect(false, IO{}, nil)
	require.NoError(t, err)
	p := pumped(t, c, dir, "seq 1 30000; seq 1 30000 >&2")
	running := func() (bool, error) {
		select {
		case <-p.Gone():
			return false, nil
		default:
			return true, nil
		}
	}
	for r, err := range ReadLog(t.Context(), dir, LogOptions{Follow: true}, running) {
		require.NoError(t, err)
		if r.Stream == supervisor.Stdout {
			out.Write(r.Data)
		} else {
			errs.Write(r.Data)
		}
	}
	sameText(t, lines(1, 30000), out.String())
	sameText(t, lines(1, 30000), errs.String())
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
