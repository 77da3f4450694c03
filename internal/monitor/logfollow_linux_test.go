package monitor

import (
	"context"
	"errors"
	"fmt"
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
