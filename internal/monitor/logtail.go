package monitor

import (
	"bytes"
	"errors"
	"io"
	"slices"

	"github.com/coraclehq/coracle/internal/supervisor"
)

// tail makes reading begin with the last n lines. Lines of the two streams may be
// mixed and lie in several records: those are the last whose ends come last.
func (r *logReader) tail(n int) error {
	// The youngest file mostly suffices; else twice as many are looked at.
	for count := 1; len(r.files) > 0; count *= 2 {
		first := max(len(r.files)-count, 0)
		s := &lineScan{most: n, whole: first == 0}
		for i, f := range r.files[first:] {
			if err := s.scan(i, f, r.inTime); err != nil {
				return err
			}
		}
		from, ok := s.starts()
		if !ok {
			continue
		}
		closeFiles(r.files[:first])
		r.files = r.files[first:]
		r.skipTo(from)
		return nil
	}
	return nil
}

// skipTo begins each stream at its place.
func (r *logReader) skipTo(from [streams]lineEnd) {
	for s, start := range from {
		for i, f := range r.files {
			switch {
			case i < start.file:
				f.from[s] = nowhere
			case i == start.file:
				f.from[s] = start.behind
			}
		}
	}
	unwanted := min(from[supervisor.Stdout].file, from[supervisor.Stderr].file)
	closeFiles(r.files[:unwanted])
	r.files = r.files[unwanted:]
}

// streams is the number of streams and one more, as they are numbered from 1.
const streams = supervisor.Stderr + 1

// lineEnd is where a line ends.
type lineEnd struct {
	order  int // among all lines
	file   int
	behind place
}

// lineScan finds where lines end.
type lineScan struct {
	most  int
	whole bool // it began with the oldest file

	ends   [streams][]lineEnd // the last ones, in order
	open   [streams]bool      // there is something behind the last one
	bottom lineEnd            // of all that was looked at
}

// scan looks at a file. What is damaged ends it.
func (s *lineScan) scan(number int, file *logFile, want func(supervisor.LogRecord) bool) error {
	f := &logFile{fd: file.fd}
	for {
		record, data, err := f.peek()
		if errors.Is(err, io.EOF) || errors.Is(err, supervisor.ErrDamaged) {
			return nil
		}
		if err != nil {
			return err
		}
		if want(record) {
			s.record(number, f.at, record.Stream, data)
		}
		f.pass(len(data))
		s.bottom = lineEnd{s.bottom.order + 1, number, place{at: f.at}}
	}
}

func (s *lineScan) record(file int, at int64, stream int, data []byte) {
	next := at + supervisor.LogHeaderSize + int64(len(data))
	for cut := 0; cut < len(data); {
		n := bytes.IndexByte(data[cut:], '\n')
		s.open[stream] = n < 0
		if n < 0 {
			return
		}
		cut += n + 1
		behind := place{at, cut}
		if cut == len(data) {
			behind = place{at: next}
		}
		s.bottom.order++
		s.add(stream, lineEnd{s.bottom.order, file, behind})
	}
}

// add keeps one more than are wanted: where the first wanted line begins is where
// the one before it ends.
func (s *lineScan) add(stream int, e lineEnd) {
	kept := append(s.ends[stream], e)
	if len(kept)/2 > s.most {
		kept = slices.Delete(kept, 0, len(kept)-s.most-1)
	}
	s.ends[stream] = kept
}

// starts returns where the last lines of each stream begin; false when older files
// are needed to know.
func (s *lineScan) starts() (from [streams]lineEnd, ok bool) {
	ends := s.ends
	for stream, open := range s.open {
		if open { // an unfinished line ends where everything does
			ends[stream] = append(slices.Clone(ends[stream]), s.bottom)
		}
	}
	left := [streams]int{}
	for stream := range ends {
		left[stream] = len(ends[stream])
	}
	for range s.most {
		youngest := 0
		for stream, n := range left {
			if n > 0 && (youngest == 0 || ends[stream][n-1].order > ends[youngest][left[youngest]-1].order) {
				youngest = stream
			}
		}
		if youngest == 0 {
			break // there are fewer
		}
		left[youngest]--
	}
	for stream := range from {
		switch {
		case left[stream] == len(ends[stream]): // not one line of it
			from[stream] = s.bottom
		case left[stream] > 0:
			from[stream] = ends[stream][left[stream]-1]
		case !s.whole:
			return from, false
		}
	}
	return from, s.whole || s.enough(left)
}

// enough says whether all the wanted lines were found.
func (s *lineScan) enough(left [streams]int) bool {
	return s.most == 0 || left[supervisor.Stdout]+left[supervisor.Stderr] > 0
}
