//go:build !linux

package sys

func (*FD) Pending() (int, error) { return 0, ErrNotLinux }
