//go:build !linux

package union

import "github.com/coraclehq/coracle/internal/sys"

func viewMounted(*sys.FD, []string) (*sys.FD, error) { return nil, sys.ErrNotLinux }
