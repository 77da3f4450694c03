package main

import (
	"os"
	"os/signal"
	"syscall"
	"unsafe"

	"github.com/coraclehq/coracle"
)

// passedOn are the signals that a process in the foreground gets when this program
// does. One that is ignored here, by nohup(1) say, stays ignored.
func passedOn() (all []os.Signal) {
	for _, s := range []os.Signal{
		syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGPIPE,
	} {
		if !signal.Ignored(s) {
			all = append(all, s)
		}
	}
	return all
}

func ioctl(f *os.File, request uintptr, arg unsafe.Pointer) error {
	_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), request, uintptr(arg))
	if errno != 0 {
		return os.NewSyscallError("ioctl "+f.Name(), errno)
	}
	return nil
}

func isTerminal(f *os.File) bool {
	var t syscall.Termios
	return ioctl(f, syscall.TCGETS, unsafe.Pointer(&t)) == nil
}

// makeRaw makes a terminal hand on every byte as it comes, as cfmakeraw(3) does.
// restore makes it what it was.
func makeRaw(f *os.File) (restore func(), err error) {
	var before syscall.Termios
	if err := ioctl(f, syscall.TCGETS, unsafe.Pointer(&before)); err != nil {
		return nil, err
	}
	t := before
	t.Iflag &^= syscall.IGNBRK | syscall.BRKINT | syscall.PARMRK | syscall.ISTRIP | syscall.INLCR | syscall.IGNCR | syscall.ICRNL | syscall.IXON
	t.Oflag &^= syscall.OPOST
	t.Lflag &^= syscall.ECHO | syscall.ECHONL | syscall.ICANON | syscall.ISIG | syscall.IEXTEN
	t.Cflag = t.Cflag&^(syscall.CSIZE|syscall.PARENB) | syscall.CS8
	t.Cc[syscall.VMIN], t.Cc[syscall.VTIME] = 1, 0
	set := func(t *syscall.Termios) error { return ioctl(f, syscall.TCSETS, unsafe.Pointer(t)) }
	if err := set(&t); err != nil {
		return nil, err
	}
	// A shell that had stopped this program has made the terminal its own meanwhile.
	continued := make(chan os.Signal, 1)
	signal.Notify(continued, syscall.SIGCONT)
	done := make(chan struct{})
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-continued:
				set(&t)
			case <-done:
				return
			}
		}
	}()
	return func() {
		signal.Stop(continued)
		close(done)
		<-stopped
		signal.Ignore(syscall.SIGTTOU) // in the background it would stop us here
		set(&before)
	}, nil
}

// windowSizes brings the size of the window now and each time that it changes, and
// when this program continues, which may have missed a change; nil: no window.
func windowSizes() <-chan coracle.Size {
	f := terminal()
	if f == nil {
		return nil
	}
	changed := make(chan os.Signal, 1)
	signal.Notify(changed, syscall.SIGWINCH, syscall.SIGCONT)
	sizes := make(chan coracle.Size, 1)
	send := func() {
		var w struct{ rows, columns, x, y uint16 }
		if ioctl(f, syscall.TIOCGWINSZ, unsafe.Pointer(&w)) == nil {
			sizes <- coracle.Size{Width: w.columns, Height: w.rows}
		}
	}
	send()
	go func() {
		for range changed {
			send()
		}
	}()
	return sizes
}
