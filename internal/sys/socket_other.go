//go:build !linux

package sys

func Pipe(int) (*FD, *FD, error)                     { return nil, nil, ErrNotLinux }
func SocketPair(int) (*FD, *FD, error)               { return nil, nil, ErrNotLinux }
func Socket(int, int, int) (*FD, error)              { return nil, ErrNotLinux }
func (*FD) ListenUnix(string, int, int) (*FD, error) { return nil, ErrNotLinux }
func (*FD) ConnectUnix(string, int) (*FD, error)     { return nil, ErrNotLinux }
func (*FD) Accept(int) (*FD, error)                  { return nil, ErrNotLinux }
func (*FD) ShutdownSocket(int) error                 { return ErrNotLinux }
func (*FD) PeerCred() (Ucred, error)                 { return Ucred{}, ErrNotLinux }
func (*FD) SendFDs([]byte, ...*FD) error             { return ErrNotLinux }
func (*FD) RecvFDs([]byte, int) (int, []*FD, error)  { return 0, nil, ErrNotLinux }
