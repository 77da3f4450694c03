package monitor

import (
	"errors"
	"fmt"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/coraclehq/coracle/internal/supervisor"
	"github.com/coraclehq/coracle/internal/sys"
)

// Names in a container's directory. Rotated files are "log.1", the youngest, and so
// on.
const (
	logName  = "log"
	exitName = "exit"
	logAside = "log.tmp" // the next log, until it has its name
)

// LogWriter appends to a container's log, as its supervisor does when this program
// does not take part. Nothing that goes wrong with the log holds the container up:
// records that cannot be written whole are left out, and Close tells of them. It is
// safe for concurrent use.
//
// While it is open it holds a shared flock on the file that it writes, so that a
// reader can tell that more may come although the container has ended.
type LogWriter struct {
	dir   *sys.FD
	limit int64
	files int

	mu   sync.Mutex // guards what follows
	log  *sys.FD
	size int64
	lost LogError
}

// LogError says that records are missing from a log.
type LogError struct {
	Records int   // how many
	Err     error // why the first one is
}

func (e *LogError) Error() string {
	return fmt.Sprintf("%d records are missing from the log: %v", e.Records, e.Err)
}

// Unwrap returns the cause.
func (e *LogError) Unwrap() error { return e.Err }

// NewLogWriter appends to log, which is the file "log" of dir, opened for writing
// with O_APPEND, and which it takes over, also when it fails; dir stays the
// caller's. When the file has more than limit bytes it is rotated, and so many
// rotated files are kept; limit 0 stands for never. A torn end is cut off first; see
// MendLog.
func NewLogWriter(dir, log *sys.FD, limit int64, files int) (_ *LogWriter, err error) {
	l := &LogWriter{log: log, limit: limit, files: files}
	defer func() {
		if err != nil {
			l.dir.Close()
			l.log.Close()
		}
	}()
	if l.dir, err = dir.Open(".", sys.O_RDONLY|sys.O_DIRECTORY, 0); err != nil {
		return nil, err
	}
	if l.size, err = MendLog(log); err != nil {
		return nil, err
	}
	l.hold()
	return l, nil
}

// hold marks the file as being written. A reader that asks just now has it locked
// for a moment. Where locks cannot be had, a reader may miss the last records of a
// container that ends.
func (l *LogWriter) hold() {
	for range 100 {
		if held, err := l.log.TryLock(false); held || err != nil {
			return
		}
		time.Sleep(100 * time.Microsecond)
	}
}

// Append writes a record at the time of the call. Data of more than
// supervisor.LogBuffer bytes becomes several.
func (l *LogWriter) Append(stream int, data []byte) {
	for len(data) > 0 {
		n := min(len(data), supervisor.LogBuffer)
		l.frame(append(make([]byte, supervisor.LogHeaderSize, supervisor.LogHeaderSize+n), data[:n]...), stream)
		data = data[n:]
	}
}

// frame writes a record that has room for its header in front.
func (l *LogWriter) frame(b []byte, stream int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	supervisor.AppendLogHeader(b[:0], supervisor.LogRecord{Time: time.Now(), Stream: stream, Data: b[supervisor.LogHeaderSize:]})
	if _, err := l.log.Write(b); err != nil {
		l.lose(errors.Join(err, l.log.Truncate(l.size)))
		return
	}
	l.size += int64(len(b))
	if l.limit > 0 && l.size > l.limit {
		l.rotate()
	}
}

// lose notes a record that is not there. The caller holds l.mu.
func (l *LogWriter) lose(err error) {
	if l.lost.Records == 0 {
		l.lost.Err = err
	}
	l.lost.Records++
}

// rotate goes on in a new file. It is made first: where that fails, or a name cannot
// be changed, the old one grows, and nothing is lost. The caller holds l.mu.
func (l *LogWriter) rotate() {
	next, err := l.dir.Open(logAside, sys.O_WRONLY|sys.O_CREAT|sys.O_TRUNC|sys.O_APPEND, 0o600)
	if err != nil {
		return
	}
	for i := l.files; i > 0 && err == nil; i-- {
		err = l.dir.Rename(rotated(i-1), l.dir, rotated(i))
		if errors.Is(err, syscall.ENOENT) { // fewer were kept so far
			err = nil
		}
	}
	if err == nil {
		if err = l.dir.Rename(logAside, l.dir, logName); err != nil && l.files > 0 {
			l.dir.Rename(rotated(1), l.dir, logName) // the hole that is left closes again
		}
	}
	if err != nil {
		next.Close()
		return
	}
	old := l.log
	l.log, l.size = next, 0
	l.hold()
	old.Close()
}

func rotated(i int) string {
	if i == 0 {
		return logName
	}
	return logName + "." + strconv.Itoa(i)
}

// Close closes the log and returns a *LogError if a record is missing from it.
func (l *LogWriter) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	err := errors.Join(l.log.Close(), l.dir.Close())
	if l.lost.Records > 0 {
		return errors.Join(&l.lost, err)
	}
	return err
}

// MendLog cuts off what a power cut or a killed supervisor left at the end of a log:
// a record that is not whole. Behind it, no new record could be read. It returns the
// size. Damage elsewhere is left alone. The file is open for writing.
func MendLog(log *sys.FD) (size int64, err error) {
	st, err := log.Stat()
	if err != nil || st.Size == 0 {
		return 0, err
	}
	r, err := log.Reopen(sys.O_RDONLY)
	if err != nil {
		return 0, err
	}
	defer r.Close()
	f := &logFile{fd: r}
	if err := f.skip(); err != nil { // damage: this is not its end
		return st.Size, nil
	}
	if f.at == st.Size {
		return st.Size, nil
	}
	return f.at, log.Truncate(f.at)
}
