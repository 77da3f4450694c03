//go:build !linux

package sys

// The functions of the files named *_other.go are described in those named
// *_linux.go. Here they answer ErrNotLinux, so that everything compiles.

func closeFD(int, string) error { return ErrNotLinux }
