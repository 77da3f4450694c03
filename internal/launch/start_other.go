//go:build !linux || (!amd64 && !arm64)

package launch

import (
	"github.com/coraclehq/coracle/internal/script"
	"github.com/coraclehq/coracle/internal/sys"
)

// Launcher starts helpers, on Linux with amd64 or arm64 only.
type Launcher struct{}

// Helper is a started helper process.
type Helper struct {
	PID   int
	PIDFD *sys.FD
}

// Start returns sys.ErrNotLinux.
func (*Launcher) Start(Options) (*Helper, error) { return nil, sys.ErrNotLinux }

// Close does nothing.
func (*Launcher) Close() error { return nil }

// Failure returns nil.
func (*Helper) Failure([]byte) *script.Error { return nil }

// Release does nothing.
func (*Helper) Release() error { return nil }
