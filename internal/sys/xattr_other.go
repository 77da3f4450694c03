//go:build !linux

package sys

func (*FD) Xattr(string) ([]byte, error)                 { return nil, ErrNotLinux }
func (*FD) XattrAt(string, string) ([]byte, error)       { return nil, ErrNotLinux }
func (*FD) SetXattr(string, []byte, int) error           { return ErrNotLinux }
func (*FD) SetXattrAt(string, string, []byte, int) error { return ErrNotLinux }
func (*FD) RemoveXattr(string) error                     { return ErrNotLinux }
func (*FD) Xattrs() ([]string, error)                    { return nil, ErrNotLinux }
func (*FD) XattrsAt(string) ([]string, error)            { return nil, ErrNotLinux }
