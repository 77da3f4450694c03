//go:build !linux

package sys

// PidfdPID returns ErrNotLinux.
func (*FD) PidfdPID() (int, error) { return 0, ErrNotLinux }

// IgnoredSignals returns none.
func IgnoredSignals() []int { return nil }
