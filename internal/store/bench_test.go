package store

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/coraclehq/coracle/internal/sys"
	"github.com/stretchr/testify/require"
)

func openDurable(b *testing.B, volatile bool) *Store {
	s, err := Open(context.Background(), b.TempDir(), Options{Volatile: volatile})
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, s.Close()) })
	return s
}

func BenchmarkCreateContainer(b *testing.B) {
	for _, volatile := range []bool{true, false} {
		b.Run(fmt.Sprintf("volatile=%t", volatile), func(b *testing.B) {
			s := openDurable(b, volatile)
			i := addImage(b, s, "busybox", "one", "two", "three")
			files := map[string][]byte{"hosts": make([]byte, 200), "hostname": make([]byte, 12), "resolv.conf": make([]byte, 80)}
			n := 0
			for b.Loop() {
				n++
				_, err := s.CreateContainer(context.Background(), NewContainer{
					Record: Record{Name: fmt.Sprint("c", n), Image: i.ID, Layers: i.Lowers(), Config: []byte(`{"cmd":["true"]}`)},
					Spec:   make([]byte, 8000), Files: files,
				})
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkStart does what one start of a container asks of the store.
func BenchmarkStart(b *testing.B) {
	s := openDurable(b, false)
	c := addContainer(b, s, "c")
	for b.Loop() {
		l, err := s.LockContainer(context.Background(), c.ID)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := l.Record(); err != nil {
			b.Fatal(err)
		}
		alive, err := l.TakeAlive(context.Background())
		if err != nil {
			b.Fatal(err)
		}
		if err := l.WriteState(State{Started: time.Now(), PID: 1}); err != nil {
			b.Fatal(err)
		}
		alive.Close()
		l.Unlock()
	}
}

func BenchmarkWriteState(b *testing.B) {
	s := openDurable(b, false)
	c := addContainer(b, s, "c")
	l, err := s.LockContainer(context.Background(), c.ID)
	require.NoError(b, err)
	defer l.Unlock()
	for b.Loop() {
		if err := l.WriteState(State{Started: time.Now(), PID: 1}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRunning(b *testing.B) {
	s := openDurable(b, true)
	c := addContainer(b, s, "c")
	require.NoError(b, s.containers.WriteFile("x", nil, 0o600, false))
	f, err := s.containers.Open(c.ID+"/alive", sys.O_CREAT|sys.O_RDWR, filePerm)
	require.NoError(b, err)
	defer f.Close()
	for b.Loop() {
		if _, err := s.Running(c.ID); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkImage(b *testing.B) {
	for _, n := range []int{1, 100} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := openDurable(b, true)
			for k := range n {
				addImage(b, s, fmt.Sprint("image", k), "base", fmt.Sprint("two", k))
			}
			for b.Loop() {
				if _, err := s.Image("image0"); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkOpen opens a store of 500 containers and 100 images, as it was left by a
// clean exit and as it was left by a crash.
func BenchmarkOpen(b *testing.B) {
	s := openDurable(b, true)
	for k := range 100 {
		addImage(b, s, fmt.Sprint("image", k), "base", fmt.Sprint("two", k))
	}
	for k := range 500 {
		addContainer(b, s, fmt.Sprint("c", k))
	}
	for _, crash := range []bool{false, true} {
		b.Run(fmt.Sprintf("crash=%t", crash), func(b *testing.B) {
			for b.Loop() {
				if crash {
					require.NoError(b, s.tmp.Mkdir("dead", 0o700))
				}
				o, err := Open(context.Background(), s.Path(), Options{})
				if err != nil {
					b.Fatal(err)
				}
				o.Close()
			}
		})
	}
}
