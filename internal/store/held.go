package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/coraclehq/coracle/internal/sys"
)

// ContainerLock is the lock of one container. Who holds it starts, changes or removes
// the container, in one step as others see it. Its methods are for one goroutine.
type ContainerLock struct {
	// ID is the container's.
	ID string
	// Dir is its directory, opened for reading. It belongs to the lock.
	Dir *sys.FD

	s *Store
}

// LockContainer takes the lock of container id, a full ID, and waits for it while ctx
// allows. A container that is removed meanwhile is ErrNotFound.
func (s *Store) LockContainer(ctx context.Context, id string) (_ *ContainerLock, err error) {
	if err := s.begin(); err != nil {
		return nil, err
	}
	defer s.end(&err)
	if err := checkID(id); err != nil {
		return nil, err
	}
	if s.newer != nil {
		return nil, s.newer
	}
	return wait(ctx, "container "+id, func() (*ContainerLock, error) { return s.tryContainer(id) })
}

// TryLockContainer is LockContainer without waiting: nil if somebody has the lock.
func (s *Store) TryLockContainer(id string) (_ *ContainerLock, err error) {
	if err := s.begin(); err != nil {
		return nil, err
	}
	defer s.end(&err)
	if err := checkID(id); err != nil {
		return nil, err
	}
	if s.newer != nil {
		return nil, s.newer
	}
	return s.tryContainer(id)
}

func (s *Store) tryContainer(id string) (*ContainerLock, error) {
	if _, err := s.containers.StatAt(id, false); err != nil {
		return nil, missing(err, "container %s", id)
	}
	d, err := tryDir(s.containers, id)
	if d == nil || err != nil {
		return nil, err
	}
	return &ContainerLock{ID: id, Dir: d, s: s}, nil
}

// Unlock releases the lock. It is called once.
func (l *ContainerLock) Unlock() error { return classify(errors.Join(l.Dir.Unlock(), l.Dir.Close())) }

// Record reads the container's record.
func (l *ContainerLock) Record() (_ Record, err error) {
	if err := l.s.begin(); err != nil {
		return Record{}, err
	}
	defer l.s.end(&err)
	return l.s.readRecord(l.ID)
}

// UpdateRecord lets f change the record and writes it, durably. What f does not know
// of stays as it is. Version, ID, Name and Created are not f's to change: ErrInvalid.
func (l *ContainerLock) UpdateRecord(ctx context.Context, f func(*Record) error) (_ Record, err error) {
	if err := l.s.begin(); err != nil {
		return Record{}, err
	}
	defer l.s.end(&err)
	r, err := l.s.readRecord(l.ID)
	if err != nil {
		return Record{}, err
	}
	old := r
	r.Layers = slices.Clone(r.Layers)
	if err := f(&r); err != nil {
		return Record{}, err
	}
	if r.Version != old.Version || r.ID != old.ID || r.Name != old.Name || !r.Created.Equal(old.Created) {
		return Record{}, fmt.Errorf("container %s: change of its identity: %w", l.ID, ErrInvalid)
	}
	if err := r.check(); err != nil {
		return Record{}, err
	}
	err = l.s.locked(ctx, false, func() error {
		if !slices.Equal(r.Layers, old.Layers) || r.Image != old.Image {
			if err := l.s.checkRefs(r); err != nil {
				return err
			}
		}
		return l.write(r)
	})
	if err != nil {
		return Record{}, err
	}
	return r, nil
}

func (l *ContainerLock) write(r Record) error {
	data, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("container configuration: %w: %w", ErrInvalid, err)
	}
	return l.s.replace(l.Dir, "record.json", data, true)
}

// WriteSpec replaces config.json, durably.
func (l *ContainerLock) WriteSpec(spec []byte) (err error) {
	if err := l.s.begin(); err != nil {
		return err
	}
	defer l.s.end(&err)
	return l.s.replace(l.Dir, "config.json", spec, true)
}

// Rename gives the container another name. A name that is taken is ErrExists.
func (l *ContainerLock) Rename(ctx context.Context, name string) (err error) {
	if err := l.s.begin(); err != nil {
		return err
	}
	defer l.s.end(&err)
	if err := CheckContainerName(name); err != nil {
		return fmt.Errorf("container %w", err)
	}
	if _, err := l.s.aside(); err != nil {
		return err
	}
	r, err := l.s.readRecord(l.ID)
	if err != nil || r.Name == name {
		return err
	}
	old := r.Name
	r.Name = name
	return l.s.claimed(ctx, name, func() error {
		claimed, err := l.s.claim(name, l.ID)
		if err != nil {
			return err
		}
		l.s.step("container claimed")
		// The name first, then what says so: after a crash in between the container
		// has one name too many, never none.
		if err := errors.Join(l.s.sync(l.s.containerNames), l.write(r)); err != nil {
			// What cannot be synced may have been written all the same.
			if now, readErr := l.s.readRecord(l.ID); readErr == nil && now.Name == name {
				return errors.Join(err, l.s.unclaim(old, l.ID))
			}
			if claimed {
				err = errors.Join(err, l.s.unclaim(name, l.ID))
			}
			return err
		}
		l.s.step("container renamed")
		return l.s.unclaim(old, l.ID)
	})
}

// Remove removes the container; one that runs is ErrRunning. It is gone at once and
// its files soon after. Only Unlock may follow.
func (l *ContainerLock) Remove(ctx context.Context) (err error) {
	if err := l.s.begin(); err != nil {
		return err
	}
	defer l.s.end(&err)
	running, err := l.s.running(l.ID)
	if err != nil {
		return err
	}
	if running {
		return fmt.Errorf("container %s: %w", l.ID, ErrRunning)
	}
	name := ""
	switch r, err := l.s.readRecord(l.ID); {
	case err == nil:
		name = r.Name
	case !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrNotFound):
		return err
		// A damaged one can be removed as well; a name that it had is freed when
		// somebody wants it.
	}
	return l.s.locked(ctx, false, func() error {
		if err := l.s.discard(l.s.containers, l.ID); err != nil {
			return missing(err, "container %s", l.ID)
		}
		l.s.step("container discarded")
		return l.s.unclaim(name, l.ID)
	})
}

// RemoveContainer is LockContainer, Remove and Unlock.
func (s *Store) RemoveContainer(ctx context.Context, id string) error {
	l, err := s.LockContainer(ctx, id)
	if err != nil {
		return err
	}
	return errors.Join(l.Remove(ctx), l.Unlock())
}

// UpdateRecord is LockContainer, UpdateRecord and Unlock.
func (s *Store) UpdateRecord(ctx context.Context, id string, f func(*Record) error) (Record, error) {
	l, err := s.LockContainer(ctx, id)
	if err != nil {
		return Record{}, err
	}
	r, err := l.UpdateRecord(ctx, f)
	if err = errors.Join(err, l.Unlock()); err != nil {
		return Record{}, err
	}
	return r, nil
}
