package sys

import (
	"bytes"
	"encoding/binary"
)

// InotifyEvent is one event of inotify(7). Watch is the number that AddWatch
// returned, -1 with IN_Q_OVERFLOW, which says that events were lost.
type InotifyEvent struct {
	Watch  int32
	Mask   uint32
	Cookie uint32
	Name   string
}

// ParseInotify splits what was read from an inotify descriptor. An incomplete
// last event is left out; the kernel writes none.
func ParseInotify(b []byte) (events []InotifyEvent) {
	const header = 16
	for len(b) >= header {
		ev := InotifyEvent{
			Watch:  int32(binary.NativeEndian.Uint32(b)),
			Mask:   binary.NativeEndian.Uint32(b[4:]),
			Cookie: binary.NativeEndian.Uint32(b[8:]),
		}
		n := binary.NativeEndian.Uint32(b[12:])
		b = b[header:]
		if uint64(n) > uint64(len(b)) {
			break
		}
		name, _, _ := bytes.Cut(b[:n], []byte{0})
		ev.Name = string(name)
		events = append(events, ev)
		b = b[n:]
	}
	return events
}
