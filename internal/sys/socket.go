package sys

import "errors"

// Ucred is the process at the other end of a Unix socket, as it was when it
// connected or listened.
type Ucred struct {
	PID      int32
	UID, GID uint32
}

// MaxFDs is the most descriptors that one message carries (SCM_MAX_FD).
const MaxFDs = 253

// ErrTruncated is returned by RecvFDs for a message with more data or descriptors
// than the caller was ready to take; what had arrived was closed.
var ErrTruncated = errors.New("message was cut short")
