package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/coraclehq/coracle/internal/sys"
)

// errStaleName says that a name's container is gone.
var errStaleName = errors.New("stale name")

// claimed runs f, which claims a name, under the shared lock, and frees the name
// from a container that is gone if need be.
func (s *Store) claimed(ctx context.Context, name string, f func() error) error {
	for {
		err := s.locked(ctx, false, f)
		if !errors.Is(err, errStaleName) {
			return err
		}
		if err := s.locked(ctx, true, func() error { return s.freeStale(name) }); err != nil {
			return err
		}
	}
}

// claim takes a name for container id and says whether it did: an interrupted rename
// may have left it the container's already. The caller holds the store's lock, shared.
func (s *Store) claim(name, id string) (bool, error) {
	if name == "" {
		return false, nil
	}
	err := s.containerNames.Symlink(id, name)
	if !errors.Is(err, sys.EEXIST) {
		return err == nil, err
	}
	holder, err := s.containerNames.Readlink(name)
	if errors.Is(err, sys.ENOENT) {
		return false, errStaleName // freed this moment: once more
	}
	if err != nil || holder == id {
		return false, err
	}
	if _, err := s.containers.StatAt(holder, false); err != nil {
		if errors.Is(err, sys.ENOENT) {
			return false, errStaleName
		}
		return false, err
	}
	return false, fmt.Errorf("container name %s belongs to %.12s: %w", name, holder, ErrExists)
}

// unclaim gives up a name, if it is id's.
func (s *Store) unclaim(name, id string) error {
	if name == "" {
		return nil
	}
	holder, err := s.containerNames.Readlink(name)
	if err != nil || holder != id {
		return ignoreMissing(err)
	}
	return s.containerNames.Unlink(name)
}

// freeStale removes a name whose container is gone. The caller holds the store's
// lock alone: who has claimed a name and not yet placed its container holds it shared.
func (s *Store) freeStale(name string) error {
	holder, err := s.containerNames.Readlink(name)
	if err != nil {
		return ignoreMissing(err)
	}
	if _, err := s.containers.StatAt(holder, false); !errors.Is(err, sys.ENOENT) {
		return err
	}
	return s.containerNames.Unlink(name)
}
