// Package monitor is one running process of a container seen from Go: it starts
// the supervisor, tells when the program was executed and how it ended, moves its
// output where the caller wants it, and reads its log.
package monitor
