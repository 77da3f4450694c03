//go:build !linux

package namespace

import "github.com/coraclehq/coracle/internal/sys"

// Do needs Linux.
func Do(*sys.FD, func() error) error { return sys.ErrNotLinux }

func enter(*sys.FD) error { return sys.ErrNotLinux }

func here() (*sys.FD, error) { return nil, sys.ErrNotLinux }

func unshareNet() (*sys.FD, error) { return nil, sys.ErrNotLinux }
