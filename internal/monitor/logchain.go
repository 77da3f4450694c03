package monitor

import (
	"errors"
	"strconv"
	"strings"
	"syscall"

	"github.com/coraclehq/coracle/internal/sys"
)

// A rotation gives every file the next higher number, the highest first, and takes
// the name away from the oldest:
//
//	log.1 -> log.2    log -> log.1    log is a new file
//
// So at every moment, also in the middle of a rotation or when one was cut off, the
// files are in the order of their numbers, with a hole perhaps, and the number of a
// file never falls. Whoever looks for a file from its last known number upwards
// therefore meets it, unless it has lost its name; and its place with it.
//
// Listing the directory proves nothing: it may pass over a file that is being
// renamed.

// tries bounds how often a rotation may come in between. Each costs the container a
// whole file of output.
const tries = 10000

// holes is how many numbers may be missing in a row.
const holes = 2

// errNameless: the file has no name any more.
var errNameless = errors.New("the log is rotated faster than it can be opened")

// chain opens all files, from the oldest to the one that is written.
func (r *logReader) chain() ([]*logFile, error) {
	for range tries {
		f, err := r.oldest()
		if err != nil || f == nil {
			return nil, err
		}
		files, err := r.follow([]*logFile{f})
		if err == nil {
			return files, nil
		}
		closeFiles(files)
		if !errors.Is(err, errNameless) {
			return nil, err
		}
	}
	return nil, errNameless
}

// oldest opens the file with the highest number; nil when there is none.
func (r *logReader) oldest() (*logFile, error) {
	listed, err := r.listed()
	if err != nil {
		return nil, err
	}
	for range tries {
		n, err := r.highest(0, listed)
		if err != nil || n < 0 {
			return nil, err
		}
		f, err := r.openNumber(n)
		if err != nil {
			return nil, err
		}
		if f == nil {
			continue
		}
		// A rotation before it was opened may have made another one the oldest.
		above, err := r.highest(n+1, n)
		if err == nil && above < 0 {
			return f, nil
		}
		f.fd.Close()
		if err != nil {
			return nil, err
		}
	}
	return nil, errNameless
}

// follow appends what was written after the last of the files.
func (r *logReader) follow(files []*logFile) ([]*logFile, error) {
	for {
		next, err := r.after(files[len(files)-1])
		if err != nil || next == nil {
			return files, err
		}
		files = append(files, next)
	}
}

// after opens what was written next after f: nil when there is nothing yet,
// errNameless when it cannot be known.
func (r *logReader) after(f *logFile) (*logFile, error) {
	for range tries {
		changes := r.watch.changes()
		if is, err := r.has(f, 0); err != nil || is {
			r.mark = changes
			return nil, err
		}
		at, err := r.find(f)
		if err != nil {
			return nil, err
		}
		next, err := r.below(at)
		if err != nil || next == nil {
			return nil, err
		}
		// If none is between the two and f has not moved, none was when next was opened.
		between, err := r.lowest(next.number+1, at)
		if err == nil && between < 0 {
			var is bool
			if is, err = r.has(f, at); is {
				return next, nil
			}
		}
		next.fd.Close()
		if err != nil {
			return nil, err
		}
	}
	return nil, errNameless
}

// extend opens what was written after the files that are open; false when there is
// nothing. With ErrLogGap something before it is gone.
func (r *logReader) extend() (found bool, err error) {
	if len(r.files) == 0 {
		r.files, err = r.chain()
		return len(r.files) > 0, err
	}
	was, mark := len(r.files), r.mark
	r.files, err = r.follow(r.files)
	if !errors.Is(err, errNameless) {
		return len(r.files) > was, err
	}
	// The last file was the log at mark. If the name went to another one exactly once
	// since then, that is the next; else nobody knows how many there were.
	next, err := r.openNumber(0)
	if err != nil {
		return false, err
	}
	if next != nil {
		if len(r.files) == was && r.watch.changes()-mark == 1 {
			r.files, r.mark = append(r.files, next), mark+1
			return true, nil
		}
		next.fd.Close()
	}
	rest, err := r.chain()
	if err != nil || len(rest) == 0 {
		return false, err
	}
	r.files = append(r.files, rest...)
	return true, ErrLogGap
}

// listed is the highest number in the directory; -1 when there is none.
func (r *logReader) listed() (int, error) {
	names, err := r.dir.Names()
	highest := -1
	for _, name := range names {
		if name == logName {
			highest = max(highest, 0)
		}
		if suffix, ok := strings.CutPrefix(name, logName+"."); ok {
			if n, err := strconv.Atoi(suffix); err == nil && n > 0 && rotated(n) == name {
				highest = max(highest, n)
			}
		}
	}
	return highest, err
}

// highest is the highest number that there is, from one on upwards and as far as
// another at least; -1 when there is none.
func (r *logReader) highest(from, to int) (int, error) {
	highest := -1
	for n := from; n <= max(to, from-1, highest)+holes; n++ {
		_, err := r.dir.StatAt(rotated(n), false)
		if err == nil {
			highest = n
		} else if !errors.Is(err, syscall.ENOENT) {
			return -1, err
		}
	}
	return highest, nil
}

// lowest is the lowest number that there is, from one on and below another; -1 when
// there is none.
func (r *logReader) lowest(from, below int) (int, error) {
	for n := from; n < below; n++ {
		if _, err := r.dir.StatAt(rotated(n), false); err == nil {
			return n, nil
		} else if !errors.Is(err, syscall.ENOENT) {
			return -1, err
		}
	}
	return -1, nil
}

// find returns the number of f.
func (r *logReader) find(f *logFile) (int, error) {
	for n, missing := f.number, 0; missing <= holes; n++ {
		st, err := r.dir.StatAt(rotated(n), false)
		switch {
		case errors.Is(err, syscall.ENOENT):
			missing++
		case err != nil:
			return 0, err
		case st.Same(f.st):
			f.number = n
			return n, nil
		default:
			missing = 0
		}
	}
	return 0, errNameless
}

// has says whether file number n is f.
func (r *logReader) has(f *logFile, n int) (bool, error) {
	st, err := r.dir.StatAt(rotated(n), false)
	if errors.Is(err, syscall.ENOENT) {
		return false, nil
	}
	return err == nil && st.Same(f.st), err
}

// below opens the file with the next lower number; nil when there is none.
func (r *logReader) below(number int) (*logFile, error) {
	for n := number - 1; n >= 0; n-- {
		if f, err := r.openNumber(n); err != nil || f != nil {
			return f, err
		}
	}
	return nil, nil
}

// openNumber opens file number n; nil when there is none.
func (r *logReader) openNumber(n int) (*logFile, error) {
	fd, err := r.dir.Open(rotated(n), sys.O_RDONLY|sys.O_NONBLOCK, 0)
	if errors.Is(err, syscall.ENOENT) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	st, err := fd.Stat()
	if err != nil {
		return nil, errors.Join(err, fd.Close())
	}
	return &logFile{fd: fd, st: st, number: n}, nil
}

func closeFiles(files []*logFile) {
	for _, f := range files {
		f.fd.Close()
	}
}
