//go:build !linux

package sys

func MemfdCreate(string, int) (*FD, error)           { return nil, ErrNotLinux }
func (*FD) Seal(int) error                           { return ErrNotLinux }
func (*FD) Seals() (int, error)                      { return 0, ErrNotLinux }
func Mmap(*FD, int64, int, int, int) ([]byte, error) { return nil, ErrNotLinux }
func Munmap([]byte) error                            { return ErrNotLinux }
