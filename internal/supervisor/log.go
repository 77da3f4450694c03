package supervisor

import (
	"encoding/binary"
	"errors"
	"time"
)

// The log is a sequence of records, each written by one writev:
//
//	+0   time: seconds, nanoseconds, 64 bits each
//	+16  stream, 32 bits: 1 stdout or a terminal, 2 stderr
//	+20  length of the data, 32 bits, 1 to LogBuffer
//	+24  the data, as the container wrote it
//
// A file is never torn in the middle: a record that could not be written whole is
// cut off again. When `log` has grown past its limit it becomes `log.1`, `log.1`
// becomes `log.2`, and so on.
const (
	LogHeaderSize = 24
	LogBuffer     = 64 << 10 // bytes, the longest record

	// MaxLog is the most that one file of a log has, in bytes, and one record more:
	// a supervisor counts in 32 bits.
	MaxLog = 1 << 31

	Stdout = 1
	Stderr = 2
)

// LogRecord is one record of a log.
type LogRecord struct {
	Time   time.Time
	Stream int
	Data   []byte
}

// ErrDamaged is returned for bytes that cannot be a record's header.
var ErrDamaged = errors.New("damaged log record")

// ParseLogHeader reads the header of a record and returns the length of its data.
func ParseLogHeader(b []byte) (r LogRecord, length int, err error) {
	le := binary.LittleEndian
	sec, nsec := int64(le.Uint64(b)), int64(le.Uint64(b[8:]))
	stream, n := le.Uint32(b[16:]), le.Uint32(b[20:])
	if (stream != Stdout && stream != Stderr) || n == 0 || n > LogBuffer || nsec < 0 || nsec >= 1e9 {
		return LogRecord{}, 0, ErrDamaged
	}
	return LogRecord{Time: time.Unix(sec, nsec), Stream: int(stream)}, int(n), nil
}

// AppendLogHeader appends the header of a record to b.
func AppendLogHeader(b []byte, r LogRecord) []byte {
	le := binary.LittleEndian
	b = le.AppendUint64(b, uint64(r.Time.Unix()))
	b = le.AppendUint64(b, uint64(r.Time.Nanosecond()))
	b = le.AppendUint32(b, uint32(r.Stream))
	return le.AppendUint32(b, uint32(len(r.Data)))
}
