//go:build !linux

package sys

func (*FD) Read([]byte) (int, error)                      { return 0, ErrNotLinux }
func (*FD) ReadAt([]byte, int64) (int, error)             { return 0, ErrNotLinux }
func (*FD) Write([]byte) (int, error)                     { return 0, ErrNotLinux }
func (*FD) WriteAt([]byte, int64) (int, error)            { return 0, ErrNotLinux }
func (*FD) Seek(int64, int) (int64, error)                { return 0, ErrNotLinux }
func (*FD) Truncate(int64) error                          { return ErrNotLinux }
func (*FD) Allocate(uint32, int64, int64) error           { return ErrNotLinux }
func (*FD) Sync() error                                   { return ErrNotLinux }
func (*FD) SyncFS() error                                 { return ErrNotLinux }
func (*FD) Clone(*FD) error                               { return ErrNotLinux }
func (*FD) CopyRange(int64, *FD, int64, int) (int, error) { return 0, ErrNotLinux }
func (*FD) ShutdownFS(bool) error                         { return ErrNotLinux }
