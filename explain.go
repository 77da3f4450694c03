package coracle

import (
	"context"
	"errors"

	"github.com/coraclehq/coracle/internal/script"
	"github.com/coraclehq/coracle/internal/supervisor"
)

// Explain returns the system calls that a start of the container would make, one in
// a line, with what each is for: first the supervisor's, then the container's, then
// the supervisor's again. Names in angle brackets are descriptors that this program
// opens before. Nothing is started.
func (c *Container) Explain(ctx context.Context) (string, error) {
	text, err := c.explain(ctx)
	return text, wrap("explain", c.id, err)
}

func (c *Container) explain(ctx context.Context) (_ string, err error) {
	if err := c.e.begin(); err != nil {
		return "", err
	}
	defer c.e.runs.Done()
	p, err := c.program(ctx)
	if err != nil {
		return "", err
	}
	return p.String(), nil
}

// program makes the start's program without starting it. It holds the container's
// lock meanwhile and gives everything back.
func (c *Container) program(ctx context.Context) (_ *script.Program, err error) {
	lock, err := c.e.store.LockContainer(ctx, c.id)
	if err != nil {
		return nil, err
	}
	s := &starting{e: c.e, lock: lock, dry: true}
	defer func() { err = errors.Join(err, s.close()) }()
	for _, step := range s.steps(IO{}) {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	order := s.spawn().Supervisor
	order.Status, order.Host = script.FD{N: 3, Name: "status"}, script.FD{N: 4, Name: "host"}
	return supervisor.Program(order)
}
