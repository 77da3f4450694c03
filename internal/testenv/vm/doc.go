// Command vm runs tests of this module in a virtual machine of its own: Debian's
// cloud kernel, under emulation where there is no KVM, with cgroup v2 as the only
// hierarchy, all controllers free and nothing else running. That is what most
// servers have, and what a developer's machine or a CI runner with hybrid or
// delegated cgroups cannot show.
//
//	go run ./internal/testenv/vm [flags] package...
//
// It is go test with -exec: the go command compiles each test binary here, the
// binary runs there, and its output comes back. So -run, -short, -count and -tags
// mean what they mean to go test. The packages are tested as root and then, with
// what an ordinary user can do, as uid 1000. A test that is skipped must stand in
// the list of expected skips, with its reason; any other skip fails, as does
// whatever a package leaves in the machine: processes, mounts, cgroups.
//
// The parts, in the order in which a run meets them:
//
//	image.go  the guest's disk and kernel, from Debian packages, made once
//	boot.go   the emulator, and the one serial port that everything passes through
//	guest.go  process 1 of the guest
//	agent.go  the guest's end of the port: one test binary after the other
//	exec.go   what go test starts in the place of a test binary
//	test.go   go test, its events, the count, the skips
package main
