//go:build !linux

package sys

func Mount(string, string, string, uintptr, string) error { return ErrNotLinux }
func Unmount(string, int) error                           { return ErrNotLinux }
func FsOpen(string) (*FD, error)                          { return nil, ErrNotLinux }
func (*FD) FsSet(string, string) error                    { return ErrNotLinux }
func (*FD) FsSetFlag(string) error                        { return ErrNotLinux }
func (*FD) FsSetFD(string, *FD) error                     { return ErrNotLinux }
func (*FD) FsCreate() error                               { return ErrNotLinux }
func (*FD) FsReconfigure() error                          { return ErrNotLinux }
func (*FD) FsMount(int) (*FD, error)                      { return nil, ErrNotLinux }
func (*FD) FsMessages() []string                          { return nil }
func (*FD) OpenTree(string, uint) (*FD, error)            { return nil, ErrNotLinux }
func (*FD) MoveMount(*FD, string, int) error              { return ErrNotLinux }
func (*FD) MountSetattr(string, uint, MountAttr) error    { return ErrNotLinux }
