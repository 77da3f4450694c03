//go:build !linux

package sys

func (*FD) ReadFile(string, int64) ([]byte, error)       { return nil, ErrNotLinux }
func (*FD) ReadWhole(int64) ([]byte, error)              { return nil, ErrNotLinux }
func (*FD) WriteFile(string, []byte, uint32, bool) error { return ErrNotLinux }
