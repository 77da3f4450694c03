package sys

import "errors"

// AsidePrefix begins the names that WriteFile writes to before the rename.
const AsidePrefix = ".tmp-"

// ErrTooLarge is returned by ReadFile for a file above the limit.
var ErrTooLarge = errors.New("file is larger than allowed")

// ErrNotRegular is returned by ReadFile for what is not a regular file.
var ErrNotRegular = errors.New("not a regular file")
