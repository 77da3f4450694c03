package main

import (
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
)

// writeInitrd makes an initramfs whose only file is this program, as /init. The
// format is newc: see Documentation/driver-api/early-userspace/buffer-format.rst
// in the kernel's sources.
func writeInitrd(path, program string) error {
	text, err := os.ReadFile(program)
	if err != nil {
		return err
	}
	if err := isStatic(program); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	for _, e := range []struct {
		name string
		mode int
		text []byte
	}{
		{"init", 0o100755, text},
		{"root", 0o040755, nil},
		{"TRAILER!!!", 0, nil},
	} {
		if err := writeEntry(f, e.name, e.mode, e.text); err != nil {
			return err
		}
	}
	return f.Close()
}

// isStatic says what to do about a program that needs a loader, which package net
// makes of it where there is a C compiler.
func isStatic(program string) error {
	f, err := elf.Open(program)
	if err != nil {
		return err
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			return errors.New("this program is linked dynamically: build it with CGO_ENABLED=0")
		}
	}
	return nil
}

// writeEntry writes a header of fourteen numbers, a name and a content, the last
// two ending at multiples of four.
func writeEntry(w io.Writer, name string, mode int, text []byte) error {
	head := "070701"
	for _, n := range []int{0, mode, 0, 0, 1, 0, len(text), 0, 0, 0, 0, len(name) + 1, 0} {
		head += fmt.Sprintf("%08X", n)
	}
	head += name + "\x00"
	for _, part := range [][]byte{[]byte(head), text} {
		if _, err := w.Write(append(part, make([]byte, -len(part)&3)...)); err != nil {
			return err
		}
	}
	return nil
}
