package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/coraclehq/coracle/internal/sys"
	imagespec "github.com/opencontainers/image-spec/specs-go/v1"
)

// recoverPatience is how long Open waits for the store's lock to clear up after the
// dead. What is left then is harmless, and the next Open tries again.
const recoverPatience = 200 * time.Millisecond

// recover clears away what dead writers left. When there are none, which is known by
// reading one directory, nothing else is looked at.
func (s *Store) recover(ctx context.Context) error {
	dead, err := s.deadWriters()
	if err != nil || len(dead) == 0 {
		return err
	}
	short, cancel := context.WithTimeout(ctx, recoverPatience)
	defer cancel()
	err = s.locked(short, true, s.repair)
	// On a full disk, what the dead left is what has to go first; their directories
	// stay, and with them the need for repair.
	full := errors.Is(classify(err), ErrNoSpace)
	if err == nil || full {
		for _, d := range dead {
			d.empty = full && d.held != nil
			s.remover.add(d)
		}
		return nil
	}
	late := errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil
	if late || errors.Is(classify(err), ErrReadOnly) {
		err = nil
	}
	for _, d := range dead {
		if d.held != nil {
			err = errors.Join(err, d.held.Unlock(), d.held.Close())
		}
	}
	return err
}

// deadWriters returns what lies in tmp without a living owner, locked.
func (s *Store) deadWriters() ([]removal, error) {
	names, err := s.tmp.Names()
	if err != nil {
		return nil, err
	}
	var dead []removal
	for _, n := range names {
		held, err := tryDir(s.tmp, n)
		switch {
		case errors.Is(err, sys.ENOTDIR) || errors.Is(err, sys.ELOOP):
			// A file that was discarded on a full disk; nobody works on it.
			dead = append(dead, removal{dir: s.tmp, name: n})
		case err != nil:
			return nil, err
		case held != nil:
			dead = append(dead, removal{dir: s.tmp, name: n, held: held})
		}
	}
	return dead, nil
}

// repair puts right what may be seen half-done after a crash: each of several names
// or links that belong to one change. The caller holds the store's lock.
func (s *Store) repair() error {
	return errors.Join(s.repairContainerNames(), s.repairLayerIDs(), s.repairOCIIndex(), s.repairLocks())
}

// repairContainerNames makes the links agree with the records.
func (s *Store) repairContainerNames() error {
	owner := map[string]string{}
	damaged := map[string]bool{}
	for r, err := range s.records() {
		switch {
		case err == nil && r.Name != "":
			owner[r.Name] = r.ID
		case errors.Is(err, ErrDamaged) || errors.Is(err, ErrNotFound):
			damaged[r.ID] = true
		case err != nil:
			return err
		}
	}
	names, err := s.containerNames.Names()
	if err != nil {
		return err
	}
	for _, n := range names {
		id, err := s.containerNames.Readlink(n)
		if err != nil {
			return err
		}
		if owner[n] == id {
			delete(owner, n)
			continue
		}
		// The name of a container whose record cannot be read stays its own.
		if damaged[id] {
			continue
		}
		if err := s.containerNames.Unlink(n); err != nil {
			return err
		}
	}
	for n, id := range owner {
		if err := s.containerNames.Symlink(id, n); err != nil && !errors.Is(err, sys.EEXIST) {
			return err
		}
	}
	return nil
}

// repairLayerIDs removes links to layers that are gone and links layers that can not
// be found.
func (s *Store) repairLayerIDs() error {
	links, err := s.layerIDs.Names()
	if err != nil {
		return err
	}
	linked := map[string]bool{}
	for _, l := range links {
		id, err := s.layerIDs.Readlink(l)
		if err != nil {
			return err
		}
		if _, err := s.layers.StatAt(id+"/fs", false); err == nil {
			linked[id] = true
		} else if err := s.layerIDs.Unlink(l); err != nil {
			return err
		}
	}
	ids, err := s.layers.Names()
	if err != nil {
		return err
	}
	for _, id := range ids {
		if linked[id] || !isHex(id, layerIDDigits) {
			continue
		}
		l, err := s.readLayer(id)
		if err != nil || l.key() == "" || CheckDigest(l.key()) != nil {
			continue
		}
		// Where another layer has the digest, this one is left to Collect.
		err = s.layerIDs.Symlink(id, linkName(l.key()))
		if err != nil && !errors.Is(err, sys.EEXIST) {
			return err
		}
	}
	return nil
}

// repairOCIIndex makes index.json what names.json says.
func (s *Store) repairOCIIndex() error {
	x, err := s.readIndex()
	if errors.Is(err, ErrDamaged) {
		return nil // the containers are there all the same, and Open must show them
	}
	if err != nil {
		return err
	}
	want, err := x.render()
	if err != nil {
		return err
	}
	have, err := s.root.ReadFile(imagespec.ImageIndexFile, maxDocument)
	if err == nil && bytes.Equal(have, want) {
		return nil
	}
	return s.replace(s.root, imagespec.ImageIndexFile, want, false)
}

// repairLocks removes lock files that nobody holds.
func (s *Store) repairLocks() error {
	names, err := s.locks.Names()
	if err != nil {
		return err
	}
	for _, n := range names {
		l, err := try(s.locks, n, true)
		if err != nil {
			return fmt.Errorf("lock %s: %w", n, err)
		}
		if l == nil {
			continue
		}
		l.dir, l.name = s.locks, n
		if err := l.Unlock(); err != nil {
			return err
		}
	}
	return nil
}

// Recover does what Open does about processes that died since.
func (s *Store) Recover(ctx context.Context) (err error) {
	if err := s.begin(); err != nil {
		return err
	}
	defer s.end(&err)
	if s.newer != nil {
		return s.newer
	}
	return s.recover(ctx)
}

// step is where tests end the process.
func (s *Store) step(name string) {
	if s.onStep != nil {
		s.onStep(name)
	}
}
