package coracle

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coraclehq/coracle/internal/testenv"
)

// calm is a program that looks at what a storm around the program that starts it may
// have left in it, and exits with 7 when that is nothing.
const calm = `while read a b; do
	case $a in SigIgn:|SigBlk:|SigPnd:|ShdPnd:) case $b in 0000000000000000) ;; *) exit 5;; esac;; esac
done </proc/self/status; echo out; exit 7`

// Signals, garbage collection and profiling at their highest rates, while containers
// are started in parallel: every start succeeds, every end is the right one, every
// byte arrives.
func TestStorm(t *testing.T) {
	t.Parallel()
	testenv.Root(t)
	n := testenv.Scale(t, 10_000)
	for _, env := range []string{"", "GOMAXPROCS=1", "GOGC=1", "GODEBUG=asyncpreemptoff=1"} {
		t.Run(env, func(t *testing.T) {
			s := newShelf(t, Config{Detach: true}, "sleep", "1000")
			cmd := hostCommand(t, "storm", s.dir, strconv.Itoa(n/4))
			cmd.Env = append(cmd.Env, env)
			out, err := cmd.Output()
			require.NoError(t, err)
			t.Logf("%s", bytes.TrimSpace(out))
			s.remove(t)
		})
	}
}

// stormProgram starts as many containers as its second argument says, in the storm,
// four at a time.
func stormProgram(p *program) {
	n, err := strconv.Atoi(p.args[1])
	require.NoError(p, err)
	e, c := p.container()
	// Another program on the store may have started it.
	if err := c.Start(context.Background(), IO{}); !errors.Is(err, ErrRunning) {
		require.NoError(p, err)
	}
	img, err := e.Image(context.Background(), "host")
	require.NoError(p, err)
	end := storm(p)
	var left, execs atomic.Int64
	left.Store(int64(n))
	var all sync.WaitGroup
	for worker := range 4 {
		all.Go(func() {
			cfg := Config{Cmd: Cmd{Args: []string{"sh", "-c", calm}}}
			if worker == 3 {
				cfg.Cmd.Terminal = true
			}
			c, err := e.Create(context.Background(), img, cfg)
			require.NoError(p, err)
			for left.Add(-1) >= 0 {
				execs.Add(inStorm(p, c))
			}
		})
	}
	all.Wait()
	signals := end()
	require.NoError(p, e.Close())
	p.say("%d starts and %d execs in a storm of %d signals, with %d processors", n, execs.Load(), signals, runtime.GOMAXPROCS(0))
}

// inStorm runs a container, or executes in one.
func inStorm(p *program, c *Container) (execs int64) {
	ctx := context.Background()
	var out bytes.Buffer
	require.Equal(p, 7, codeOf(p, c.Run(ctx, IO{Stdout: &out, Stderr: &out})), "%s", &out)
	require.Equal(p, "out", strings.TrimSpace(out.String()))
	first, err := c.e.Container(ctx, "c") // which sleeps
	require.NoError(p, err)
	out.Reset()
	x, err := first.Exec(ctx, Cmd{Args: []string{"sh", "-c", calm}}, IO{Stdout: &out, Stderr: &out})
	require.NoError(p, err)
	require.Equal(p, 7, codeOf(p, x.Wait(ctx)), "%s", &out)
	require.Equal(p, "out", strings.TrimSpace(out.String()))
	return 1
}

// storm begins one and returns what ends it and says how many signals came.
func storm(p *program) (end func() int64) {
	ch := make(chan os.Signal, 1000)
	signal.Notify(ch, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGCHLD, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGURG)
	require.NoError(p, pprof.StartCPUProfile(io.Discard))
	var stop atomic.Bool
	var seen atomic.Int64
	var all sync.WaitGroup
	go func() {
		for range ch {
			seen.Add(1)
		}
	}()
	all.Go(func() { // to the process, and to each of its threads in turn
		for !stop.Load() {
			syscall.Kill(os.Getpid(), syscall.SIGUSR1)
			tasks, _ := os.ReadDir("/proc/self/task")
			for _, task := range tasks {
				tid, _ := strconv.Atoi(task.Name())
				syscall.Tgkill(os.Getpid(), tid, syscall.SIGURG)
				syscall.Tgkill(os.Getpid(), tid, syscall.SIGUSR2)
			}
			time.Sleep(50 * time.Microsecond)
		}
	})
	all.Go(func() {
		for !stop.Load() {
			runtime.GC()
			time.Sleep(time.Millisecond)
		}
	})
	for range 4 { // garbage, and stacks that grow
		all.Go(func() {
			m := map[int][]byte{}
			for k := 0; !stop.Load(); k++ {
				m[k%100] = make([]byte, 1000+k%5000)
				if k%200 == 0 {
					deep(50)
					time.Sleep(time.Millisecond)
				}
			}
		})
	}
	return func() int64 {
		stop.Store(true)
		all.Wait()
		pprof.StopCPUProfile()
		return seen.Load()
	}
}

func deep(n int) int {
	var room [1 << 10]byte
	if n == 0 {
		return int(room[0])
	}
	return deep(n-1) + int(room[n])
}

// The library as a position independent executable, as distributions build: the
// trampolines and the interpreter have no fixed address.
func TestPIE(t *testing.T) {
	t.Parallel()
	testenv.Root(t)
	binary := filepath.Join(t.TempDir(), "coracle.test")
	build := exec.Command("go", "test", "-c", "-buildmode=pie", "-o", binary, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	test := exec.Command(binary, "-test.run=^(TestExitCodes|TestExec|TestAttach|TestDetached|TestKilledSupervisor)$", "-test.v")
	out, err = test.CombinedOutput()
	require.NoError(t, err, "%s", out)
	assert.Equal(t, 5, strings.Count("\n"+string(out), "\n--- PASS: "), "%s", out)
}

// Programs that start containers side by side, each in many goroutines, on one store.
func TestManyProgramsOnOneStore(t *testing.T) {
	t.Parallel()
	s := newShelf(t, Config{Detach: true}, "sleep", "1000")
	n := testenv.Scale(t, 2000)
	var all sync.WaitGroup
	errs := make([]error, 4)
	for i := range errs {
		cmd := hostCommand(t, "storm", s.dir, strconv.Itoa(n/len(errs)))
		all.Go(func() {
			out, err := cmd.Output()
			if err != nil {
				err = fmt.Errorf("%w: %s", err, out)
			}
			errs[i] = err
		})
	}
	all.Wait()
	require.NoError(t, errors.Join(errs...))
	s.remove(t)
}
