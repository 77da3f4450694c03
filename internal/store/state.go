package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/coraclehq/coracle/internal/sys"
)

// State is what is known of a container's present or last run.
type State struct {
	Started time.Time `json:"started"`
	// PID is the first process's number outside of the container, for messages alone:
	// after the run it may be another's. Whether the container runs is known by
	// [Store.Running].
	PID int `json:"pid"`
	// Attached says that the container ends with the process that started it.
	Attached bool `json:"attached,omitempty"`

	rest unknown
}

// UnmarshalJSON keeps members that it does not know, for MarshalJSON.
func (t *State) UnmarshalJSON(data []byte) (err error) {
	type plain State
	t.rest, err = decode(data, (*plain)(t))
	return err
}

// MarshalJSON writes also what UnmarshalJSON did not know.
func (t State) MarshalJSON() ([]byte, error) {
	type plain State
	return encode(plain(t), t.rest)
}

// WriteState records a run. It is not synced: a power cut ends the run as well.
func (l *ContainerLock) WriteState(t State) (err error) {
	if err := l.s.begin(); err != nil {
		return err
	}
	defer l.s.end(&err)
	return l.s.replace(l.Dir, "state", must(json.Marshal(t)), false)
}

// State reads what is known of the last run of container id; ok is false if it never
// ran. After a power cut the file may be empty, which is the same.
func (s *Store) State(id string) (t State, ok bool, err error) {
	if err := s.begin(); err != nil {
		return State{}, false, err
	}
	defer s.end(&err)
	if err := checkID(id); err != nil {
		return State{}, false, err
	}
	data, err := s.containers.ReadFile(id+"/state", maxDocument)
	if errors.Is(err, sys.ENOENT) {
		_, err := s.containers.StatAt(id, false)
		return State{}, false, missing(err, "container %s", id)
	}
	if err != nil || len(data) == 0 {
		return State{}, false, err
	}
	if err := json.Unmarshal(data, &t); err != nil {
		return State{}, false, fmt.Errorf("container %s: state: %w: %w", id, ErrDamaged, err)
	}
	return t, true, nil
}

// Running says whether container id runs: whether its supervisor holds the lock on
// the file alive. The kernel releases that with the process, so no number of a
// process, start time or boot has to be compared.
func (s *Store) Running(id string) (_ bool, err error) {
	if err := s.begin(); err != nil {
		return false, err
	}
	defer s.end(&err)
	if err := checkID(id); err != nil {
		return false, err
	}
	return s.running(id)
}

func (s *Store) running(id string) (bool, error) {
	f, err := s.containers.Open(id+"/alive", sys.O_RDONLY, 0)
	if errors.Is(err, sys.ENOENT) {
		_, err := s.containers.StatAt(id, false)
		return false, missing(err, "container %s", id)
	}
	if err != nil {
		return false, err
	}
	free, err := f.TryLock(false)
	if err == nil && free {
		err = f.Unlock()
	}
	return !free, errors.Join(err, f.Close())
}

// TakeAlive takes the lock that says that the container runs, for the supervisor, which
// inherits the descriptor. The caller closes its own copy, without unlocking. A
// container that runs is ErrRunning.
func (l *ContainerLock) TakeAlive(ctx context.Context) (_ *sys.FD, err error) {
	if err := l.s.begin(); err != nil {
		return nil, err
	}
	defer l.s.end(&err)
	f, err := openOrCreate(l.Dir, "alive")
	if err != nil {
		return nil, err
	}
	held, err := wait(ctx, "alive", func() (*sys.FD, error) {
		ok, err := f.TryLock(true)
		if err != nil || ok {
			return f, err
		}
		// Who asks whether the container runs holds it shared for a moment; only a
		// supervisor keeps others from doing the same.
		if ok, err = f.TryLock(false); err == nil && !ok {
			err = fmt.Errorf("container %s: %w", l.ID, ErrRunning)
		}
		return nil, err
	})
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return held, nil
}
