package supervisor

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// The exit record, as it stands in containers/<id>/exit and is sent to the host,
// in the byte order of the machine (little endian on all that Coracle runs on):
//
//	+0    "crlexit1"
//	+8    siginfo_t of waitid(2), 128 bytes
//	+136  struct rusage, 144 bytes
//	+280  time of the end: seconds, nanoseconds
//	+296  the memory cgroup's events as the kernel prints them, padded with NUL
const (
	recordMagic = "crlexit1"
	recordInfo  = 8
	recordUsage = recordInfo + 128
	recordTime  = recordUsage + 144
	recordText  = recordTime + 16

	// RecordSize is the length of an exit record in bytes.
	RecordSize = 512
)

// Values of si_code; see sigaction(2).
const (
	codeExited = 1
	codeKilled = 2
	codeDumped = 3
)

// Exit is how a process ended.
type Exit struct {
	Code       int            // exit code; 128 + Signal when a signal ended it
	Signal     syscall.Signal // 0: it exited by itself
	CoreDumped bool
	OOMKilled  bool // the kernel killed a process of the cgroup for its memory limit
	Lost       bool // nobody saw the end: the supervisor was killed, or the machine went down
	Finished   time.Time

	UserTime, SystemTime time.Duration // of the process and the children that it waited for
	MaxRSS               int64         // bytes, of the largest of them
}

// ParseExit reads an exit record.
func ParseExit(b []byte) (Exit, error) {
	if len(b) != RecordSize || string(b[:len(recordMagic)]) != recordMagic {
		return Exit{}, fmt.Errorf("exit record of %d bytes is damaged", len(b))
	}
	le := binary.LittleEndian
	e := Exit{Finished: time.Unix(int64(le.Uint64(b[recordTime:])), int64(le.Uint64(b[recordTime+8:])))}
	timeval := func(at int) time.Duration {
		return time.Duration(le.Uint64(b[at:]))*time.Second + time.Duration(le.Uint64(b[at+8:]))*time.Microsecond
	}
	e.UserTime, e.SystemTime = timeval(recordUsage), timeval(recordUsage+16)
	e.MaxRSS = int64(le.Uint64(b[recordUsage+32:])) << 10
	status := int(int32(le.Uint32(b[recordInfo+24:])))
	switch code := le.Uint32(b[recordInfo+8:]); code {
	case codeExited:
		e.Code = status
	case codeKilled, codeDumped:
		e.Signal, e.Code, e.CoreDumped = syscall.Signal(status), 128+status, code == codeDumped
	default:
		e.Lost, e.Code = true, 137
	}
	e.OOMKilled = oomKills(strings.TrimRight(string(b[recordText:]), "\x00")) > 0
	return e, nil
}

// LostExit is the record of an end that nobody saw.
func LostExit(now time.Time) []byte {
	b := make([]byte, RecordSize)
	copy(b, recordMagic)
	binary.LittleEndian.PutUint64(b[recordTime:], uint64(now.Unix()))
	binary.LittleEndian.PutUint64(b[recordTime+8:], uint64(now.Nanosecond()))
	return b
}

// oomKills reads the count of memory.events (v2) or memory.oom_control (v1, from
// 4.13 on), which both have a line "oom_kill N".
func oomKills(events string) int {
	for line := range strings.Lines(events) {
		if n, ok := strings.CutPrefix(strings.TrimSpace(line), "oom_kill "); ok {
			if count, err := strconv.Atoi(n); err == nil {
				return count
			}
		}
	}
	return 0
}
