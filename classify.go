package coracle

import (
	"errors"

	"github.com/coraclehq/coracle/internal/archive"
	"github.com/coraclehq/coracle/internal/layer"
	"github.com/coraclehq/coracle/internal/store"
	"github.com/coraclehq/coracle/internal/sys"
)

// kinded is an error that is also a sentinel, without a word more in its text.
type kinded struct{ err, kind error }

func (k kinded) Error() string   { return k.err.Error() }
func (k kinded) Unwrap() []error { return []error{k.err, k.kind} }

// classify gives errors of archives and layers, which come from outside, the
// sentinels that callers test for.
func classify(err error) error {
	var (
		format   *layer.FormatError
		limit    *layer.LimitError
		platform *archive.PlatformError
	)
	switch {
	case err == nil, errors.Is(err, ErrInvalid), errors.Is(err, ErrNoSpace):
		return err
	case errors.Is(err, sys.ENOSPC), errors.Is(err, sys.EDQUOT):
		return kinded{err, ErrNoSpace}
	case errors.As(err, &platform):
		return &UnsupportedError{Feature: "an image for other platforms", Err: err}
	case errors.Is(err, archive.ErrInvalid), errors.Is(err, store.ErrMismatch), errors.As(err, &format), errors.As(err, &limit):
		return kinded{err, ErrInvalid}
	}
	return err
}
