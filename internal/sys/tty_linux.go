package sys

import "golang.org/x/sys/unix"

// Termios returns the settings of terminal d; ENOTTY if it is none.
func (d *FD) Termios() (Termios, error) {
	var t *unix.Termios
	err := call("ioctl TCGETS", d.Name(), func() (err error) {
		t, err = unix.IoctlGetTermios(d.Int(), TCGETS)
		return err
	})
	if err != nil {
		return Termios{}, err
	}
	return Termios{
		Iflag: t.Iflag, Oflag: t.Oflag, Cflag: t.Cflag, Lflag: t.Lflag,
		Line: t.Line, Cc: t.Cc, Ispeed: t.Ispeed, Ospeed: t.Ospeed,
	}, nil
}

// SetTermios changes the settings of terminal d at once.
func (d *FD) SetTermios(t Termios) error {
	u := unix.Termios{
		Iflag: t.Iflag, Oflag: t.Oflag, Cflag: t.Cflag, Lflag: t.Lflag,
		Line: t.Line, Cc: t.Cc, Ispeed: t.Ispeed, Ospeed: t.Ospeed,
	}
	return call("ioctl TCSETS", d.Name(), func() error { return unix.IoctlSetTermios(d.Int(), TCSETS, &u) })
}

// IsTerminal says whether d is a terminal.
func (d *FD) IsTerminal() bool {
	_, err := unix.IoctlGetTermios(d.Int(), TCGETS)
	return err == nil
}

// Winsize returns the size of terminal d.
func (d *FD) Winsize() (Winsize, error) {
	var w *unix.Winsize
	err := call("ioctl TIOCGWINSZ", d.Name(), func() (err error) {
		w, err = unix.IoctlGetWinsize(d.Int(), TIOCGWINSZ)
		return err
	})
	if err != nil {
		return Winsize{}, err
	}
	return Winsize(*w), nil
}

// SetWinsize sets the size of terminal d; the foreground processes get SIGWINCH
// if it changed.
func (d *FD) SetWinsize(w Winsize) error {
	u := unix.Winsize(w)
	return call("ioctl TIOCSWINSZ", d.Name(), func() error { return unix.IoctlSetWinsize(d.Int(), TIOCSWINSZ, &u) })
}

// OpenPTY makes a pseudoterminal of the devpts instance behind ptmx, a path or
// "/dev/ptmx", and returns both ends, neither of which becomes a controlling
// terminal.
func OpenPTY(ptmx string) (master, peer *FD, err error) {
	master, err = Open(ptmx, O_RDWR|O_NOCTTY, 0)
	if err != nil {
		return nil, nil, err
	}
	peer, err = master.ptyPeer()
	if err != nil {
		master.Close()
		return nil, nil, err
	}
	return master, peer, nil
}

func (d *FD) ptyPeer() (*FD, error) {
	err := call("ioctl TIOCSPTLCK", d.Name(), func() error {
		return unix.IoctlSetPointerInt(d.Int(), TIOCSPTLCK, 0)
	})
	if err != nil {
		return nil, err
	}
	return d.PTYPeer()
}

// PTYPeer opens the other end of the master d without any path, so that nothing
// mounted or linked over /dev/pts can stand in for it (Linux 4.13).
func (d *FD) PTYPeer() (*FD, error) {
	return callFD("ioctl TIOCGPTPEER", d.Name(), func() (int, error) {
		n, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(d.Int()), TIOCGPTPEER, O_RDWR|O_NOCTTY|O_CLOEXEC)
		if errno != 0 {
			return -1, errno
		}
		return int(n), nil
	})
}

// PTYNumber returns the N of the peer's name /dev/pts/N.
func (d *FD) PTYNumber() (int, error) {
	var n uint32
	err := call("ioctl TIOCGPTN", d.Name(), func() (err error) {
		n, err = unix.IoctlGetUint32(d.Int(), TIOCGPTN)
		return err
	})
	return int(n), err
}
