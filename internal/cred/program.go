package cred

import (
	"fmt"
	"io/fs"
	"strings"
)

// defaultPath is where programs are looked for without a PATH: Docker's, which
// images expect.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// maxCandidates bounds what a hostile PATH costs.
const maxCandidates = 1024

// Candidates are the paths that a program is looked for at, in order: itself when
// it has a slash, else below each directory of the environment's PATH, where an
// empty one is the working directory (POSIX, base definitions, 8.3). Without PATH,
// or with an empty one, it is Docker's default. Of several PATHs the last counts.
// Relative paths are relative to the working directory. Errors wrap
// fs.ErrInvalid.
func Candidates(program string, env []string) ([]string, error) {
	if program == "" || strings.ContainsRune(program, 0) {
		return nil, fmt.Errorf("program %.100q: %w", program, fs.ErrInvalid)
	}
	if strings.Contains(program, "/") {
		return []string{program}, nil
	}
	search := ""
	for _, v := range env {
		if p, ok := strings.CutPrefix(v, "PATH="); ok {
			search = p
		}
	}
	if search == "" {
		search = defaultPath
	}
	if strings.ContainsRune(search, 0) {
		return nil, fmt.Errorf("PATH %.100q: %w", search, fs.ErrInvalid)
	}
	var all []string
	seen := make(map[string]bool)
	for dir := range strings.SplitSeq(search, ":") {
		if dir == "" {
			dir = "."
		}
		c := strings.TrimRight(dir, "/") + "/" + program
		if seen[c] {
			continue
		}
		if len(all) == maxCandidates {
			return nil, fmt.Errorf("PATH has more than %d directories: %w", maxCandidates, fs.ErrInvalid)
		}
		seen[c] = true
		all = append(all, c)
	}
	return all, nil
}

const (
	// maxArg is MAX_ARG_STRLEN of linux/binfmts.h, 32 pages of 4 KiB, less the
	// final NUL.
	maxArg = 32*4096 - 1
	// maxArgs is what execve(2) takes together at most, whatever the stack's
	// limit: three quarters of _STK_LIM, 8 MiB ("exec: Limit arg stack to at most
	// 75% of _STK_LIM", Linux 4.13).
	maxArgs = 6 << 20
)

// CheckArgs says which argument or variable the kernel will refuse for its
// length; the error wraps E2BIG. It cannot know the limit on all of them together,
// a quarter of the stack's limit at the exec, only the largest there can be.
func CheckArgs(args, env []string) error {
	total := 0
	for i, a := range args {
		if len(a) > maxArg {
			return tooLong(fmt.Sprintf("argument %d", i), len(a))
		}
		total += len(a) + 1 + 8
	}
	for _, v := range env {
		if len(v) > maxArg {
			name, _, _ := strings.Cut(v, "=")
			return tooLong(fmt.Sprintf("variable %.100q", name), len(v))
		}
		total += len(v) + 1 + 8
	}
	if total > maxArgs {
		return fmt.Errorf("arguments and environment have %d bytes, of which the kernel takes %d: %w", total, maxArgs, errTooBig)
	}
	return nil
}

func tooLong(what string, n int) error {
	return fmt.Errorf("%s has %d bytes, of which the kernel takes %d (128 KiB with the final NUL): %w", what, n, maxArg, errTooBig)
}
