package coracle

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"syscall"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/coraclehq/coracle/internal/cred"
	"github.com/coraclehq/coracle/internal/store"
	"github.com/coraclehq/coracle/internal/supervisor"
	"github.com/coraclehq/coracle/internal/sys"
)

// Config is what a container is made from. It is plain data and kept with the
// container, so that any process on the store can start what another created. The
// zero Config is a strict container: the image's program, every namespace private,
// loopback only, the default posture.
type Config struct {
	// Name finds the container again; empty: it has only its ID. Letters, digits,
	// "_", "." and "-", at most 128, the first a letter or digit.
	Name string

	// Hostname inside; empty: the first 12 digits of the ID.
	Hostname string

	// Cmd is what is run. Its Args take the place of the image's command; the
	// image's entry point stays in front of them.
	Cmd Cmd

	// Entrypoint takes the place of the image's, and of its command too; nil: the
	// image's; not nil and empty: none.
	Entrypoint []string

	// ReadOnly makes the root file system read-only.
	ReadOnly bool

	// Mounts are mounted over the root file system, in order.
	Mounts []Mount

	// Limits bound what the container may use.
	Limits Limits

	// Security loosens the default posture.
	Security Security

	// Stop says how Stop ends the container.
	Stop Stop

	// Log bounds the container's log.
	Log Log

	// Detach lets the container live on when the program that started it ends.
	// Without it the container is killed then, within a second, whatever ended the
	// program.
	Detach bool

	// Labels are the caller's own notes. They mean nothing to Coracle.
	Labels map[string]string

	// Spec, when not nil, changes the resolved OCI spec before it is kept. It runs
	// once, in Create. https://github.com/opencontainers/runtime-spec
	Spec func(*specs.Spec) error `json:"-"`
}

// Stop says how a container is stopped.
type Stop struct {
	// Signal is sent first, as "TERM", "SIGTERM" or "15"; empty: the image's, else
	// SIGTERM.
	Signal string
	// Grace is how long the container then has before it is killed; 0: 10 s;
	// negative: as long as it takes.
	Grace time.Duration
}

// Log bounds a container's log.
type Log struct {
	// Size of one file, in bytes, at which it is rotated; 0: 16 MiB.
	Size int64
	// Files is how many rotated files are kept beside the one that is written, at most
	// 100; 0: 4; -1: none.
	Files int
}

// Container is a container of a store, by its ID: a name, not a cache. Every method
// looks at the store, and any number of processes may have the same container in
// hand. Its methods are safe for concurrent use.
type Container struct {
	e  *Engine
	id string
}

// ID is the container's ID, 64 hexadecimal digits.
func (c *Container) ID() string { return c.id }

// Create makes a container in the default engine. See Engine.Create.
func Create(ctx context.Context, img *Image, cfg Config) (*Container, error) {
	e, err := Default()
	if err != nil {
		return nil, err
	}
	return e.Create(ctx, img, cfg)
}

// Create makes a container from an image, without starting it: Config and image
// are resolved to an OCI spec, which is kept. A name that is taken is ErrExists; a
// value that can never be right is ErrInvalid.
func (e *Engine) Create(ctx context.Context, img *Image, cfg Config) (*Container, error) {
	c, err := e.create(ctx, img, cfg)
	return c, wrap("create", cfg.Name, err)
}

func (e *Engine) create(ctx context.Context, img *Image, cfg Config) (*Container, error) {
	image, err := img.stored()
	if err != nil {
		return nil, err
	}
	id := store.NewID()
	spec, err := e.resolve(id, image, cfg)
	if err != nil {
		return nil, err
	}
	document, err := json.Marshal(spec)
	if err != nil {
		return nil, err
	}
	config, err := json.Marshal(cfg)
	if err != nil {
		return nil, err
	}
	record := store.Record{ID: id, Name: cfg.Name, Image: image.ID, ImageName: img.name, Layers: image.Lowers(), Host: image.Host, Config: config}
	if _, err := e.store.CreateContainer(ctx, store.NewContainer{Record: record, Spec: document, Files: containerFiles(spec)}); err != nil {
		return nil, err
	}
	c := &Container{e, id}
	return c, c.prime()
}

// prime reads the container once, so that its first start need not.
func (c *Container) prime() error {
	dir, err := c.e.store.ContainerDir(c.id)
	if err != nil {
		return err
	}
	_, err = c.e.recall(c.id, dir)
	return errors.Join(err, dir.Close())
}

// Container finds a container by name, ID or a beginning of its ID that fits no
// other.
func (e *Engine) Container(ctx context.Context, name string) (*Container, error) {
	r, err := e.store.Container(name)
	if err != nil {
		if store.CheckContainerName(name) != nil { // nothing can be called so
			err = fmt.Errorf("no container is called %.100q: %w", name, ErrNotFound)
		}
		return nil, wrap("container", name, err)
	}
	return &Container{e, r.ID}, nil
}

// Containers lists the containers of the store, running or not. One that cannot be
// read yields its error and does not end the iteration.
func (e *Engine) Containers(ctx context.Context) iter.Seq2[*Container, error] {
	return func(yield func(*Container, error) bool) {
		for r, err := range e.store.Containers() {
			var c *Container
			if err == nil {
				c = &Container{e, r.ID}
			}
			if !yield(c, wrap("containers", "", err)) {
				return
			}
		}
	}
}

// State is where a container is in its life.
type State string

// The states of a container.
const (
	Created State = "created" // never started
	Running State = "running"
	Exited  State = "exited"
)

// Status is a container as it was when it was asked for.
type Status struct {
	ID        string
	Name      string // empty: none
	Image     string // the image's ID
	ImageName string // what the image was called when the container was made
	State     State
	PID       int       // of the first process, outside; 0 unless running
	Created   time.Time // by Create
	Started   time.Time // the last start; zero: never
	Finished  time.Time // the last end; zero: none seen

	// How the last run ended; see ExitError. Zero while it runs.
	ExitCode  int
	Signal    syscall.Signal
	OOMKilled bool
	Lost      bool

	Config Config
}

// Status looks how the container is.
func (c *Container) Status(ctx context.Context) (Status, error) {
	s, err := c.status()
	return s, wrap("status", c.id, err)
}

func (c *Container) status() (Status, error) {
	r, err := c.e.store.Container(c.id)
	if err != nil {
		return Status{}, err
	}
	s := Status{ID: r.ID, Name: r.Name, Image: string(r.Image), ImageName: r.ImageName, State: Created, Created: r.Created}
	if err := json.Unmarshal(r.Config, &s.Config); err != nil {
		return Status{}, errors.Join(ErrDamaged, err)
	}
	// Whether it runs is asked first: an end in between is then seen as such.
	running, err := c.e.store.Running(c.id)
	if err != nil {
		return Status{}, err
	}
	state, started, err := c.e.store.State(c.id)
	if err != nil {
		return Status{}, err
	}
	exit, ended, err := c.exit()
	switch {
	case err != nil:
		return Status{}, err
	case started && ended, started && !running:
		s.State, s.Started = Exited, state.Started
		s.Finished, s.ExitCode, s.Signal, s.OOMKilled, s.Lost = exit.Finished, exit.Code, exit.Signal, exit.OOMKilled, exit.Lost
	case running:
		s.State, s.Started, s.PID = Running, state.Started, state.PID
	}
	return s, nil
}

// exit reads how the last run ended; false: there is no record. A run that left
// none was lost.
func (c *Container) exit() (supervisor.Exit, bool, error) {
	lost := supervisor.Exit{Code: 128 + int(syscall.SIGKILL), Lost: true}
	dir, err := c.e.store.ContainerDir(c.id)
	if err != nil {
		return lost, false, err
	}
	defer dir.Close()
	record, err := dir.ReadFile("exit", supervisor.RecordSize)
	if errors.Is(err, sys.ENOENT) {
		return lost, false, nil
	}
	if err != nil {
		return lost, false, err
	}
	exit, err := supervisor.ParseExit(record)
	if err != nil { // torn by a power cut: it ran then, and was lost
		return lost, true, nil
	}
	return exit, true, nil
}

// Remove removes the container with its files and its log. One that runs is
// ErrRunning, unless force is set, which kills it first.
func (c *Container) Remove(ctx context.Context, force bool) error {
	return wrap("remove", c.id, c.remove(ctx, force))
}

func (c *Container) remove(ctx context.Context, force bool) error {
	if force {
		err := c.signal(syscall.SIGKILL)
		if err == nil {
			err = c.ended(ctx)
		}
		if err != nil && !errors.Is(err, ErrNotRunning) {
			return err
		}
	}
	if err := c.settled(ctx); err != nil {
		return err
	}
	return c.e.store.RemoveContainer(ctx, c.id)
}

// bounds are the size at which the log is rotated, and how many files are kept.
func (l Log) bounds() (size int64, files int) {
	size, files = l.Size, l.Files
	if size <= 0 {
		size = 16 << 20
	}
	switch {
	case files == 0:
		files = 4
	case files < 0:
		files = 0
	case files > 100:
		files = 100
	}
	return size, files
}

// stopping is how the container is stopped: the signal and the time it then has;
// negative: as long as it takes.
func (c *Container) stopping(s Stop) (syscall.Signal, time.Duration, error) {
	const defaultGrace = 10 * time.Second
	name := s.Signal
	if name == "" {
		r, err := c.e.store.Container(c.id)
		if err != nil {
			return 0, 0, err
		}
		// An image that was removed meanwhile has no say.
		if image, err := c.e.store.Image(r.Image.String()); err == nil {
			name = image.Config.Config.StopSignal
		}
	}
	sig := syscall.SIGTERM
	if name != "" {
		n, err := cred.ParseSignal(name)
		if err != nil {
			return 0, 0, err
		}
		sig = syscall.Signal(n)
	}
	if s.Grace == 0 {
		return sig, defaultGrace, nil
	}
	return sig, s.Grace, nil
}
