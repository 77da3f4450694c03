package sys

// Winsize is the size of a terminal in characters and in pixels, which are mostly
// 0.
type Winsize struct{ Row, Col, Xpixel, Ypixel uint16 }

// Termios are the settings of a terminal, termios(3).
type Termios struct {
	Iflag, Oflag, Cflag, Lflag uint32
	Line                       uint8
	Cc                         [19]uint8
	Ispeed, Ospeed             uint32
}

// Raw returns the settings that cfmakeraw(3) makes: bytes pass as they are, one
// at a time.
func (t Termios) Raw() Termios {
	t.Iflag &^= IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON
	t.Oflag &^= OPOST
	t.Lflag &^= ECHO | ECHONL | ICANON | ISIG | IEXTEN
	t.Cflag &^= CSIZE | PARENB
	t.Cflag |= CS8
	t.Cc[VMIN], t.Cc[VTIME] = 1, 0
	return t
}
