//go:build !faults

package sys

import "syscall"

// fault returns what the call named op is to fail with, or 0. Without the build
// tag faults nothing ever fails on purpose, and the compiler removes the check.
func fault(string) syscall.Errno { return 0 }
