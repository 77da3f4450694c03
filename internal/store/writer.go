package store

import (
	"errors"
	"strconv"
	"sync/atomic"

	"github.com/coraclehq/coracle/internal/sys"
)

// writer is tmp/<name>, in which one Store makes what is not whole yet and puts
// what is to be removed. As long as the process lives it holds a lock on the
// directory; one without a lock is rubbish. It is made before the first change to
// anything that others see, so its presence also tells that a process died with
// work under way, and a store without dead writers needs no repair.
type writer struct {
	name string
	dir  *sys.FD
	seq  atomic.Uint64
	// suspect is set when the kernel refused a step of a change, after which names may
	// disagree: the directory then stays behind as a dead writer's does.
	suspect atomic.Bool
}

// aside returns this Store's writer and makes it on first use: a store that is only
// read, also one on a full disk, is not written to.
func (s *Store) aside() (*writer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.newer != nil {
		return nil, s.newer
	}
	if s.writer == nil {
		w, err := newWriter(s.tmp)
		if err != nil {
			return nil, err
		}
		s.writer = w
	}
	return s.writer, nil
}

func newWriter(tmp *sys.FD) (*writer, error) {
	for {
		name := randomHex(8)
		if err := makeIn(tmp, name, dirPerm); err != nil {
			// Gone already: another process took it for a dead one's.
			if errors.Is(err, sys.ENOENT) || errors.Is(err, sys.EEXIST) {
				continue
			}
			return nil, err
		}
		l, err := tryDir(tmp, name)
		if err != nil {
			return nil, errors.Join(err, tmp.Rmdir(name))
		}
		if l != nil {
			return &writer{name: name, dir: l}, nil
		}
	}
}

// tryDir locks the directory name in dir. It returns nil if it is locked or gone.
func tryDir(dir *sys.FD, name string) (*sys.FD, error) {
	d, err := dir.Open(name, sys.O_RDONLY|sys.O_DIRECTORY, 0)
	if err != nil {
		return nil, ignoreMissing(err)
	}
	ok, err := d.TryLock(true)
	if err != nil || !ok {
		return nil, errors.Join(err, d.Close())
	}
	// Removed or moved between open and lock?
	is, err := d.Stat()
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	at, err := dir.StatAt(name, false)
	if err != nil || !at.Same(is) {
		return nil, errors.Join(ignoreMissing(err), d.Close())
	}
	return d, nil
}

// next returns a new name in the writer's directory.
func (w *writer) next() string { return strconv.FormatUint(w.seq.Add(1), 10) }

// remove ends the writer.
func (w *writer) remove(tmp *sys.FD) (err error) {
	if !w.suspect.Load() {
		err = tmp.RemoveAll(w.name)
	}
	return errors.Join(err, w.dir.Unlock(), w.dir.Close())
}

// create makes an empty file in the writer's directory.
func (w *writer) create() (*sys.FD, string, error) {
	name := w.next()
	f, err := w.dir.Open(name, sys.O_RDWR|sys.O_CREAT|sys.O_EXCL, filePerm)
	if err != nil {
		return nil, "", err
	}
	if err := f.Chmod(filePerm); err != nil {
		return nil, "", errors.Join(err, f.Close(), w.dir.Unlink(name))
	}
	return f, name, nil
}

// replace makes or replaces file name in dir, whole or not at all. With sync, it is
// on the disk afterwards, name and all. Unlike sys.FD.WriteFile, what a crash leaves
// is in the writer's directory.
func (s *Store) replace(dir *sys.FD, name string, data []byte, sync bool) error {
	w, err := s.aside()
	if err != nil {
		return err
	}
	f, tmp, err := w.create()
	if err != nil {
		return err
	}
	err = s.fill(f, data, sync)
	if err == nil {
		err = w.place(tmp, dir, name, sync)
	}
	if err != nil {
		return errors.Join(err, ignoreMissing(w.dir.Unlink(tmp)))
	}
	if sync {
		return s.sync(dir)
	}
	return nil
}

// place renames a file from the writer's directory over name in dir.
func (w *writer) place(tmp string, dir *sys.FD, name string, synced bool) error {
	if synced {
		return w.dir.Rename(tmp, dir, name)
	}
	// ext4 starts writing a file to the disk when it is renamed over another
	// (auto_da_alloc in ext4(5)): a millisecond instead of 40 microseconds. Files that
	// are swapped are exempt.
	err := w.dir.RenameNoReplace(tmp, dir, name)
	if !errors.Is(err, sys.EEXIST) {
		return err
	}
	if err := w.dir.Exchange(tmp, dir, name); err != nil {
		return err
	}
	return w.dir.Unlink(tmp)
}

// fill writes and closes a file.
func (s *Store) fill(f *sys.FD, data []byte, sync bool) error {
	_, err := f.Write(data)
	if err == nil && sync {
		err = s.sync(f)
	}
	return errors.Join(err, f.Close())
}

// discard takes name in dir out of sight at once and removes it in the background.
func (s *Store) discard(dir *sys.FD, name string) error {
	to, aside := s.tmp, randomHex(8)
	w, err := s.aside()
	switch {
	case err == nil:
		to, aside = w.dir, w.next()
	case !errors.Is(classify(err), ErrNoSpace):
		return err
		// On a full disk, where no writer can be made, tmp itself has room for one
		// more name: removing must work there.
	}
	if err := dir.Rename(name, to, aside); err != nil {
		return err
	}
	s.remover.add(removal{dir: to, name: aside})
	return nil
}
