package compile

import (
	"errors"
	"fmt"
	"strings"
)

// SpecError is a field of a spec that cannot be compiled.
type SpecError struct {
	// Pointer is the JSON pointer (RFC 6901) of the field: /mounts/3/options/0.
	Pointer string

	// Err says what is wrong. It is or wraps [errors.ErrUnsupported] when the field
	// is valid but there is no support for it: in this package, or
	// (*probe.UnsupportedError) in the kernel.
	Err error
}

func (e *SpecError) Error() string { return "spec " + e.Pointer + ": " + e.Err.Error() }

// Unwrap returns what is wrong.
func (e *SpecError) Unwrap() error { return e.Err }

// invalid is a SpecError for a field that has no meaning.
func invalid(pointer, format string, args ...any) error {
	return &SpecError{pointer, fmt.Errorf(format, args...)}
}

// unsupported is a SpecError for a field that has a meaning, but no support.
func unsupported(pointer, what string) error {
	return &SpecError{pointer, fmt.Errorf("%s: %w", what, errors.ErrUnsupported)}
}

// at makes the JSON pointer of a place: strings as they are, numbers as indices.
func at(tokens ...any) string {
	var s strings.Builder
	for _, t := range tokens {
		s.WriteByte('/')
		s.WriteString(strings.ReplaceAll(strings.ReplaceAll(fmt.Sprint(t), "~", "~0"), "/", "~1"))
	}
	return s.String()
}
