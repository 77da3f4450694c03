//go:build !linux

package cgroup

import (
	"io"

	"github.com/coraclehq/coracle/internal/sys"
)

func mounts(io.Reader) ([]mount, error) { return nil, sys.ErrNotLinux }
