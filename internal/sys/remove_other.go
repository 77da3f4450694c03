//go:build !linux

package sys

func (*FD) RemoveAll(string) error { return ErrNotLinux }
