//go:build !linux

package sys

import "time"

func PidfdOpen(int, int) (*FD, error)                     { return nil, ErrNotLinux }
func (*FD) PidfdSignal(int) error                         { return ErrNotLinux }
func (*FD) PidfdGet(int) (*FD, error)                     { return nil, ErrNotLinux }
func (*FD) PidfdWait(int) (Exit, error)                   { return Exit{}, ErrNotLinux }
func Poll([]PollFD, time.Duration) (int, error)           { return 0, ErrNotLinux }
func Prlimit(int, int, *Rlimit) (Rlimit, error)           { return Rlimit{}, ErrNotLinux }
func Capget(int) (Capabilities, error)                    { return Capabilities{}, ErrNotLinux }
func Prctl(int, uintptr, uintptr, uintptr, uintptr) error { return ErrNotLinux }
func Unshare(int) error                                   { return ErrNotLinux }
func Setns(*FD, int) error                                { return ErrNotLinux }
func Gettid() int                                         { return 0 }
func Uname() (string, string, error)                      { return "", "", ErrNotLinux }
