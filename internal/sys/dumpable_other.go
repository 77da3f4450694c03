//go:build !linux

package sys

func Dumpable() (int, error) { return 0, ErrNotLinux }
