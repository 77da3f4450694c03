package compile

import (
	"fmt"
	"path"
	"strings"

	"github.com/coraclehq/coracle/internal/script"
	"github.com/coraclehq/coracle/internal/sys"
)

// workdir makes the working directory where the image lacks it.
func (c *container) workdir() error {
	if cwd := path.Clean(c.Process.Cwd); cwd != "/" {
		c.target(cwd, false, inRoot, "the working directory "+cwd)
	}
	return nil
}

// readonlyRoot makes the root read-only. The mounts on it stay as they are.
func (c *container) readonlyRoot() error {
	if c.spec.Root != nil && c.spec.Root.Readonly {
		c.mount("", "/", "", sys.MS_REMOUNT|sys.MS_BIND|sys.MS_RDONLY|c.rootFlags(), "").Doing("make the root read-only")
	}
	return nil
}

// finish turns the process into that of the spec and executes the program.
func (c *compiler) finish() error {
	ids, err := c.credentials()
	if err != nil {
		return err
	}
	// CONFIG_KEYS may be missing.
	c.Op(script.Keyctl, script.Flags{N: keyctlJoinSessionKeyring, Text: "KEYCTL_JOIN_SESSION_KEYRING"}, script.Num(0)).
		Allow(sys.ENOSYS).Doing("make a session keyring")
	if err := c.personality(); err != nil {
		return err
	}
	if err := c.limits(); err != nil {
		return err
	}
	for i, f := range c.FDs.Stdio {
		if c.FDs.Give[i] && !none(f) && !c.Process.Terminal {
			c.give(f, [...]string{"stdin", "stdout", "stderr"}[i])
		}
	}
	c.become(ids)
	c.changeDir()
	if c.Process.NoNewPrivileges {
		c.Op(script.Prctl, script.Flags{N: sys.PR_SET_NO_NEW_PRIVS, Text: "PR_SET_NO_NEW_PRIVS"}, script.Num(1), script.Num(0), script.Num(0), script.Num(0)).
			Doing("set no_new_privs")
	}
	umask := uint32(0o022)
	if u := c.Process.User.Umask; u != nil {
		umask = *u
	}
	c.Op(script.Umask, octal(umask))
	c.stdio()
	c.closeOnExec()
	c.signals()
	c.gate()
	c.filter()
	if c.workingCaps() {
		c.capset(ids.final).Doing("set the capabilities")
	}
	return c.exec()
}

const keyctlJoinSessionKeyring = 1 // linux/keyctl.h

// changeDir goes to the working directory with the rights of the user. Neither a
// magic link nor a symbolic link leads out of the root (CVE-2024-21626); that it
// did not is looked at once more, since the kernel says so of a directory that
// the root does not lead to: getcwd(2), "(unreachable)".
func (c *compiler) changeDir() {
	cwd := path.Clean(c.Process.Cwd)
	if cwd == "/" {
		c.fchdir(load(c.root), "change to the working directory /")
		return
	}
	dir := c.cell("working directory")
	c.openAgain(load(c.root), cwd, c.path(), inRoot).Into(dir).Doing("open the working directory " + cwd)
	c.fchdir(load(dir), "change to the working directory "+cwd)
	const most = 4096
	space := c.Reserve(most)
	outside, inside := c.label("outside"), c.label("inside")
	c.Op(script.Getcwd, space, script.Num(most)).Doing("look where the working directory " + cwd + " lies")
	unreachable := int64('(') | 'u'<<8 | 'n'<<16 | 'r'<<24
	c.Op(script.Add, script.Num(-unreachable), script.Num(0), space).IfZero(outside)
	c.Goto(inside)
	c.Label(outside)
	c.refuse("change to the working directory " + cwd + ", which lies outside of the container")
	c.Label(inside)
}

// stdio puts 0, 1 and 2 in their place, and makes a terminal the controlling one.
func (c *compiler) stdio() {
	for i := range c.FDs.Stdio {
		var from script.Arg = c.FDs.Stdio[i]
		switch {
		case c.Process.Terminal:
			from = load(c.slave)
		case none(c.FDs.Stdio[i]):
			from = load(c.null)
		}
		c.Op(script.Dup3, from, script.Num(i), script.Num(0)).Doing(fmt.Sprintf("set descriptor %d", i))
	}
	if c.Process.Terminal {
		c.Op(script.Ioctl, script.Num(0), script.Flags{N: sys.TIOCSCTTY, Text: "TIOCSCTTY"}, script.Num(0)).Doing("make the terminal the controlling one")
	}
}

// closeOnExec leaves the program nothing but 0, 1 and 2. What was opened by the
// script closes on exec anyway; what was inherited does not.
func (c *compiler) closeOnExec() {
	if c.Kernel.CloseRange {
		c.Op(script.CloseRange, script.Num(3), script.Flags{N: 0xffffffff, Text: "~0"}, script.Flags{N: sys.CLOSE_RANGE_CLOEXEC, Text: "CLOSE_RANGE_CLOEXEC"}).
			Doing("close all other descriptors on exec")
		return
	}
	inherited := append([]script.FD{c.FDs.Status, c.FDs.Gate, c.FDs.Target, c.FDs.Terminal}, c.FDs.Stdio[:]...)
	seen := map[int]bool{}
	for _, f := range append(inherited, c.FDs.Join...) {
		if !none(f) && !seen[f.N] {
			seen[f.N] = true
			// One that was closed on the way is EBADF.
			c.Op(script.Fcntl, f, script.Flags{N: sys.F_SETFD, Text: "F_SETFD"}, script.Flags{N: sys.FD_CLOEXEC, Text: "FD_CLOEXEC"}).
				Allow(sys.EBADF).Doing("close a descriptor on exec")
		}
	}
}

// signals undoes what the host program ignores and what the launcher blocked.
func (c *compiler) signals() {
	for _, n := range c.Ignored {
		c.Op(script.RtSigaction, script.Num(n), script.Blob{Data: make([]byte, 32), Text: "SIG_DFL"}, script.Num(0), script.Num(8)).
			Doing(fmt.Sprintf("receive signal %d", n))
	}
	c.Op(script.RtSigprocmask, script.Flags{N: sys.SIG_SETMASK, Text: "SIG_SETMASK"}, script.Blob{Data: make([]byte, 8), Text: "{}"}, script.Num(0), script.Num(8)).
		Doing("unblock all signals")
}

// gate says that everything stands and waits to be let on.
func (c *compiler) gate() {
	if none(c.FDs.Gate) {
		return
	}
	open := c.label("gate open")
	c.Op(script.Write, c.FDs.Status, script.Str("r"), script.Num(1)).Doing("say that the gate is reached")
	c.Op(script.Read, c.FDs.Gate, c.Cell("gate", 0), script.Num(1)).IfPositive(open).Doing("wait at the gate")
	c.Op(script.ExitGroup, script.Num(1)) // whoever held it gave up
	c.Label(open)
}

// filter loads the seccomp filter. From here on only the filter's leave is left:
// see checkFilter.
func (c *compiler) filter() {
	if len(c.Seccomp) == 0 {
		return
	}
	body := script.Blob{Data: c.Seccomp.Bytes(), Text: fmt.Sprintf("<filter of %d instructions>", len(c.Seccomp))}
	program := c.Words("struct sock_fprog", script.Num(len(c.Seccomp)), body)
	c.Op(script.Seccomp, script.Flags{N: sys.SECCOMP_SET_MODE_FILTER, Text: "SECCOMP_SET_MODE_FILTER"}, script.Num(c.SeccompFlags), program).
		Doing("load the seccomp filter")
}

// checkFilter refuses a filter under which the script could not go on to the
// exec, or not say why it failed.
func (c *compiler) checkFilter() error {
	if len(c.Seccomp) == 0 {
		return nil
	}
	calls := []string{"execve", "write", "exit_group"}
	if c.workingCaps() {
		calls = append(calls, "capset")
	}
	if denied := c.Seccomp.Denied(c.arch, calls...); len(denied) > 0 {
		return invalid("/linux/seccomp", "the filter denies %s, without which no program can be started", strings.Join(denied, ", "))
	}
	return nil
}

// exec tries the paths of the program in turn. An error goes on to the next, as
// the search of execvp(3) does for a file that is missing or may not be executed;
// it does so also where that search would end, for what is found but broken.
// When none is left, the root is sent, so that the starter can look for the
// cause, and the first that is there fails once more, for its errno.
func (c *compiler) exec() error {
	argv, envp := script.Strings(c.Process.Args), script.Strings(c.Process.Env)
	run := func(file string) *script.Op {
		return c.Op(script.Execve, script.Str(file), argv, envp).Doing("exec " + file)
	}
	for _, file := range c.Program {
		run(file).AllowAny()
	}
	if len(c.Seccomp) == 0 || len(c.Seccomp.Denied(c.arch, "sendmsg")) == 0 {
		c.send(c.FDs.Status, c.root, "root message").AllowAny().Doing("send the root")
	}
	last := len(c.Program) - 1
	for _, file := range c.Program[:last] {
		next := c.label("after " + file)
		c.Op(script.Openat, script.CWD, script.Str(file), openFlags(sys.O_PATH|sys.O_CLOEXEC, c.arch)).OnAnyErrno(next)
		run(file).OnErrno(sys.EACCES, next)
		c.Label(next)
	}
	run(c.Program[last])
	c.Op(script.ExitGroup, script.Num(127))
	return nil
}
