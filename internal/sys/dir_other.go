//go:build !linux

package sys

func (*FD) Mkdir(string, uint32) error                { return ErrNotLinux }
func (*FD) MkdirAll(string, uint32) (*FD, error)      { return nil, ErrNotLinux }
func (*FD) Unlink(string) error                       { return ErrNotLinux }
func (*FD) Rmdir(string) error                        { return ErrNotLinux }
func (*FD) Rename(string, *FD, string) error          { return ErrNotLinux }
func (*FD) RenameNoReplace(string, *FD, string) error { return ErrNotLinux }
func (*FD) Exchange(string, *FD, string) error        { return ErrNotLinux }
func (*FD) Symlink(string, string) error              { return ErrNotLinux }
func (*FD) Readlink(string) (string, error)           { return "", ErrNotLinux }
func (*FD) Link(string, *FD, string) error            { return ErrNotLinux }
func (*FD) LinkFD(*FD, string) error                  { return ErrNotLinux }
func (*FD) Mknod(string, uint32, uint64) error        { return ErrNotLinux }
func (*FD) Names() ([]string, error)                  { return nil, ErrNotLinux }
