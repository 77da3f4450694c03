//go:build !linux

package sys

func (*FD) TryLock(bool) (bool, error) { return false, ErrNotLinux }
func (*FD) Unlock() error              { return ErrNotLinux }
