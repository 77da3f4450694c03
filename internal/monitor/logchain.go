package monitor

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/coraclehq/coracle/internal/sys"
)

// A rotation gives every file the next higher number and takes the name away from
// the oldest:
//
//	log.1 -> log.2    log -> log.1    log is a new file
//
// So what was written after a file is in the one with the next lower number, at
// every moment, also in the middle of a rotation. A file that has lost its name has
// lost its place.

// tries bounds how often a rotation may come in between. Each costs the container a
// whole file of output.
const tries = 10000

// errNameless: the file has no name any more.
var errNameless = errors.New("the log is rotated faster than it can be opened")

// chain opens all files, from the oldest to the one that is written.
func (r *logReader) chain() ([]*logFile, error) {
	for range tries {
		numbers, err := r.numbers()
		if err != nil || len(numbers) == 0 {
			return nil, err
		}
		f, err := r.openNumber(numbers[len(numbers)-1])
		if errors.Is(err, syscall.ENOENT) {
			continue
		}
		if err != nil {
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
		numbers, err := r.numbers()
		if err != nil {
			return nil, err
		}
		at, err := r.numberOf(f, numbers)
		if err != nil || at == 0 {
			return nil, err
		}
		next, err := r.openNumber(numbers[max(at-1, 0)])
		if errors.Is(err, syscall.ENOENT) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if is, err := r.has(f, numbers[at]); err != nil || is {
			return next, err
		}
		next.fd.Close() // a rotation came in between
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
	if err == nil && len(r.files) == was && r.watch.changes()-mark == 1 {
		r.files = append(r.files, next)
		r.mark = mark + 1
		return true, nil
	}
	if err == nil {
		next.fd.Close()
	}
	rest, err := r.chain()
	if err != nil || len(rest) == 0 {
		return false, err
	}
	r.files = append(r.files, rest...)
	return true, ErrLogGap
}

// numbers are those of the files that there are, ascending; 0 is the one that is
// written.
func (r *logReader) numbers() ([]int, error) {
	names, err := r.dir.Names()
	if err != nil {
		return nil, err
	}
	var numbers []int
	for _, name := range names {
		if name == logName {
			numbers = append(numbers, 0)
		}
		if suffix, ok := strings.CutPrefix(name, logName+"."); ok {
			if n, err := strconv.Atoi(suffix); err == nil && n > 0 && rotated(n) == name {
				numbers = append(numbers, n)
			}
		}
	}
	slices.Sort(numbers)
	return numbers, nil
}

// numberOf returns the place of f among numbers.
func (r *logReader) numberOf(f *logFile, numbers []int) (int, error) {
	for i, n := range numbers {
		if is, err := r.has(f, n); err != nil || is {
			return i, err
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

func (r *logReader) openNumber(n int) (*logFile, error) {
	fd, err := r.dir.Open(rotated(n), sys.O_RDONLY|sys.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	st, err := fd.Stat()
	if err != nil {
		return nil, errors.Join(err, fd.Close())
	}
	return &logFile{fd: fd, st: st}, nil
}

func closeFiles(files []*logFile) {
	for _, f := range files {
		f.fd.Close()
	}
}
