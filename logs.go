package coracle

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/coraclehq/coracle/internal/monitor"
	"github.com/coraclehq/coracle/internal/supervisor"
)

// LogOptions choose what Logs returns. The zero LogOptions are all that there is.
type LogOptions struct {
	// Follow waits for what is written, until the container has ended.
	Follow bool
	// Since and Until leave out records from before and after, if they are not zero.
	// With Follow, Until is also when it ends at the latest.
	Since, Until time.Time
	// Tail begins with so many of the last lines, of both streams together; 0: with
	// all; negative: with none.
	Tail int
}

// LogRecord is what a container wrote at once: a part of a line, or several.
type LogRecord struct {
	Time   time.Time
	Stderr bool // written to standard error; else to standard output or the terminal
	Data   []byte
}

// ErrLogGap stands for records that were rotated away before they were read.
var ErrLogGap = monitor.ErrLogGap

// Logs reads the container's log, oldest record first, whether it runs or not and
// whoever started it. ErrLogGap, and errors that say where the log is damaged, come
// in their place among the records and do not end the sequence; any other error
// does. Data belongs to the caller.
func (c *Container) Logs(ctx context.Context, o LogOptions) iter.Seq2[LogRecord, error] {
	return func(yield func(LogRecord, error) bool) {
		dir, err := c.e.store.ContainerDir(c.id)
		if err != nil {
			yield(LogRecord{}, wrap("logs", c.id, err))
			return
		}
		defer dir.Close()
		running := func() (bool, error) { return c.e.store.Running(c.id) }
		for r, err := range monitor.ReadLog(ctx, dir, monitor.LogOptions(o), running) {
			if !yield(LogRecord{r.Time, r.Stream == supervisor.Stderr, r.Data}, wrap("logs", c.id, err)) {
				return
			}
		}
	}
}

// Attach gives io what the running container writes from now on, and returns when
// it has ended or ctx has: nil, or the reason of ctx. Any number of callers may be
// attached; a slow one holds up nobody, and may miss what was rotated away
// meanwhile. A container with a terminal that was started with the zero IO also
// reads Stdin and follows Resize; for others they are an *UnsupportedError. A
// container that does not run is ErrNotRunning.
func (c *Container) Attach(ctx context.Context, io IO) error {
	return wrap("attach", c.id, c.attach(ctx, io))
}

func (c *Container) attach(ctx context.Context, io IO) error {
	dir, err := c.e.store.ContainerDir(c.id)
	if err != nil {
		return err
	}
	defer dir.Close()
	control, err := monitor.OpenControl(dir)
	if errors.Is(err, monitor.ErrNoSupervisor) {
		return ErrNotRunning
	}
	if err != nil {
		return err
	}
	defer control.Close()
	from := LogOptions{Follow: true, Tail: -1}
	if io.Stdin != nil { // what is typed may be answered before the log is looked at
		from = LogOptions{Follow: true, Since: time.Now()}
	}
	return c.serve(ctx, io, control, from)
}

// serve gives io what the log has and will have, and the terminal what io brings.
func (c *Container) serve(ctx context.Context, io IO, control *monitor.Control, from LogOptions) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if io.Stdin != nil || io.Resize != nil {
		if control.Terminal == nil {
			return &UnsupportedError{Feature: "input to this container", Hint: "give Stdin to Start, or let the container have a terminal and start it with the zero IO"}
		}
		if err := monitor.Type(ctx, control.Terminal, io.monitor()); err != nil {
			return err
		}
	}
	for r, err := range c.Logs(ctx, from) {
		if err == nil {
			err = io.write(r)
		}
		if err != nil && !errors.Is(err, ErrLogGap) {
			return err
		}
	}
	return context.Cause(ctx)
}

// followLog gives io what a run that began at a time writes, until its end, and its
// terminal what io brings.
func (c *Container) followLog(io IO, terminal bool, begun time.Time) (end chan error, stop func()) {
	end = make(chan error, 1)
	ctx, stop := context.WithCancel(context.Background())
	go func() {
		control := &monitor.Control{}
		if !terminal {
			io.Stdin, io.Resize = nil, nil // a pipe serves them
		} else if dir, err := c.e.store.ContainerDir(c.id); err == nil {
			if opened, err := monitor.OpenControl(dir); err == nil {
				control = opened
			} else {
				io.Stdin, io.Resize = nil, nil // it has ended already
			}
			dir.Close()
		}
		err := c.serve(ctx, io, control, LogOptions{Follow: true, Since: begun})
		end <- errors.Join(err, control.Close())
	}()
	return end, stop
}

// write gives a record to the writer that it is for.
func (io IO) write(r LogRecord) error {
	to := io.Stdout
	if r.Stderr {
		to = io.Stderr
	}
	if to == nil {
		return nil
	}
	_, err := to.Write(r.Data)
	return err
}
