// Package namespace knows the kinds of namespaces by all their names, keeps
// network namespaces ready for use, and runs Go code inside one.
//
// A namespace here is an open descriptor, of /proc/<pid>/ns/* or a pidfd; none is
// ever bound to a path, so it goes when its last process and descriptor do.
package namespace
