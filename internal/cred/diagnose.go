package cred

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"syscall"

	"github.com/coraclehq/coracle/internal/sys"
)

const errTooBig = sys.E2BIG

// ExecError says why a program could not be executed.
type ExecError struct {
	Program string        // the path that the reason is about, or the name that was looked for
	Reason  string        // "it is a directory"; empty: the errno says all
	Err     syscall.Errno // ENOENT, EACCES, ENOEXEC, ...: what a shell tells 126 and 127 by
}

func (e *ExecError) Error() string {
	s := "exec " + printable(e.Program) + ": "
	if e.Reason != "" {
		s += e.Reason + ": "
	}
	return s + e.Err.Error()
}

// Unwrap returns Err.
func (e *ExecError) Unwrap() error { return e.Err }

// Diagnose says why none of the candidates could be executed, by looking into the
// image: execve(2) has the same "no such file or directory" for a program that is
// not there and one whose loader is not. The error is an *ExecError; it wraps
// errno, or ENOENT, EACCES or ENOEXEC where it knows better. root is the
// container's root directory, below which relative candidates are looked for,
// too: a caller whose working directory is another one joins it. Nothing in the
// image is executed or waited for.
func Diagnose(root *sys.FD, candidates []string, errno syscall.Errno) error {
	if len(candidates) == 0 {
		return &ExecError{Err: errno}
	}
	switch errno {
	case sys.E2BIG:
		return &ExecError{candidates[0], "an argument or variable is longer than 128 KiB, " +
			"or all together are longer than a quarter of the stack's limit", errno}
	case sys.ETXTBSY:
		return &ExecError{candidates[0], "it is open for writing", errno}
	case sys.ENOMEM, sys.EAGAIN, sys.EMFILE, sys.ENFILE:
		return &ExecError{candidates[0], "", errno} // nothing to do with the file
	}
	// A shell goes on after what it cannot execute, so the first candidate that
	// is there is the one that was meant.
	var blocked *ExecError
	for _, c := range candidates {
		err := look(root, c, errno)
		if err == nil {
			continue
		}
		if err.Reason != "" {
			return err
		}
		if blocked == nil {
			blocked = err
		}
	}
	if blocked != nil {
		return blocked
	}
	if len(candidates) == 1 {
		return &ExecError{candidates[0], "it is not in the image", sys.ENOENT}
	}
	var dirs []string
	for _, c := range candidates {
		dirs = append(dirs, path.Dir(c))
	}
	where := strings.Join(dirs, ":")
	if len(where) > 200 {
		where = fmt.Sprintf("the %d directories of PATH", len(dirs))
	}
	return &ExecError{path.Base(candidates[0]), "not found in " + printable(where), sys.ENOENT}
}

// look says why one candidate could not be executed, nil if it is not there.
func look(root *sys.FD, name string, errno syscall.Errno) *ExecError {
	place, err := root.OpenInRoot(name, sys.O_PATH|sys.O_NOFOLLOW, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case errors.Is(err, sys.ENOTDIR) && errno != sys.ENOTDIR:
		return nil
	case errors.Is(err, sys.ENOTDIR):
		return &ExecError{name, "a directory on its way is none", sys.ENOTDIR}
	case err != nil:
		return &ExecError{name, "", errnoOf(err, errno)}
	}
	defer place.Close()
	if st, err := place.Stat(); err == nil && st.IsSymlink() {
		if target, err := place.Readlink(""); err == nil && !exists(root, name) {
			return &ExecError{name, "it is a link to " + printable(target) + ", which is not in the image", sys.ENOENT}
		}
	}
	return examine(root, name, errno, "it", 0)
}

// maxNesting is how many interpreters of interpreters the kernel follows, "rewrite
// depth" in exec_binprm of fs/exec.c.
const maxNesting = 5

// examine says why a file that is there could not be executed. It is called what
// who says: "it", or "its interpreter /bin/x".
func examine(root *sys.FD, name string, errno syscall.Errno, who string, depth int) *ExecError {
	f, st, err := openRegular(root, name)
	switch {
	case errors.Is(err, fs.ErrInvalid):
		return &ExecError{name, who + " is " + kind(st), sys.EACCES}
	case errors.Is(err, sys.ELOOP):
		return &ExecError{name, who + " leads in a circle, or to an open file by a link of /proc", sys.ELOOP}
	case err != nil:
		return &ExecError{name, "", errnoOf(err, errno)}
	}
	defer f.Close()
	if st.Perm()&0o111 == 0 {
		return &ExecError{name, fmt.Sprintf("%s is not executable (mode %04o)", who, st.Perm()), sys.EACCES}
	}
	is, err := inspect(f)
	switch {
	case err != nil:
		return &ExecError{name, "", errnoOf(err, errno)}
	case is.elf && !runs(is.arch) && errno != sys.EACCES && errno != sys.EPERM:
		return &ExecError{name, fmt.Sprintf("%s is a program for %s, and this machine is %s", who, is.arch, sys.HostArch()), sys.ENOEXEC}
	case is.wrong != "":
		if errno != sys.EIO && errno != sys.EINVAL { // what the kernel says of some
			errno = sys.ENOEXEC
		}
		return &ExecError{name, strings.Replace(is.wrong, "it", who, 1), errno}
	case is.interpreter == "":
		return &ExecError{name, "", errno}
	case depth == maxNesting:
		return &ExecError{name, "interpreters of interpreters are nested too deep", sys.ELOOP}
	}
	return needs(root, name, is, errno, depth)
}

// needs says what is wrong with the interpreter or loader of a file.
func needs(root *sys.FD, name string, is format, errno syscall.Errno, depth int) *ExecError {
	who := "its interpreter " + printable(is.interpreter)
	if is.elf {
		who = "its loader " + printable(is.interpreter)
	}
	if !exists(root, is.interpreter) {
		why := who + " is not in the image"
		if is.script && strings.HasSuffix(is.interpreter, "\r") {
			why += " (the line ends with a carriage return)"
		}
		return &ExecError{name, why, sys.ENOENT}
	}
	inner := examine(root, is.interpreter, errno, who, depth+1)
	inner.Program = name
	return inner
}

// exists says whether a path leads to something in the image. What cannot be
// found out counts as there.
func exists(root *sys.FD, name string) bool {
	f, err := root.OpenInRoot(name, sys.O_PATH, 0)
	if err != nil {
		return !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, sys.ENOTDIR)
	}
	return f.Close() == nil
}

// runs says whether this machine's kernel may execute programs for an
// architecture.
func runs(a sys.Arch) bool {
	switch sys.HostArch() {
	case sys.AMD64:
		return a == sys.AMD64 || a == sys.I386
	case sys.ARM64:
		return a == sys.ARM64 || a == sys.ARM
	}
	return a == sys.HostArch()
}

// errnoOf is the number inside an error, or another if there is none.
func errnoOf(err error, otherwise syscall.Errno) syscall.Errno {
	var e syscall.Errno
	if errors.As(err, &e) {
		return e
	}
	return otherwise
}

// printable makes a name out of an image fit for a message.
func printable(s string) string {
	if q := strconv.Quote(s); len(s) > 200 || q != `"`+s+`"` {
		return fmt.Sprintf("%.200q", s)
	}
	return s
}
