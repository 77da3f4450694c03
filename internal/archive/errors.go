package archive

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	digest "github.com/opencontainers/go-digest"
	imagespec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Errors that say what a caller may do about them. They are wrapped: use
// errors.Is.
var (
	// ErrInvalid is matched by every error that comes from the bytes of the
	// archive: a document that breaks its format or can be understood in two
	// ways, a digest or size that does not match, a limit exceeded. Reading
	// the same bytes again gives the same error.
	ErrInvalid = errors.New("invalid image")

	// ErrMissing is matched where an archive does not contain what its
	// documents name. It is also ErrInvalid.
	ErrMissing = errors.New("not in the archive")
)

// A DocumentError says which value of which document is refused, and why.
// It matches ErrInvalid.
type DocumentError struct {
	Document string // "index.json", or kind and digest: "manifest sha256:..."
	Pointer  string // the value, as a JSON pointer (RFC 6901); empty for the whole document
	Err      error
}

func (e *DocumentError) Error() string {
	if e.Pointer == "" {
		return shown(e.Document) + ": " + e.Err.Error()
	}
	return shown(e.Document) + ": " + e.Pointer + ": " + e.Err.Error()
}

func (e *DocumentError) Unwrap() error { return e.Err }

// Is makes the error match ErrInvalid.
func (e *DocumentError) Is(target error) bool { return target == ErrInvalid }

// A LimitError names the limit of [Limits] that an archive exceeds. It matches
// ErrInvalid.
type LimitError struct {
	Limit string // the field of Limits: "Bytes", or a fixed one: "document size"
	Max   int64
	Name  string // where: an entry of the archive or a document
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("%s: more than the %s limit of %d", shown(e.Name), e.Limit, e.Max)
}

// Is makes the error match ErrInvalid.
func (e *LimitError) Is(target error) bool { return target == ErrInvalid }

// A MismatchError says that content is not what was announced. It matches
// ErrInvalid.
type MismatchError struct {
	Name      string // the content
	What      string // "digest", "size" or "diffID"
	Got, Want string
}

func (e *MismatchError) Error() string {
	return fmt.Sprintf("%s: %s is %s, not %s", shown(e.Name), e.What, e.Got, e.Want)
}

// Is makes the error match ErrInvalid.
func (e *MismatchError) Is(target error) bool { return target == ErrInvalid }

// A PlatformError says that an archive holds no image for a platform. The
// archive itself may be sound: it does not match ErrInvalid.
type PlatformError struct {
	Want imagespec.Platform
	Have []imagespec.Platform // what the archive holds; may be empty
}

func (e *PlatformError) Error() string {
	const most = 20
	var have []string
	for i, p := range e.Have {
		if i == most {
			have = append(have, "...")
			break
		}
		have = append(have, platformString(p))
	}
	if len(have) == 0 {
		return "no image for " + platformString(e.Want)
	}
	return "no image for " + platformString(e.Want) + ", only for " + strings.Join(have, ", ")
}

// invalid is an error about the bytes of an archive outside of any document.
type invalid struct{ err error }

func invalidf(format string, args ...any) error { return &invalid{fmt.Errorf(format, args...)} }

func (e *invalid) Error() string        { return e.err.Error() }
func (e *invalid) Unwrap() error        { return e.err }
func (e *invalid) Is(target error) bool { return target == ErrInvalid }

// missing says that a named file is not in the archive.
func missing(name string) error { return invalidf("%s: %w", shown(name), ErrMissing) }

func wrongSize(name string, got, want int64) error {
	return &MismatchError{Name: name, What: "size", Got: strconv.FormatInt(got, 10), Want: strconv.FormatInt(want, 10)}
}

func wrongDigest(name string, got, want digest.Digest) error {
	return &MismatchError{Name: name, What: "digest", Got: got.String(), Want: want.String()}
}

// quote makes a string of a foreign document fit for an error message: escaped,
// and not longer than a line.
func quote(s string) string {
	const longest = 100
	if len(s) > longest {
		return strconv.Quote(s[:longest]) + "..."
	}
	return strconv.Quote(s)
}

// shown is the name of a file as it is, or quoted where it would do harm in an
// error message.
func shown(name string) string {
	q := quote(name)
	if q == `"`+name+`"` {
		return name
	}
	return q
}
