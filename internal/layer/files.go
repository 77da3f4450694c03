package layer

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/coraclehq/coracle/internal/sys"
)

const (
	// smallFile is what is handed to a worker in one buffer. Larger files are
	// written while they are read.
	smallFile = 128 << 10
	chunkSize = 1 << 20
)

// files writes contents and metadata of regular files, small ones in a few
// goroutines. What happens to names stays in the goroutine that reads the archive,
// in order; a worker has only the open file, so order does not matter to it.
type files struct {
	ctx  context.Context
	jobs chan job
	bufs chan []byte
	wg   sync.WaitGroup
	skip func(name, what string)

	max  int64 // bytes that may be written
	room atomic.Int64

	mu  sync.Mutex // guards err
	err error
	// failed is closed with the first err.
	failed chan struct{}
}

// job is a file to be finished. The worker closes it.
type job struct {
	fd     *sys.FD
	name   string
	data   []byte // nil if it has been written
	meta   meta
	xattrs []xattr
}

// errWorker makes the reader stop; the reason is in files.err.
var errWorker = errors.New("a file could not be written")

func newFiles(ctx context.Context, room int64, skip func(name, what string)) *files {
	n := 2 * workers()
	f := &files{ctx: ctx, jobs: make(chan job, n), bufs: make(chan []byte, 2*n), skip: skip, max: room, failed: make(chan struct{})}
	f.room.Store(room)
	for range cap(f.bufs) {
		f.bufs <- nil
	}
	return f
}

func workers() int { return min(4, runtime.GOMAXPROCS(0)) }

func (f *files) written() int64 { return f.max - f.room.Load() }

func (f *files) start() {
	for range workers() {
		f.wg.Go(func() {
			for j := range f.jobs {
				if err := f.finish(j); err != nil {
					f.fail(err)
				}
				if j.data != nil {
					f.bufs <- j.data[:0]
				}
			}
		})
	}
}

// wait ends the workers and returns their first error.
func (f *files) wait() error {
	close(f.jobs)
	f.wg.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

func (f *files) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err == nil {
		f.err = err
		close(f.failed)
	}
}

// buffer waits for a free one of smallFile bytes.
func (f *files) buffer() []byte {
	b := <-f.bufs
	if b == nil {
		b = make([]byte, smallFile)
	}
	return b[:smallFile]
}

// submit hands a job to a worker.
func (f *files) submit(j job) error {
	select {
	case f.jobs <- j:
		return nil
	case <-f.failed:
		return errors.Join(errWorker, j.fd.Close())
	}
}

// finish writes the data, sets the metadata and closes the file.
func (f *files) finish(j job) (err error) {
	defer func() {
		if err = errors.Join(err, j.fd.Close()); err != nil {
			err = fmt.Errorf("entry %s: %w", quote(j.name), err)
		}
	}()
	if len(j.data) > 0 {
		if err := f.writeAt(j.fd, j.data, 0, int64(len(j.data))); err != nil {
			return err
		}
	}
	// In this order: chown(2) clears set-user-ID bits and file capabilities.
	if err := j.fd.Chown(int(j.meta.uid), int(j.meta.gid)); err != nil {
		return err
	}
	if err := j.fd.Chmod(j.meta.mode); err != nil {
		return err
	}
	if err := f.setXattrs(j.fd, j.name, j.xattrs); err != nil {
		return err
	}
	return j.fd.Utimes(j.meta.mtime, j.meta.mtime)
}

// setXattrs sets what the file system can hold and records the rest.
func (f *files) setXattrs(fd *sys.FD, name string, xs []xattr) error {
	for _, x := range xs {
		err := fd.SetXattr(x.name, []byte(x.value), 0)
		switch {
		case err == nil:
		case errors.Is(err, sys.EOPNOTSUPP), errors.Is(err, sys.E2BIG), errors.Is(err, sys.ERANGE),
			errors.Is(err, sys.ENOSPC) && hasSpace(fd):
			f.skip(name, "the attribute "+quote(x.name)+", which the file system cannot hold")
		default:
			return err
		}
	}
	return nil
}

// hasSpace tells ext4's ENOSPC for attributes larger than a block from a disk
// that is full.
func hasSpace(fd *sys.FD) bool {
	st, err := fd.Statfs()
	return err == nil && int64(st.Avail)*st.BlockSize > 1<<20
}
