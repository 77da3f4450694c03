//go:build !linux

package sys

// LoadSeccomp is there on Linux only.
func LoadSeccomp(filter []byte, flags uint32) (*FD, error) { return nil, ErrNotLinux }
