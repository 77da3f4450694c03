package probe

import (
	"errors"
	"os"

	"github.com/coraclehq/coracle/internal/sys"
)

func probeClone3() error { return sys.AskClone3() }

func probeCloneIntoCgroup() error { return sys.AskCloneIntoCgroup() }

func probeCloseRange() error { return sys.AskCloseRange() }

func probePidFD() error {
	self, err := sys.PidfdOpen(os.Getpid(), 0)
	if err != nil {
		return err
	}
	defer self.Close()
	if err := self.PidfdSignal(0); err != nil {
		return err
	}
	// We are not our own child: ECHILD where P_PIDFD is known, EINVAL before 5.4.
	_, err = self.PidfdWait(sys.WEXITED | sys.WNOHANG)
	if errors.Is(err, sys.ECHILD) {
		return nil
	}
	return err
}

func probePidFDSetns() error {
	self, err := sys.PidfdOpen(os.Getpid(), 0)
	if err != nil {
		return err
	}
	defer self.Close()
	// Joining the UTS namespace that the process is in changes nothing. An
	// ordinary user gets EPERM, after the flag and the pidfd were understood.
	err = sys.OnThread(func() error { return sys.Setns(self, sys.CLONE_NEWUTS) })
	if errors.Is(err, sys.EPERM) {
		return nil
	}
	return err
}

func probeMemfdExec() error {
	f, err := sys.MemfdCreate("probe", sys.MFD_EXEC)
	if errors.Is(err, sys.EACCES) {
		return nil // known, but forbidden by vm.memfd_noexec=2
	}
	if err != nil {
		return err
	}
	return f.Close()
}

func probeOpenat2() error {
	root, err := sys.Open("/", sys.O_PATH|sys.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	defer root.Close()
	f, err := root.OpenInRoot("..", sys.O_PATH|sys.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	return f.Close()
}

func probeMountAPI() error {
	fs, err := sys.FsOpen("tmpfs")
	if err != nil {
		return err
	}
	return fs.Close()
}

func probeMountSetattr() error { return sys.AskMountSetattr() }

func probeIDMappedMounts() error {
	if err := sys.AskMountSetattr(); err != nil {
		return err
	}
	return sys.AskIDMap()
}

func probeOverlay() error {
	fs, err := sys.FsOpen("overlay")
	if err != nil {
		return err
	}
	return fs.Close()
}

func probeOverlayLowerdirAppend() error {
	return withOverlay(func(fs, _ *sys.FD) error {
		// Before Linux 6.5 overlay took any parameter and looked at it when it was made.
		if fs.FsSet("coracle", "1") == nil {
			return sys.EINVAL
		}
		return fs.FsSet("lowerdir+", "/")
	})
}

func probeOverlayLayerFD() error {
	return withOverlay(func(fs, dir *sys.FD) error { return fs.FsSetFD("lowerdir+", dir) })
}

// withOverlay runs f on an overlay that is being configured and will not be
// mounted, and a directory.
func withOverlay(f func(fs, dir *sys.FD) error) error {
	fs, err := sys.FsOpen("overlay")
	if err != nil {
		return err
	}
	defer fs.Close()
	dir, err := sys.Open("/", sys.O_PATH|sys.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	defer dir.Close()
	return f(fs, dir)
}

func probeTimeNamespace() error { return exists("/proc/self/ns/time") }

func probeCgroupNamespace() error { return exists("/proc/self/ns/cgroup") }

func exists(path string) error {
	_, err := os.Stat(path)
	return err
}

func probeSeccompFilter() error { return sys.AskSeccompAction(sys.SECCOMP_RET_KILL_PROCESS) }
