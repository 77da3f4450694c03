package monitor

import (
	"context"
	"errors"
	"io"
	"iter"
	"time"

	"github.com/coraclehq/coracle/internal/supervisor"
	"github.com/coraclehq/coracle/internal/sys"
)

// LogOptions say what of a log is read. The zero LogOptions are all that is there.
type LogOptions struct {
	// Follow waits for what is written, until the container has ended.
	Follow bool

	// Since and Until leave out records from before and after, if they are not zero.
	// With Follow, Until is also when it ends at the latest.
	Since, Until time.Time

	// Tail begins with so many of the last lines, of both streams together and
	// counted by their ends; one that is not finished counts. 0: with all; negative:
	// with none.
	Tail int
}

// ErrLogGap stands for records that were rotated away before they were read.
var ErrLogGap = errors.New("a part of the log was rotated away before it was read")

// ReadLog reads the log in a container's directory, oldest record first. Data of a
// record is what was read at once from the container, not a line, and the caller's.
//
// ErrLogGap and a *DamageError come in their place among the records, and reading
// goes on with what is left; after any other error it ends. A record that is not
// whole at the end of a file is passed over: it was being written when the machine
// went down.
//
// Follow needs running, which says whether the container runs; without Follow it is
// not called. The directory stays open until the sequence is over. A rotation while
// it is read loses nothing as long as the reader is less than all rotated files
// behind.
func ReadLog(ctx context.Context, dir *sys.FD, o LogOptions, running func() (bool, error)) iter.Seq2[supervisor.LogRecord, error] {
	return func(yield func(supervisor.LogRecord, error) bool) {
		r := &logReader{dir: dir, LogOptions: o, running: running}
		defer r.close()
		err := r.open()
		for err == nil {
			var record supervisor.LogRecord
			record, err = r.next(ctx)
			if err == nil || errors.Is(err, ErrLogGap) || errors.Is(err, supervisor.ErrDamaged) {
				if !yield(record, err) {
					return
				}
				err = nil
			}
		}
		if !errors.Is(err, io.EOF) {
			yield(supervisor.LogRecord{}, err)
		}
	}
}

// logReader is a walk along the files of a log.
type logReader struct {
	LogOptions
	dir     *sys.FD
	running func() (bool, error)

	files []*logFile // to be read, oldest first; all but the last are not written any more
	watch *logWatch  // nil without Follow
	mark  uint64     // its changes when the last of files was the log
	last  bool       // the container has ended: one more look
}

func (r *logReader) open() error {
	if r.Follow {
		r.watch = newLogWatch(r.dir)
	}
	var err error
	if r.files, err = r.chain(); err != nil {
		return err
	}
	if r.Tail != 0 {
		return r.tail(max(r.Tail, 0))
	}
	return nil
}

func (r *logReader) close() {
	closeFiles(r.files)
	r.watch.close()
}

// next returns the next record that is wanted; io.EOF at the end.
func (r *logReader) next(ctx context.Context) (supervisor.LogRecord, error) {
	for {
		if ctx.Err() != nil {
			return supervisor.LogRecord{}, context.Cause(ctx)
		}
		record, err := r.read()
		switch {
		case errors.Is(err, io.EOF):
			if err := r.more(ctx); err != nil {
				return supervisor.LogRecord{}, err
			}
		case err != nil:
			return supervisor.LogRecord{}, err
		case r.wanted(record):
			return record, nil
		}
	}
}

// wanted says whether a record is among what was asked for.
func (r *logReader) wanted(record supervisor.LogRecord) bool {
	return len(record.Data) > 0 && r.inTime(record)
}

func (r *logReader) inTime(record supervisor.LogRecord) bool {
	return (r.Since.IsZero() || !record.Time.Before(r.Since)) &&
		(r.Until.IsZero() || !record.Time.After(r.Until))
}

// read returns the next record of the files that are open.
func (r *logReader) read() (supervisor.LogRecord, error) {
	for len(r.files) > 0 {
		record, err := r.files[0].next()
		if !errors.Is(err, io.EOF) || len(r.files) == 1 {
			return record, err
		}
		r.files[0].fd.Close()
		r.files = r.files[1:]
	}
	return supervisor.LogRecord{}, io.EOF
}

// more waits until there may be more; io.EOF when there will not be.
func (r *logReader) more(ctx context.Context) error {
	if !r.Follow {
		return io.EOF
	}
	found, err := r.extend()
	if err != nil || found {
		return err
	}
	if r.last {
		return io.EOF
	}
	if r.last, err = r.over(); err != nil || r.last {
		return err
	}
	return r.watch.wait(ctx, r.Until)
}

// over says whether nothing will be written any more: the container has ended, and
// what it wrote has come to the log.
func (r *logReader) over() (bool, error) {
	if !r.Until.IsZero() && time.Now().After(r.Until) {
		return true, nil
	}
	live, err := r.running()
	if err != nil || live || len(r.files) == 0 {
		return !live, err
	}
	// Whoever pumps from Go locks the file; see LogWriter. Another reader may be
	// asking the same just now: then we ask again.
	fd := r.files[len(r.files)-1].fd
	free, err := fd.TryLock(true)
	if err != nil { // a file system without locks
		return true, nil
	}
	if free {
		err = fd.Unlock()
	}
	return free, err
}
