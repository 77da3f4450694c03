package namespace

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coraclehq/coracle/internal/sys"
	"github.com/coraclehq/coracle/internal/testenv"
)

// fresh returns a namespace of its own.
func fresh(t *testing.T, p *Pool) *sys.FD {
	t.Helper()
	ns, err := p.Get()
	require.NoError(t, err)
	t.Cleanup(func() { ns.Close() })
	return ns
}

func newPool(t *testing.T, size int, prepare func() error) *Pool {
	t.Helper()
	testenv.Root(t)
	p := NewPool(size, prepare)
	t.Cleanup(func() { assert.NoError(t, p.Close()) })
	return p
}

func TestPoolGivesEachOnce(t *testing.T) {
	for _, size := range []int{-1, 0, 1, 4} {
		p := newPool(t, size, nil)
		seen := map[uint64]bool{}
		host, err := os.Stat("/proc/self/ns/net")
		require.NoError(t, err)
		seen[host.Sys().(*syscall.Stat_t).Ino] = true
		for range 12 {
			st, err := fresh(t, p).Stat()
			require.NoError(t, err)
			assert.False(t, seen[st.Ino], "a namespace came twice")
			seen[st.Ino] = true
		}
	}
}

func TestLoopbackIsUp(t *testing.T) {
	p := newPool(t, 1, nil)
	for range 3 {
		require.NoError(t, Do(fresh(t, p), func() error {
			lo, err := net.InterfaceByName("lo")
			if err != nil {
				return err
			}
			assert.NotZero(t, lo.Flags&net.FlagUp)
			all, err := net.Interfaces()
			assert.Len(t, all, 1)
			return err
		}))
	}
}

func TestPrepare(t *testing.T) {
	const file = "/proc/sys/net/ipv4/ip_unprivileged_port_start"
	before, err := os.ReadFile(file)
	require.NoError(t, err)
	p := newPool(t, 2, func() error { return os.WriteFile(file, []byte("7"), 0) })
	for range 5 {
		require.NoError(t, Do(fresh(t, p), func() error {
			b, err := os.ReadFile(file)
			assert.Equal(t, "7\n", string(b))
			return err
		}))
	}
	after, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, before, after)
}

// An error while making one comes back from Get, however it was to be made, and
// the next Get tries again.
func TestPrepareFails(t *testing.T) {
	var mu sync.Mutex
	broken := true
	failure := errors.New("no such sysctl")
	p := newPool(t, 2, func() error {
		mu.Lock()
		defer mu.Unlock()
		if broken {
			return failure
		}
		return nil
	})
	for range 5 {
		_, err := p.Get()
		require.ErrorIs(t, err, failure)
	}
	mu.Lock()
	broken = false
	mu.Unlock()
	for range 5 {
		fresh(t, p)
	}
}

func TestPoolInParallel(t *testing.T) {
	p := newPool(t, 4, nil)
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for range 5 {
				ns, err := p.Get()
				if assert.NoError(t, err) {
					assert.NoError(t, ns.Close())
				}
			}
		})
	}
	wg.Wait()
}

func TestClosedPool(t *testing.T) {
	for _, size := range []int{0, 3} {
		p := NewPool(size, nil)
		require.NoError(t, p.Close())
		_, err := p.Get()
		assert.ErrorIs(t, err, fs.ErrClosed)
		assert.ErrorIs(t, p.Close(), fs.ErrClosed)
	}
}

// Nothing stays of a pool: no descriptor, goroutine, thread or namespace.
func TestPoolLeavesNothing(t *testing.T) {
	testenv.Root(t)
	testenv.ProcessCensus(t)
	for range 3 {
		p := NewPool(4, nil)
		for range 6 {
			ns, err := p.Get()
			require.NoError(t, err)
			require.NoError(t, ns.Close())
		}
		require.NoError(t, p.Close())
	}
}

func TestDoReturnsTheError(t *testing.T) {
	p := newPool(t, 0, nil)
	want := errors.New("x")
	assert.Equal(t, want, Do(fresh(t, p), func() error { return want }))

	null, err := sys.Open("/dev/null", sys.O_RDONLY, 0)
	require.NoError(t, err)
	defer null.Close()
	err = Do(null, func() error { t.Error("must not run"); return nil })
	assert.ErrorIs(t, err, syscall.EINVAL)
	assert.Contains(t, err.Error(), "setns /dev/null")
}

func TestDial(t *testing.T) {
	ctx := context.Background()
	p := newPool(t, 0, nil)
	ns := fresh(t, p)
	for _, network := range []string{"tcp", "tcp4", "tcp6"} {
		host := map[string]string{"tcp": "127.0.0.1", "tcp4": "127.0.0.1", "tcp6": "[::1]"}[network]
		l, port := listen(t, ns, network, host)
		t.Run(network, func(t *testing.T) {
			defer l.Close()
			for _, h := range []string{host, "localhost", ""} {
				conn, err := Dial(ctx, ns, network, h+":"+port)
				require.NoError(t, err)
				served, err := l.Accept()
				require.NoError(t, err)
				_, err = served.Write([]byte("hello"))
				require.NoError(t, err)
				require.NoError(t, served.Close())
				b, err := io.ReadAll(conn)
				require.NoError(t, err)
				assert.Equal(t, "hello", string(b))
				require.NoError(t, conn.Close())
			}
			// The control: from outside it is not there.
			_, err := net.Dial(network, host+":"+port)
			assert.Error(t, err)
		})
	}
	t.Run("nobody listens", func(t *testing.T) {
		_, err := Dial(ctx, ns, "tcp", "localhost:1")
		assert.ErrorIs(t, err, syscall.ECONNREFUSED)
	})
	t.Run("the second of two addresses", func(t *testing.T) {
		l, port := listen(t, ns, "tcp6", "[::1]")
		defer l.Close()
		conn, err := Dial(ctx, ns, "tcp", ":"+port)
		require.NoError(t, err)
		require.NoError(t, conn.Close())
	})
	t.Run("cancelled", func(t *testing.T) {
		ctx, cancel := context.WithCancel(ctx)
		cancel()
		_, err := Dial(ctx, ns, "tcp", "127.0.0.1:1")
		assert.ErrorIs(t, err, context.Canceled)
	})
}

func listen(t *testing.T, ns *sys.FD, network, host string) (l net.Listener, port string) {
	t.Helper()
	require.NoError(t, Do(ns, func() (err error) {
		l, err = net.Listen(network, host+":0")
		return err
	}))
	_, port, err := net.SplitHostPort(l.Addr().String())
	require.NoError(t, err)
	return l, port
}

// BenchmarkMake measures what a pool saves a start.
func BenchmarkMake(b *testing.B) {
	testenv.Root(b)
	p := NewPool(0, nil)
	for b.Loop() {
		ns, err := p.Get()
		require.NoError(b, err)
		b.StopTimer()
		require.NoError(b, ns.Close())
		b.StartTimer()
	}
	require.NoError(b, p.Close())
}
