// Package compile turns an OCI runtime spec into the script of system calls that
// a container's first process, or a process that joins it, carries out up to and
// including exec.
//
// It is pure: what depends on the machine comes in as facts ([Kernel], [Source]),
// what the process inherits comes in as descriptor numbers ([FDs]). Equal input
// gives equal ops. The facts of this machine are found by [Probe] and [Look].
//
// # Order of a container
//
//	on the host's side of pivot_root
//	    join the cgroups, then the cgroup namespace; the namespaces given by path
//	    new session, umask 0, oom_score_adj (the host's /proc)
//	    no mount of this namespace reaches the host's
//	    a detached copy of the source of every bind mount
//	    the root file system, on the container's own empty directory
//	    pivot_root, the host's tree detached
//	inside, before any place that the image or a user names
//	    proc, sys, dev; what lies in them; device nodes, links, terminal
//	    sysctls, then the read-only paths, then the masks
//	inside, by descriptors that cannot leave the root
//	    the user's mounts, in the spec's order
//	    host name, loopback, the working directory, the root read-only
//	the process
//	    session keyring, limits, bounding set, IDs, capabilities
//	    the working directory, with the rights of the user
//	    no_new_privs, umask, stdio, close on exec, signals
//	    the gate
//	    the filter, the last capabilities, exec
//
// A place that the image names is opened by openat2(2) within the root and
// without magic links; the mount points proc, sys and dev, and everything on
// them, also without symbolic links. Mounting, masking and writing then goes
// through that descriptor, or through names relative to a file system that this
// script has mounted itself (CVE-2019-19921, CVE-2021-30465, CVE-2025-31133,
// CVE-2025-52565, CVE-2025-52881).
//
// What the spec asks for and the script cannot do is an error that names the
// field by its JSON pointer, [*SpecError]; nothing is left out in silence. The
// spec's resources and cgroupsPath are not part of the script: they belong to
// package cgroup.
package compile
