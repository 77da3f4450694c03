package layer

import (
	"fmt"
	"strconv"
)

// FormatError says that a stream is not an acceptable layer: malformed,
// ambiguous, or asking for something that no honest layer asks for.
type FormatError struct {
	// Entry is the name of the entry as the archive has it, "" where the fault
	// lies outside of one. It is foreign text: print it quoted, as Error does.
	Entry string
	// Offset is the position of the entry's header in the uncompressed stream.
	Offset int64
	// Reason is a short phrase of ours.
	Reason string
	// Err is the cause, if there is one.
	Err error
}

func (e *FormatError) Error() string {
	s := "layer: "
	if e.Entry != "" {
		s += fmt.Sprintf("entry %s at offset %d: ", quote(e.Entry), e.Offset)
	}
	s += e.Reason
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *FormatError) Unwrap() error { return e.Err }

// quote makes foreign text harmless in a message or log: control bytes escaped,
// and not longer than a line or two.
func quote(s string) string {
	const most = 160
	if len(s) > most {
		return strconv.QuoteToASCII(s[:most]) + "..."
	}
	return strconv.QuoteToASCII(s)
}

func formatErr(reason string, args ...any) *FormatError {
	return &FormatError{Reason: fmt.Sprintf(reason, args...)}
}
