package store

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/coraclehq/coracle/internal/sys"
)

// Undo names a thing outside of the store that a run of a container makes, and that
// the kernel does not remove with its processes.
type Undo struct {
	Kind string `json:"kind"` // "cgroup", "nft", ...
	Name string `json:"name"`
}

// AddUndo notes things that are about to be made, before they are. It is not synced:
// a power cut removes them.
func (l *ContainerLock) AddUndo(u ...Undo) (err error) {
	if err := l.s.begin(); err != nil {
		return err
	}
	defer l.s.end(&err)
	all, err := l.s.undos(l.ID)
	if err != nil {
		return err
	}
	return l.s.replace(l.Dir, "undo.json", must(json.Marshal(append(all, u...))), false)
}

// ClearUndo notes that everything was undone.
func (l *ContainerLock) ClearUndo() (err error) {
	if err := l.s.begin(); err != nil {
		return err
	}
	defer l.s.end(&err)
	return ignoreMissing(l.Dir.Unlink("undo.json"))
}

// Undos returns what is to be undone for container id, in the order in which it was
// made.
func (s *Store) Undos(id string) (_ []Undo, err error) {
	if err := s.begin(); err != nil {
		return nil, err
	}
	defer s.end(&err)
	if err := checkID(id); err != nil {
		return nil, err
	}
	return s.undos(id)
}

func (s *Store) undos(id string) ([]Undo, error) {
	data, err := s.containers.ReadFile(id+"/undo.json", maxDocument)
	if errors.Is(err, sys.ENOENT) {
		_, err := s.containers.StatAt(id, false)
		return nil, missing(err, "container %s", id)
	}
	if err != nil || len(data) == 0 {
		return nil, err
	}
	var u []Undo
	if err := json.Unmarshal(data, &u); err != nil {
		return nil, fmt.Errorf("container %s: undo.json: %w: %w", id, ErrDamaged, err)
	}
	return u, nil
}
