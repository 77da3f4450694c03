package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

type options struct {
	accel        string
	cpus, memory int
	users        string
	limit        time.Duration
	verbose      bool
	flags        string   // for go test
	packages     []string // as go test takes them
}

func parse(args []string) (options, error) {
	var o options
	f := flag.NewFlagSet("vm", flag.ContinueOnError)
	f.StringVar(&o.accel, "accel", "tcg,thread=multi", "qemu's accelerator; kvm where that can be had")
	f.IntVar(&o.cpus, "cpus", 2, "processors of the guest")
	f.IntVar(&o.memory, "memory", 2048, "memory of the guest in MiB")
	f.StringVar(&o.users, "users", "0,1000", "who runs the tests, in turn")
	f.DurationVar(&o.limit, "limit", 30*time.Minute, "for all of it")
	f.BoolVar(&o.verbose, "v", false, "print what passed, too")
	f.StringVar(&o.flags, "flags", "", "flags for go test, such as '-short -run TestStart'")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	o.packages = f.Args()
	if len(o.packages) == 0 {
		return o, errors.New("no packages named")
	}
	return o, nil
}

// test is the program as a user starts it.
func test(ctx context.Context, args []string) (code int, err error) {
	o, err := parse(args)
	if err != nil {
		return 2, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, o.limit, fmt.Errorf("not done after %s", o.limit))
	defer cancel()
	begin := time.Now()
	i, err := cached(ctx)
	if err != nil {
		return 0, err
	}
	made := time.Since(begin)
	dir, err := os.MkdirTemp("", "coracle-vm-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	compiled := compile(ctx, o)
	m, err := boot(ctx, i, dir, o)
	if err != nil {
		return 0, err
	}
	defer m.close()
	fmt.Printf("vm: disk %.1fs, boot %.1fs; go test %s\n", made.Seconds(), (time.Since(begin) - made).Seconds(), o.flags)
	<-compiled
	l, err := net.Listen("unix", filepath.Join(dir, "jobs"))
	if err != nil {
		return 0, err
	}
	defer l.Close()
	go m.relay(l)
	for user := range strings.SplitSeq(o.users, ",") {
		uid, err := strconv.Atoi(user)
		if err != nil {
			return 2, err
		}
		c, err := goTest(ctx, l.Addr().String(), uid, o)
		code = max(code, c)
		if err != nil {
			return code, fmt.Errorf("%w; the guest's console:\n%s", errors.Join(context.Cause(ctx), err), m.log)
		}
	}
	fmt.Printf("vm: %.0fs in all\n", time.Since(begin).Seconds())
	return code, nil
}

// compile fills the go command's cache while the guest boots. Mistakes are for
// go test to report.
func compile(ctx context.Context, o options) (done chan struct{}) {
	done = make(chan struct{})
	cmd := exec.CommandContext(ctx, "go", append([]string{"list", "-e", "-export", "-test", "-deps"}, o.packages...)...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	go func() {
		defer close(done)
		_ = cmd.Run()
	}()
	return done
}

// relay passes on jobs to the agent and what comes back, one job at a time.
func (m *machine) relay(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		err = m.pass(c)
		c.Close()
		if err != nil { // the guest is gone, or half a job is in the port
			l.Close()
			_ = m.qemu.Process.Kill()
			return
		}
	}
}

func (m *machine) pass(c net.Conn) error {
	for {
		kind, payload, err := readFrame(c)
		if err != nil {
			return err
		}
		if err := writeFrame(m.port, kind, payload); err != nil {
			return err
		}
		if kind == frameData && len(payload) == 0 {
			break
		}
	}
	for {
		kind, payload, err := readFrame(m.in)
		if err != nil {
			return err
		}
		// A wrapper that was killed for its time-out reads no more; the job ends by
		// its own, which is the same.
		_ = writeFrame(c, kind, payload)
		if kind == frameExit {
			return nil
		}
	}
}

// goTest runs the tests as one user and prints what came of it.
func goTest(ctx context.Context, socket string, uid int, o options) (code int, err error) {
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	// One package at a time: the guest takes no more, and waiting would count.
	args := []string{"test", "-json", "-p=1", "-count=1", "-timeout=5m", "-vet=off", "-ldflags=-s -w", "-exec", self + " exec " + socket + " " + strconv.Itoa(uid)}
	args = append(append(args, strings.Fields(o.flags)...), o.packages...)
	cmd := exec.CommandContext(ctx, "go", args...)
	// SIGINT, so that go test removes its files and ends the wrappers.
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 5 * time.Second
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return 0, err
	}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	r := newReport(os.Stdout, uid, o.verbose)
	failed := r.read(out)
	_, _ = io.Copy(io.Discard, out)
	err = cmd.Wait()
	r.summary()
	var exit *exec.ExitError
	switch {
	case failed != nil:
		return 1, failed
	case ctx.Err() != nil:
		return 1, err
	case errors.As(err, &exit):
		return exit.ExitCode(), nil
	case err == nil && r.unexpected > 0:
		return 1, nil
	}
	return 0, err
}
