// Package policy holds the rules of the source tree that a compiler does not
// check, as tests: which package may import which, how many modules the root
// module may bring into a program, and what no package may contain (init
// functions, package variables that change, cgo, go:linkname).
//
// It has no code of its own. A rule that a change has to break is changed here,
// in the commit that breaks it, with the reason.
package policy
