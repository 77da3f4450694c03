// Package seccomp turns OCI seccomp profiles into filters for seccomp(2), and
// holds the built-in profile. It makes no system call: a caller loads
// [Filter.Bytes] with [Flags].
//
// # What a profile means
//
// The names are libseccomp's, and a profile means here what it means to the
// runtimes that use libseccomp, with these rules where the OCI runtime
// specification is silent:
//
//   - The native architecture is always included, whether listed or not. A call
//     from an architecture that is not listed kills the process.
//   - Several conditions on one argument within one rule are alternatives, and
//     so are then all conditions of that rule.
//   - In SCMP_CMP_MASKED_EQ the value compared with is masked, too.
//   - Names that this architecture lacks are skipped. A name that no
//     architecture has is an error if to skip it would allow more.
//   - A default action that denies answers ENOSYS for calls newer than all that
//     the profile names, so that programs fall back to older calls instead of
//     giving up.
//
// It differs from libseccomp on purpose in four places:
//
//   - Where several rules match a call, the strictest action wins, as it does
//     among several filters in the kernel; the first of equals. libseccomp lets
//     a rule without conditions swallow all others. A rule without conditions
//     that repeats the default action is the default.
//   - Conditions compare 64-bit values on 32-bit architectures also, where
//     arguments are below 1<<32. Only what was written as a negative 64-bit
//     number is cut to 32 bits.
//   - On i386, socketcall(2) and ipc(2) hide their arguments. A rule for
//     socket(2) with conditions denies the call within socketcall if it denies
//     anything, and allows nothing there. A profile that names socketcall or
//     ipc itself is taken at its word.
//   - Numbers of the x32 ABI, where it is not listed, give ENOSYS, as on a kernel
//     without it, instead of the end of the thread.
//
// # How a filter is built
//
// A profile becomes a graph: by architecture, by number, by arguments, each
// step a partition of one 32-bit word of struct seccomp_data into ranges. Equal
// parts exist once. The graph becomes balanced trees of comparisons, so a call
// meets some ten instructions, and loading is fast: since Linux 5.11 the kernel
// runs each number through the filter at load time ("seccomp/cache: Add
// "emulator" to check if filter is constant allow").
package seccomp
