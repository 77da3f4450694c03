//go:build !linux

package sys

func AskClone3() error              { return ErrNotLinux }
func AskCloneIntoCgroup() error     { return ErrNotLinux }
func AskCloseRange() error          { return ErrNotLinux }
func AskMountSetattr() error        { return ErrNotLinux }
func AskIDMap() error               { return ErrNotLinux }
func AskSeccompAction(uint32) error { return ErrNotLinux }
