//go:build !linux

package sys

func OnThread(func() error) error { return ErrNotLinux }
