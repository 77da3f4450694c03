package coracle

import (
	"context"
	"errors"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coraclehq/coracle/internal/testenv"
)

// The exit statuses of the program's own children are all its own, however many
// containers start and end meanwhile. The control waits for any child.
func TestOwnChildrenKeepTheirStatuses(t *testing.T) {
	dir, child := asHost(t, nil, "sleep", "1000")
	if !child {
		return
	}
	e, c := openHost(t, dir)
	ctx, stop := context.WithCancel(context.Background())
	require.NoError(t, c.Start(ctx, IO{}))
	var busy sync.WaitGroup
	execs := make([]int, 4)
	for i := range execs {
		busy.Go(func() {
			for ctx.Err() == nil {
				p, err := c.Exec(context.Background(), Cmd{Args: []string{"true"}}, IO{})
				if assert.NoError(t, err) {
					assert.NoError(t, p.Wait(context.Background()))
				}
				execs[i]++
			}
		})
	}
	n := testenv.Scale(t, 10_000)
	assert.Zero(t, lostStatuses(n))
	stop()
	busy.Wait()
	require.NoError(t, c.Remove(context.Background(), true))
	require.NoError(t, e.Close())
	t.Logf("%d children beside %v execs", n, execs)

	done := make(chan struct{})
	busy.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
				syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
			}
		}
	})
	assert.Positive(t, lostStatuses(100), "the control")
	close(done)
	busy.Wait()
}

// lostStatuses starts n children, some at a time, and counts those that did not end
// as they should have.
func lostStatuses(n int) (lost int) {
	var mu sync.Mutex
	var all sync.WaitGroup
	slots := make(chan struct{}, 8)
	for i := range n {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			want := 1 + i%250
			var exit *exec.ExitError
			if err := exec.Command("sh", "-c", "exit "+strconv.Itoa(want)).Run(); !errors.As(err, &exit) || exit.ExitCode() != want {
				mu.Lock()
				lost++
				mu.Unlock()
			}
		})
	}
	all.Wait()
	return lost
}
