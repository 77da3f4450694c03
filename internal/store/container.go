package store

import (
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"slices"
	"strings"

	"github.com/coraclehq/coracle/internal/sys"
)

// NewID returns the random ID of a container to be.
func NewID() string { return randomHex(32) }

// Container finds a container by ID, name, or beginning of an ID, in that order. A
// beginning that fits several is ErrInvalid.
func (s *Store) Container(ref string) (_ Record, err error) {
	if err := s.begin(); err != nil {
		return Record{}, err
	}
	defer s.end(&err)
	id, err := s.containerID(ref)
	if err != nil {
		return Record{}, err
	}
	return s.readRecord(id)
}

// containerID resolves what a user typed.
func (s *Store) containerID(ref string) (string, error) {
	if isHex(ref, 64) {
		return ref, nil
	}
	if CheckContainerName(ref) != nil {
		return "", fmt.Errorf("container %.200q: %w", ref, ErrInvalid)
	}
	id, err := s.containerNames.Readlink(ref)
	if err == nil && isHex(id, 64) {
		switch _, err := s.containers.StatAt(id, false); {
		case err == nil:
			return id, nil
		case !errors.Is(err, fs.ErrNotExist):
			return "", err
		}
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	return s.idBeginning(ref)
}

// idBeginning finds the one container whose ID begins so.
func (s *Store) idBeginning(ref string) (string, error) {
	var found []string
	if isHex(ref, len(ref)) {
		ids, err := s.containers.Names()
		if err != nil {
			return "", err
		}
		from, _ := slices.BinarySearch(ids, ref)
		for _, id := range ids[from:] {
			if !strings.HasPrefix(id, ref) {
				break
			}
			found = append(found, id)
		}
	}
	switch len(found) {
	case 0:
		return "", fmt.Errorf("container %s: %w", ref, ErrNotFound)
	case 1:
		return found[0], nil
	}
	return "", fmt.Errorf("container %s is ambiguous, %d IDs begin so: %w", ref, len(found), ErrInvalid)
}

// Containers returns the containers in the order of their IDs. One that cannot be
// read yields its error and does not end the iteration; one that is made or removed
// meanwhile may be missing.
func (s *Store) Containers() iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		ids, err := s.containerIDs()
		if err != nil {
			yield(Record{}, err)
			return
		}
		for _, id := range ids {
			r, there, err := s.containerOf(id)
			if there && !yield(r, err) {
				return
			}
		}
	}
}

func (s *Store) containerIDs() (_ []string, err error) {
	if err := s.begin(); err != nil {
		return nil, err
	}
	defer s.end(&err)
	return s.containers.Names()
}

func (s *Store) containerOf(id string) (_ Record, there bool, err error) {
	if err := s.begin(); err != nil {
		return Record{}, true, err
	}
	defer s.end(&err)
	return s.recordIfThere(id)
}

// recordIfThere reads a record unless id is no container, or none any more.
func (s *Store) recordIfThere(id string) (_ Record, there bool, err error) {
	if !isHex(id, 64) {
		return Record{}, false, nil
	}
	r, err := s.readRecord(id)
	if errors.Is(err, ErrNotFound) {
		if _, err := s.containers.StatAt(id, false); errors.Is(err, fs.ErrNotExist) {
			return Record{}, false, nil
		}
	}
	return r, true, err
}

// records is Containers for use inside of other calls. With the error of one record
// comes its ID.
func (s *Store) records() iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		ids, err := s.containers.Names()
		if err != nil {
			yield(Record{}, err)
			return
		}
		for _, id := range ids {
			r, there, err := s.recordIfThere(id)
			r.ID = id
			if there && !yield(r, err) {
				return
			}
		}
	}
}

// ContainerDir opens a container's directory. The caller closes it.
func (s *Store) ContainerDir(id string) (_ *sys.FD, err error) {
	if err := s.begin(); err != nil {
		return nil, err
	}
	defer s.end(&err)
	if err := checkID(id); err != nil {
		return nil, err
	}
	d, err := s.containers.Open(id, sys.O_RDONLY|sys.O_DIRECTORY, 0)
	return d, missing(err, "container %s", id)
}

// ContainerPath returns a container's directory relative to the store.
func ContainerPath(id string) string { return "containers/" + id }
