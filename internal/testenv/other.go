//go:build !linux

package testenv

import (
	"syscall"
	"testing"
)

func machine(testing.TB) []scan { return nil }

func ownProcess() []scan { return nil }

func files(string) ([]item, error) { return nil, nil }

// NetNS skips the test: network namespaces are Linux's.
func NetNS(tb testing.TB) { tb.Skip("needs Linux") }

// Busybox skips the test: containers are Linux's.
func Busybox(tb testing.TB) string { tb.Skip("needs Linux"); return "" }

// Tmpfs skips the test: tmpfs is Linux's.
func Tmpfs(tb testing.TB, _, _ int64) string { tb.Skip("needs Linux"); return "" }

// CgroupName skips the test: cgroups are Linux's.
func CgroupName(tb testing.TB) string { tb.Skip("needs Linux"); return "" }

// WithoutCalls skips the test: system call filters are Linux's.
func WithoutCalls(tb testing.TB, _ syscall.Errno, _ []string, _ func()) { tb.Skip("needs Linux") }
