//go:build !linux

package sys

func (*FD) Termios() (Termios, error)  { return Termios{}, ErrNotLinux }
func (*FD) SetTermios(Termios) error   { return ErrNotLinux }
func (*FD) IsTerminal() bool           { return false }
func (*FD) Winsize() (Winsize, error)  { return Winsize{}, ErrNotLinux }
func (*FD) SetWinsize(Winsize) error   { return ErrNotLinux }
func OpenPTY(string) (*FD, *FD, error) { return nil, nil, ErrNotLinux }
func (*FD) PTYPeer() (*FD, error)      { return nil, ErrNotLinux }
func (*FD) PTYNumber() (int, error)    { return 0, ErrNotLinux }
