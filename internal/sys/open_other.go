//go:build !linux

package sys

func Open(string, int, uint32) (*FD, error)                      { return nil, ErrNotLinux }
func (*FD) Open(string, int, uint32) (*FD, error)                { return nil, ErrNotLinux }
func (*FD) OpenInRoot(string, int, uint32) (*FD, error)          { return nil, ErrNotLinux }
func (*FD) OpenBeneath(string, int, uint32, uint64) (*FD, error) { return nil, ErrNotLinux }
func (*FD) Dup() (*FD, error)                                    { return nil, ErrNotLinux }
func MoveAbove(*FD, int) (*FD, error)                            { return nil, ErrNotLinux }
func (*FD) Reopen(int) (*FD, error)                              { return nil, ErrNotLinux }
func (*FD) SetNonblock(bool) error                               { return ErrNotLinux }
