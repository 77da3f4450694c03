//go:build !linux

package sys

func (*FD) Stat() (Stat, error)               { return Stat{}, ErrNotLinux }
func (*FD) StatAt(string, bool) (Stat, error) { return Stat{}, ErrNotLinux }
func (*FD) Statfs() (Statfs, error)           { return Statfs{}, ErrNotLinux }
func (*FD) MountID() (uint64, error)          { return 0, ErrNotLinux }
