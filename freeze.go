package coracle

import (
	"context"
	"errors"
	"io/fs"
	"syscall"

	"github.com/coraclehq/coracle/internal/cgroup"
	"github.com/coraclehq/coracle/internal/store"
	"github.com/coraclehq/coracle/internal/sys"
)

// frozenMark is a file in the directory of a container that is frozen for a moment,
// by whoever holds the container's lock. If that one is killed, the kernel releases
// the lock and nothing thaws the container: the next Open does, by the mark.
const frozenMark = "frozen"

// freeze stops the container, if it runs and is not frozen already, and returns what
// lets it go on.
func (e *Engine) freeze(ctx context.Context, lock *store.ContainerLock) (thaw func() error, err error) {
	nothing := func() error { return nil }
	group, err := e.group(lock.ID)
	if group == nil || err != nil {
		return nothing, err
	}
	defer group.Close()
	frozen, err := group.Frozen()
	if err != nil || frozen {
		return nothing, ignoreEnded(err)
	}
	thaw = func() error {
		return errors.Join(ignoreEnded(group.Thaw()), ignoreMissing(lock.Dir.Unlink(frozenMark)))
	}
	mark, err := lock.Dir.Open(frozenMark, sys.O_WRONLY|sys.O_CREAT, 0o600)
	if err == nil {
		err = mark.Close()
	}
	if err == nil {
		err = ignoreEnded(group.Freeze(ctx))
	}
	if err != nil {
		return nothing, errors.Join(err, thaw())
	}
	return thaw, nil
}

// group opens the cgroup of a running container; nil: it does not run.
func (e *Engine) group(id string) (*cgroup.Group, error) {
	running, err := e.store.Running(id)
	if err != nil || !running {
		return nil, err
	}
	host, err := e.cgroups()
	if err != nil {
		return nil, err
	}
	group, err := host.Open(e.store.ID(), id)
	if err != nil {
		return nil, ignoreEnded(err) // this moment
	}
	return group, nil
}

// ignoreEnded takes a cgroup that is gone for no error: nothing is left to freeze.
func ignoreEnded(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENODEV) {
		return nil
	}
	return err
}

// thawLeft lets containers go on that a process had frozen which was killed then.
func (e *Engine) thawLeft() error {
	dir, err := e.store.Dir().Open("containers", sys.O_RDONLY|sys.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	defer dir.Close()
	ids, err := dir.Names()
	if err != nil {
		return err
	}
	var errs []error
	for _, id := range ids {
		if _, err := dir.StatAt(id+"/"+frozenMark, false); err == nil {
			errs = append(errs, e.thawOne(id))
		}
	}
	return errors.Join(errs...)
}

func (e *Engine) thawOne(id string) (err error) {
	lock, err := e.store.TryLockContainer(id)
	if errors.Is(err, ErrNotFound) || errors.Is(err, ErrReadOnly) {
		return nil // a store that is only read is left alone
	}
	if lock == nil || err != nil { // nil: whoever has frozen it is alive
		return err
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	group, err := e.group(id)
	if err != nil {
		return err
	}
	if group != nil {
		if err := errors.Join(ignoreEnded(group.Thaw()), group.Close()); err != nil {
			return err
		}
	}
	return ignoreMissing(lock.Dir.Unlink(frozenMark))
}
