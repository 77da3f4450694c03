// Package sys is the thin layer between Coracle and the Linux kernel, and the
// only one that imports golang.org/x/sys/unix. It has no policy: each function
// is one system call, or the shortest safe sequence of them.
//
// Descriptors are [*FD] with one owner. All are close-on-exec. Paths below a
// directory that others may write to are resolved by openat2(2)
// ([*FD.OpenInRoot], [*FD.OpenBeneath]) or one component at a time without
// following links.
//
// Errors say which call failed on what and wrap a [syscall.Errno], so that
// errors.Is works with that number and with the values of io/fs:
//
//	openat2 /srv/layer/etc/passwd: no such file or directory
//
// The numbers of the Linux ABI (O_*, MS_*, CLONE_*, ...) compile on every
// system. Calls compile everywhere and answer [ErrNotLinux] where they cannot
// work.
//
// With the build tag faults, [FailNth] makes the n-th call of this package in
// the process fail; without it, that costs nothing.
package sys
