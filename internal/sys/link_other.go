//go:build !linux

package sys

func LinkUp(string) error { return ErrNotLinux }
