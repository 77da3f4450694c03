// Bench measures what starting a container and executing a process in it cost,
// beside what the kernel alone takes and beside other programs that do the same, all
// interleaved in one run:
//
//	go run ./bench start
//	go run ./bench exec
//
// It needs root, a static busybox and gcc, and measures crun, runc and bwrap where
// they are installed, Docker and podman where a daemon answers on its socket. What
// cannot be measured is printed with the reason. make deps installs what it uses.
//
// # How to read it
//
// Absolute times mean little on another machine, or on this one an hour later. What
// counts is the ratio to the C limit: in every round each contender is measured once,
// in an order that changes, and the ratio is the median of the rounds' ratios, with
// the quartiles in parentheses. On a machine that others use too the quartiles lie
// far apart; the ratio of the minima then says more. Each table tells how many rounds
// it has (-rounds sets those of one at a time; with n at once there are fewer, by the
// square root of n).
//
// A time is that of the last of those at once: "to the exec" when its program was
// executed (Start has returned), "to the end known" when its exit code was known (Wait
// has returned). The program is busybox's true. Creating the container is not in it,
// on any side, nor is what is cleared away after the end was known. A process that is
// the last of its mount namespace unmounts the overlay before its parent sees its end,
// and that syncs the file system below: on a disk that others write to, "to the end
// known" measures them too, on every side.
//
// # The C limit
//
// A resident C process (climit.c) that makes cgroups in the same hierarchies, calls
// clone3 with CLONE_VM|CLONE_VFORK, and waits. The cloned child makes the very system
// calls that the library's makes: the list is not written down in C but read from the
// helper that a real start runs, /proc/<supervisor>/exe, so that it is the same by
// construction. Before anything is measured, one start of each is traced, and the
// calls of both children are compared, name by name; where they differ, no ratio is
// printed.
//
// The C side has: the container's directories (made beforehand, as the library's are
// by Create), cgroups made and limited, namespaces, overlay, every mount, mask, device
// and right, the seccomp filter, pipes as output, the waiting for the process. It has
// not: the helper and the supervisor (the exit record, the log, the lock on the
// container, the control socket, the kill when the host is gone), the closes of the
// supervisor's descriptors, the reading of the container's files, the descriptors of
// cgroups that a supervisor keeps. Of an exec it has no question to the supervisor
// either: it holds the container's pidfd from the beginning.
//
// # The others
//
// crun and runc get the spec that the library resolved, with the mount of the overlay
// added (which they leave to the caller) and without a terminal. bwrap has no cgroup, no
// seccomp filter, no masked paths. Docker and podman create the container beforehand.
// crun refuses hosts that have cgroup v1 beside v2; there it runs in a mount namespace
// where v2 alone is to be seen, which has no controller for its limit of processes.
//
// # The host program
//
// What the library does happens in a program of its own whose heap has the given
// size. For the pauses, a goroutine in the one with the large heap computes and looks
// at the clock; times for which the kernel kept its thread waiting for a processor are
// taken off, and the same without starts is printed beside. The stops of the world are
// the runtime's own count (runtime/metrics, /sched/pauses/total).
package main
