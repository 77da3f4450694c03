//go:build !linux

package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "vm: the guest's disk is made of Debian packages, on Linux")
	os.Exit(1)
}
