package probe

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"

	"github.com/moby/sys/mountinfo"

	"github.com/coraclehq/coracle/internal/sys"
)

// Root returns nil for a process that may do what containers in the initial user
// namespace need: CAP_SYS_ADMIN. Otherwise it is an *UnsupportedError.
func Root() error {
	c, err := sys.Capget(0)
	if err != nil {
		return err
	}
	if sys.Has(c.Effective, sys.CAP_SYS_ADMIN) {
		return nil
	}
	return &UnsupportedError{Feature: "root privileges", Hint: "run as root", Err: sys.EPERM}
}

// ExecutableMemfd returns nil if a file in memory can be made executable now. The
// answer is not kept: sysctl vm.memfd_noexec belongs to a pid namespace and can be
// raised at any time.
func ExecutableMemfd() error {
	flags := 0
	if MemfdExec.Supported() {
		flags = sys.MFD_EXEC
	}
	f, err := sys.MemfdCreate("probe", flags)
	if errors.Is(err, sys.EACCES) {
		return &UnsupportedError{Feature: "executable memfd", Hint: "sysctl vm.memfd_noexec is 2", Err: err}
	}
	if err != nil {
		return err
	}
	return f.Close()
}

// probeCgroupKill looks into any group of the version 2 hierarchy but the root,
// which has no such file.
func probeCgroupKill() error {
	mounts, err := mountinfo.GetMounts(mountinfo.FSTypeFilter("cgroup2"))
	if err != nil {
		return err
	}
	if len(mounts) == 0 {
		return sys.ENODEV
	}
	for _, m := range mounts {
		// A mount of a group below the root has one in its own directory.
		for _, pattern := range []string{"cgroup.procs", "*/cgroup.procs"} {
			groups, err := filepath.Glob(filepath.Join(m.Mountpoint, pattern))
			if err != nil {
				return err
			}
			for _, g := range groups {
				dir := filepath.Dir(g)
				if exists(filepath.Join(dir, "cgroup.kill")) == nil {
					return nil
				}
				// cgroup.type is in every group but the root, since 4.14. A group
				// that went away meanwhile says nothing.
				if exists(filepath.Join(dir, "cgroup.type")) == nil {
					return sys.ENOENT
				}
			}
		}
	}
	if Kernel().AtLeast("5.14") {
		return nil
	}
	return errCannotTell
}

// probeUserNamespaces starts this very program in a user namespace, as a traced
// child: it stops at the end of execve(2), before its first instruction, and is
// killed there. The tracer is a thread, and the child would run on if that ended
// before.
func probeUserNamespaces() error { return sys.OnThread(startTraced) }

func startTraced() error {
	p, err := os.StartProcess("/proc/self/exe", []string{"probe"}, &os.ProcAttr{
		Env: []string{},
		Sys: &syscall.SysProcAttr{
			Cloneflags:  sys.CLONE_NEWUSER,
			Ptrace:      true,
			Pdeathsig:   syscall.SIGKILL,
			UidMappings: []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: 1}},
		},
	})
	if err != nil {
		return err
	}
	killed := p.Kill()
	_, err = p.Wait()
	return errors.Join(killed, err)
}
