//go:build !linux

package sys

import "time"

func (*FD) Chmod(uint32) error                          { return ErrNotLinux }
func (*FD) ChmodAt(string, uint32) error                { return ErrNotLinux }
func (*FD) Chown(int, int) error                        { return ErrNotLinux }
func (*FD) ChownAt(string, int, int) error              { return ErrNotLinux }
func (*FD) Utimes(time.Time, time.Time) error           { return ErrNotLinux }
func (*FD) UtimesAt(string, time.Time, time.Time) error { return ErrNotLinux }
