package store

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A store is shared by processes, so tests start some: this test's own program again,
// with what to do in the environment. A child prints a line for each thing that it
// has done, and ends when its standard input does.
const childEnv = "CORACLE_STORE_TEST_CHILD"

func TestMain(m *testing.M) {
	if args := os.Getenv(childEnv); args != "" {
		os.Exit(childMain(strings.Split(args, "\n")))
	}
	os.Exit(m.Run())
}

type process struct {
	cmd   *exec.Cmd
	stdin io.Closer
	out   *bufio.Scanner
}

// child starts a child; it is killed when the test ends.
func child(tb testing.TB, args ...string) *process {
	tb.Helper()
	p := &process{cmd: exec.Command(os.Args[0])}
	p.cmd.Env = append(os.Environ(), childEnv+"="+strings.Join(args, "\n"))
	p.cmd.Stderr = os.Stderr
	if args[0] == "work durably" {
		p.cmd.Stderr = nil // its disk is taken away, and it says so
	}
	var err error
	p.stdin, err = p.cmd.StdinPipe()
	require.NoError(tb, err)
	out, err := p.cmd.StdoutPipe()
	require.NoError(tb, err)
	p.out = bufio.NewScanner(out)
	require.NoError(tb, p.cmd.Start())
	tb.Cleanup(func() { p.kill() })
	return p
}

// line returns the next line that the child prints, "" at the end.
func (p *process) line() string {
	p.out.Scan()
	return p.out.Text()
}

func (p *process) lines() (all []string) {
	for p.out.Scan() {
		all = append(all, p.out.Text())
	}
	return all
}

func (p *process) kill() error {
	p.cmd.Process.Kill()
	return p.cmd.Wait()
}

// wait lets the child end and expects it to have succeeded.
func (p *process) wait(tb testing.TB) {
	tb.Helper()
	assert.NoError(tb, p.stdin.Close())
	p.lines()
	require.NoError(tb, p.cmd.Wait())
}

// killed expects the child to have been killed.
func (p *process) killed(tb testing.TB) {
	tb.Helper()
	err := p.cmd.Wait()
	var exit *exec.ExitError
	require.ErrorAs(tb, err, &exit)
	require.Equal(tb, syscall.SIGKILL, exit.Sys().(syscall.WaitStatus).Signal())
}

// tb lets the helpers of tests run in a child.
type tb struct{ testing.TB }

func (tb) Name() string   { return "child" }
func (tb) Helper()        {}
func (tb) Cleanup(func()) {}
func (tb) Errorf(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "child: "+format+"\n", args...)
}
func (tb) FailNow() { os.Exit(1) }

func childMain(args []string) int {
	t := tb{}
	ctx := context.Background()
	if args[0] == "fill" {
		mask, err := strconv.ParseInt(args[2], 8, 32)
		require.NoError(t, err)
		syscall.Umask(int(mask))
	}
	if args[0] == "as nobody" { // DIR: says whether Open lacks the permission
		require.NoError(t, syscall.Setgid(65534))
		require.NoError(t, syscall.Setuid(65534))
		_, err := Open(ctx, args[1], Options{})
		fmt.Println(errors.Is(err, fs.ErrPermission))
		return 0
	}
	s, err := Open(ctx, args[1], Options{Volatile: args[0] != "work durably"})
	require.NoError(t, err)
	switch args[0] {
	case "fill": // DIR UMASK: something of everything
		addImage(t, s, "busybox", "one")
		c, err := s.CreateContainer(ctx, NewContainer{Record: Record{Name: "web"}, Files: map[string][]byte{"hosts": nil}})
		require.NoError(t, err)
		l, err := s.LockContainer(ctx, c.ID)
		require.NoError(t, err)
		require.NoError(t, l.WriteState(State{PID: 1}))
		require.NoError(t, l.AddUndo(Undo{"cgroup", "x"}))
		_, err = l.TakeAlive(ctx)
		require.NoError(t, err)
		_, err = s.Lock(ctx, "net")
		require.NoError(t, err)
		_, err = s.NewBlob()
		require.NoError(t, err)
		return 0
	case "hold": // DIR LOCK: takes a lock and keeps it
		if id, ok := strings.CutPrefix(args[2], "alive "); ok {
			l, err := s.LockContainer(ctx, id)
			require.NoError(t, err)
			_, err = l.TakeAlive(ctx)
			require.NoError(t, err)
			require.NoError(t, l.Unlock())
		} else {
			_, err := s.Lock(ctx, args[2])
			require.NoError(t, err)
		}
		fmt.Println("held")
		io.Copy(io.Discard, os.Stdin)
		return 0
	case "count": // DIR LOCK FILE N: adds to a number in a file, N times
		n, _ := strconv.Atoi(args[4])
		for range n {
			l, err := s.Lock(ctx, args[2])
			require.NoError(t, err)
			text, _ := os.ReadFile(args[3])
			count, _ := strconv.Atoi(string(text))
			require.NoError(t, os.WriteFile(args[3], []byte(strconv.Itoa(count+1)), 0o600))
			require.NoError(t, l.Unlock())
		}
	case "names": // DIR N: tries to become each of N names, prints those it got
		n, _ := strconv.Atoi(args[2])
		for k := range n {
			c, err := s.CreateContainer(ctx, NewContainer{Record: Record{Name: fmt.Sprint("name", k)}})
			if errors.Is(err, ErrExists) {
				continue
			}
			require.NoError(t, err)
			fmt.Println(c.Name, c.ID)
		}
	case "die": // DIR STEP OPERATION: is killed at a step
		s.onStep = func(name string) {
			if name == args[2] {
				syscall.Kill(os.Getpid(), syscall.SIGKILL)
			}
		}
		operations(t)[args[3]](s)
		return 0
	case "work", "work durably": // DIR SEED: works until it is killed, prints what it has done
		work(t, s, args[2])
	default:
		panic(args[0])
	}
	require.NoError(t, s.Close())
	return 0
}

// operations are changes that a child is killed in.
func operations(t testing.TB) map[string]func(*Store) {
	ctx := context.Background()
	byName := func(s *Store, name string) *ContainerLock {
		c, err := s.Container(name)
		require.NoError(t, err)
		l, err := s.LockContainer(ctx, c.ID)
		require.NoError(t, err)
		return l
	}
	return map[string]func(*Store){
		"create": func(s *Store) { addContainer(t, s, "new") },
		"rename": func(s *Store) { require.NoError(t, byName(s, "old").Rename(ctx, "new")) },
		"remove": func(s *Store) { require.NoError(t, byName(s, "old").Remove(ctx)) },
		"layer":  func(s *Store) { addLayer(t, s, "new") },
		"image":  func(s *Store) { addImage(t, s, "new", "new") },
		"rmi": func(s *Store) {
			_, err := s.RemoveImage(ctx, "old", false)
			require.NoError(t, err)
		},
	}
}

// work makes, renames and removes containers and images at random, and prints each
// change before ("?") and after ("!") it is made.
func work(t testing.TB, s *Store, seed string) {
	n, err := strconv.ParseUint(seed, 10, 64)
	require.NoError(t, err)
	r := rand.New(rand.NewPCG(n, 0))
	ctx := context.Background()
	for k := 0; ; k++ {
		name := fmt.Sprintf("c%s-%d", seed, k)
		fmt.Println("? create", name)
		c := addContainer(t, s, name)
		fmt.Println("! create", name)
		switch r.IntN(4) {
		case 0:
			fmt.Println("? remove", name)
			require.NoError(t, s.RemoveContainer(ctx, c.ID))
			fmt.Println("! remove", name)
		case 1:
			l, err := s.LockContainer(ctx, c.ID)
			require.NoError(t, err)
			fmt.Println("? rename", name)
			require.NoError(t, l.Rename(ctx, name+"-renamed"))
			fmt.Println("! rename", name)
			require.NoError(t, l.Unlock())
		case 2:
			hold, err := s.Hold(ctx)
			require.NoError(t, err)
			fmt.Println("? image", name)
			addImage(t, s, name, "common", name)
			fmt.Println("! image", name)
			require.NoError(t, hold.Unlock())
		case 3:
			hold, err := s.Hold(ctx)
			require.NoError(t, err)
			addImage(t, s, name, "common", name)
			require.NoError(t, hold.Unlock())
			fmt.Println("? rmi", name)
			_, err = s.RemoveImage(ctx, name, false)
			require.NoError(t, err)
			fmt.Println("! rmi", name)
		}
	}
}

// eventually is for what another process does in its own time.
func eventually(tb testing.TB, what string, ok func() bool) {
	tb.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		require.False(tb, time.Now().After(end), what)
	}
}
