//go:build !linux

package sys

func Inotify() (*FD, error)                   { return nil, ErrNotLinux }
func (*FD) AddWatch(*FD, uint32) (int, error) { return 0, ErrNotLinux }
func (*FD) RemoveWatch(int) error             { return ErrNotLinux }
