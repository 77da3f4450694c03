package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/coraclehq/coracle"
)

// A host is the program that has containers: this one once more, with a heap of a
// given size, so that what is measured happens in a process that does nothing else.
// It is told what to do on stdin and answers on stdout, in JSON.

// hostOptions are what a host is started with.
type hostOptions struct {
	Store string
	Heap  int // MB that live
	Ready int
}

// order is what a host is to do.
type order struct {
	Do     string        // start, exec, hold, held, release, pause
	Image  string        // of start and hold
	Args   []string      // hold: what runs; nil: /bin/true, which stays in the image for this
	N      int           // how many at once
	Detach bool          // start: the container outlives the host, its output goes to the log
	Output bool          // the output comes to this program
	For    time.Duration // pause: how long
	Busy   string        // pause: what goes on meanwhile: "", start
	GC     bool          // pause: collect garbage all the time
}

// host serves orders until its stdin ends.
func host(o hostOptions) error {
	live := ballast(o.Heap << 20)
	defer runtime.KeepAlive(live)
	runtime.GC()
	e, err := coracle.Open(o.Store, &coracle.Options{Volatile: true, Ready: o.Ready})
	if err != nil {
		return err
	}
	h := &hosting{e: e}
	in, out := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	for {
		var next order
		if err := in.Decode(&next); errors.Is(err, io.EOF) {
			return errors.Join(h.close(), e.Close())
		} else if err != nil {
			return err
		}
		var a answer
		if err := h.obey(next, &a); err != nil {
			a.Err = err.Error()
		}
		if err := out.Encode(a); err != nil {
			return err
		}
	}
}

// node is 64 bytes of ballast, with a pointer to follow.
type node struct {
	to *node
	_  [56]byte
}

// ballast is a heap of n bytes that the collector has to look through.
func ballast(n int) []*node {
	live := make([]*node, n/72)
	var block []node
	for i := range live {
		if len(block) == 0 {
			block = make([]node, 1<<10)
		}
		live[i], block = &block[0], block[1:]
		live[i].to = live[i/2]
	}
	return live
}

// hosting is a host at work.
type hosting struct {
	e    *coracle.Engine
	held []*coracle.Container
}

func (h *hosting) obey(o order, a *answer) error {
	ctx := context.Background()
	switch o.Do {
	case "start":
		return h.start(ctx, o, a)
	case "exec":
		return h.exec(ctx, o, a)
	case "hold":
		return h.hold(ctx, o, a)
	case "release":
		return h.close()
	case "held": // processes that an exec has left running in the last container
		return h.executed(ctx, a)
	case "pause":
		return h.pause(ctx, o, a)
	}
	return fmt.Errorf("unknown order %q", o.Do)
}

func (h *hosting) create(ctx context.Context, o order, args ...string) (*coracle.Container, error) {
	img, err := h.e.Image(ctx, o.Image)
	if err != nil {
		return nil, err
	}
	return h.e.Create(ctx, img, coracle.Config{Cmd: coracle.Cmd{Args: args}, Detach: o.Detach})
}

// start starts new containers, all at once, and waits for their ends. To create
// them is not part of the time.
func (h *hosting) start(ctx context.Context, o order, a *answer) error {
	var all []*coracle.Container
	for range o.N {
		c, err := h.create(ctx, o, "/bin/true")
		if err != nil {
			return err
		}
		all = append(all, c)
	}
	return atOnce(o.N, a, func(i int, executed func()) error {
		if err := all[i].Start(ctx, o.io()); err != nil {
			return err
		}
		executed()
		return all[i].Wait(ctx)
	})
}

// exec starts processes in the container that is held.
func (h *hosting) exec(ctx context.Context, o order, a *answer) error {
	c := h.held[len(h.held)-1]
	return atOnce(o.N, a, func(i int, executed func()) error {
		p, err := c.Exec(ctx, coracle.Cmd{Args: []string{"/bin/true"}}, o.io())
		if err != nil {
			return err
		}
		executed()
		return p.Wait(ctx)
	})
}

func (o order) io() coracle.IO {
	if o.Output {
		return coracle.IO{Stdout: io.Discard, Stderr: io.Discard}
	}
	return coracle.IO{}
}

// atOnce runs n things at once and notes when each was executed and had ended.
func atOnce(n int, a *answer, run func(i int, executed func()) error) error {
	a.Started, a.Ended = make([]int64, n), make([]int64, n)
	errs := make([]error, n)
	var wg sync.WaitGroup
	begin := time.Now()
	one := func(i int) {
		errs[i] = run(i, func() { a.Started[i] = int64(time.Since(begin)) })
		a.Ended[i] = int64(time.Since(begin))
	}
	for i := 1; i < n; i++ {
		wg.Go(func() { one(i) })
	}
	one(0)
	wg.Wait()
	return errors.Join(errs...)
}

// hold starts containers that stay.
func (h *hosting) hold(ctx context.Context, o order, a *answer) error {
	for range o.N {
		args := o.Args
		if args == nil {
			args = []string{"/bin/true"}
		}
		c, err := h.create(ctx, o, args...)
		if err != nil {
			return err
		}
		h.held = append(h.held, c)
		if err := c.Start(ctx, o.io()); err != nil {
			return err
		}
		s, err := c.Status(ctx)
		if err != nil {
			return err
		}
		a.PIDs, a.ID = append(a.PIDs, s.PID), s.ID
	}
	return nil
}

// executed starts a process that stays in the container that is held.
func (h *hosting) executed(ctx context.Context, a *answer) error {
	p, err := h.held[len(h.held)-1].Exec(ctx, coracle.Cmd{Args: []string{"/bin/true"}}, coracle.IO{})
	if err == nil {
		a.PIDs = []int{p.PID()}
	}
	return err
}

// close ends the containers that are held.
func (h *hosting) close() error {
	var errs []error
	for _, c := range h.held {
		errs = append(errs, c.Remove(context.Background(), true))
	}
	h.held = nil
	return errors.Join(errs...)
}

// hosted is a host from outside.
type hosted struct {
	cmd *exec.Cmd
	in  *json.Encoder
	out *json.Decoder
	end io.Closer
}

// newHost starts a host. Words before name what it runs under (strace).
func newHost(o hostOptions, under ...string) (*hosted, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	words := append(under, self, "host", o.Store, strconv.Itoa(o.Heap), strconv.Itoa(o.Ready))
	h := &hosted{cmd: exec.Command(words[0], words[1:]...)}
	h.cmd.Stderr = os.Stderr
	h.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for this program, which then ends its hosts
	in, err := h.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := h.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	h.in, h.out, h.end = json.NewEncoder(in), json.NewDecoder(out), in
	return h, h.cmd.Start()
}

// do gives an order and waits for the answer.
func (h *hosted) do(o order) (answer, error) {
	var a answer
	if err := h.in.Encode(o); err != nil {
		return a, err
	}
	if err := h.out.Decode(&a); err != nil {
		return a, fmt.Errorf("the host program ended: %w", err)
	}
	if a.Err != "" {
		return a, errors.New(a.Err)
	}
	return a, nil
}

// close ends the host.
func (h *hosted) close() error { return errors.Join(h.end.Close(), h.cmd.Wait()) }
