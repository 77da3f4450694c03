package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/coraclehq/coracle/internal/sys"
)

// Permissions of everything in a store, whatever the umask: other users may read
// neither images nor what containers write (CVE-2021-41091). Only the directories
// that become "/" of a container are open, and those lie below closed ones.
const (
	dirPerm  = 0o700
	filePerm = 0o600
	rootPerm = 0o755
)

// maxDocument bounds every JSON file that the store reads back.
const maxDocument = 64 << 20

// Options of [Open]. The zero value is right for a store that matters.
type Options struct {
	// Volatile leaves out every fsync. What was done survives the end of the
	// process, not a power cut. It is for stores that live as long as a test.
	Volatile bool
}

// Store is an open store. Its methods may be called concurrently, from any number
// of processes that opened the same directory.
type Store struct {
	path  string
	id    string
	opts  Options
	newer *VersionError // set: changes are refused with it

	root, tmp, locks *sys.FD
	blobs            *sys.FD // blobs/sha256
	layers, layerIDs *sys.FD
	containers       *sys.FD
	containerNames   *sys.FD

	calls sync.WaitGroup // calls under way, waited for by Close

	mu     sync.Mutex // guards the fields below
	closed bool
	writer *writer

	remover remover

	onStep func(name string) // set by tests alone: called between the steps of a change
}

// Open opens the store at dir, which is made if it does not exist or is an empty
// directory. What earlier processes left half-made is cleared away: the part that
// others could see at once, the rest in the background. A store of a newer version
// opens for reading; see [VersionError]. The ctx bounds Open alone.
func Open(ctx context.Context, dir string, o Options) (_ *Store, err error) {
	path, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open store %s: %w", dir, err)
	}
	s := &Store{path: path, opts: o}
	if err := s.open(ctx); err != nil {
		if s.writer != nil {
			err = errors.Join(err, s.writer.remove(s.tmp))
		}
		s.closeFDs()
		return nil, fmt.Errorf("open store %s: %w", path, classify(err))
	}
	return s, nil
}

func (s *Store) open(ctx context.Context) error {
	made, err := makeDir(s.path)
	if err != nil {
		return err
	}
	if s.root, err = sys.Open(s.path, sys.O_RDONLY|sys.O_DIRECTORY, 0); err != nil {
		return err
	}
	v, err := readVersion(s.root)
	if errors.Is(err, ErrNotFound) {
		v, err = create(ctx, s.root, !s.opts.Volatile)
		if err != nil && made {
			// Fails, rightly, if another process is making a store here.
			err = errors.Join(err, removeEmpty(s.path))
		}
	}
	if err != nil {
		return err
	}
	s.id = v.ID
	if v.Version > layoutVersion {
		s.newer = &VersionError{Path: s.path, Found: v.Version, Known: layoutVersion}
	}
	if err := s.openDirs(); err != nil {
		if s.newer != nil {
			err = errors.Join(s.newer, err)
		}
		return err
	}
	if s.newer != nil {
		return nil
	}
	return s.recover(ctx)
}

// makeDir makes the directory and its parents and says whether it did.
func makeDir(path string) (bool, error) {
	err := os.Mkdir(path, dirPerm)
	if errors.Is(err, os.ErrNotExist) {
		if err := os.MkdirAll(filepath.Dir(path), dirPerm); err != nil {
			return false, err
		}
		err = os.Mkdir(path, dirPerm)
	}
	if errors.Is(err, os.ErrExist) {
		return false, nil
	}
	return err == nil, err
}

func removeEmpty(path string) error {
	err := os.Remove(path)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, sys.ENOTEMPTY) {
		return nil
	}
	return err
}

func (s *Store) openDirs() error {
	st, err := s.root.Stat()
	if err != nil {
		return err
	}
	// Whoever can write here chooses what runs as root.
	if st.Perm()&0o022 != 0 {
		return fmt.Errorf("others may write to it (mode %#o), chmod go-w: %w", st.Perm(), ErrInvalid)
	}
	for name, fd := range map[string]**sys.FD{
		"tmp": &s.tmp, "locks": &s.locks, "blobs/sha256": &s.blobs, "layers": &s.layers,
		"layer-ids": &s.layerIDs, "containers": &s.containers, "container-names": &s.containerNames,
	} {
		if *fd, err = s.root.Open(name, sys.O_RDONLY|sys.O_DIRECTORY, 0); err != nil {
			return err
		}
	}
	return nil
}

// ID returns the store's own random ID, 16 hexadecimal digits, which marks what
// its containers own outside of it.
func (s *Store) ID() string { return s.id }

// Path returns the absolute path that the store was opened by.
func (s *Store) Path() string { return s.path }

// Dir returns the store's directory, opened for reading. It stays the store's and
// is closed by Close.
func (s *Store) Dir() *sys.FD { return s.root }

// Close waits for calls under way and for removals in the background and releases
// the store. What cannot be removed is left to the next Open; Close reports it.
// Closing again is ErrClosed. Locks, writers and descriptors handed out are closed
// by their owners, before.
func (s *Store) Close() error {
	s.mu.Lock()
	closed := s.closed
	s.closed = true
	s.mu.Unlock()
	if closed {
		return ErrClosed
	}
	s.calls.Wait()
	err := s.remover.close()
	if s.writer != nil {
		err = errors.Join(err, s.writer.remove(s.tmp))
	}
	return classify(errors.Join(err, s.closeFDs()))
}

func (s *Store) closeFDs() (err error) {
	for _, fd := range []*sys.FD{s.root, s.tmp, s.locks, s.blobs, s.layers, s.layerIDs, s.containers, s.containerNames} {
		err = errors.Join(err, fd.Close())
	}
	return err
}

// Settle returns when what was removed so far is gone from the disk. Nobody needs
// it but who measures space.
func (s *Store) Settle(ctx context.Context) error { return classify(s.remover.wait(ctx)) }

// begin is called first in every exported method that uses a descriptor, and end
// deferred: Close would otherwise let a call act on a number that belongs to
// another file by then.
func (s *Store) begin() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	s.calls.Add(1)
	return nil
}

func (s *Store) end(err *error) {
	defer s.calls.Done()
	if *err == nil {
		return
	}
	*err = classify(*err)
	var errno syscall.Errno
	if errors.As(*err, &errno) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.writer != nil {
			s.writer.suspect.Store(true)
		}
	}
}

// sync brings what fd refers to onto the disk, unless the store is volatile.
func (s *Store) sync(fds ...*sys.FD) error {
	if s.opts.Volatile {
		return nil
	}
	for _, fd := range fds {
		if err := fd.Sync(); err != nil {
			return err
		}
	}
	return nil
}
