package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// guest is process 1: it makes the machine what a server is after boot, starts the
// agent, and reaps whatever loses its parent until the agent ends. Then, or if it
// cannot, it switches the machine off.
func guest() error {
	defer off()
	err := settle()
	if err == nil {
		err = reap()
	}
	if err != nil {
		fmt.Println("guest:", err)
	}
	return err
}

// off ends the emulator: it runs with -no-reboot.
func off() { _ = syscall.Reboot(syscall.LINUX_REBOOT_CMD_RESTART) }

// settle leaves the initramfs for the disk and mounts what an init mounts.
func settle() error {
	if err := switchRoot(); err != nil {
		return err
	}
	for _, m := range []struct {
		source, target, kind string
		flags                uintptr
		data                 string
	}{
		{"proc", "/proc", "proc", syscall.MS_NOSUID | syscall.MS_NODEV | syscall.MS_NOEXEC, ""},
		{"sysfs", "/sys", "sysfs", syscall.MS_NOSUID | syscall.MS_NODEV | syscall.MS_NOEXEC, ""},
		{"devpts", "/dev/pts", "devpts", syscall.MS_NOSUID | syscall.MS_NOEXEC, "gid=5,mode=620,ptmxmode=000"},
		{"tmpfs", "/dev/shm", "tmpfs", syscall.MS_NOSUID | syscall.MS_NODEV, "mode=1777"},
		{"mqueue", "/dev/mqueue", "mqueue", syscall.MS_NOSUID | syscall.MS_NODEV | syscall.MS_NOEXEC, ""},
		{"tmpfs", "/run", "tmpfs", syscall.MS_NOSUID | syscall.MS_NODEV, "mode=755"},
		// As systemd mounts it.
		{"cgroup2", cgroups, "cgroup2", syscall.MS_NOSUID | syscall.MS_NODEV | syscall.MS_NOEXEC, "nsdelegate,memory_recursiveprot"},
	} {
		if err := os.MkdirAll(m.target, 0o755); err != nil {
			return err
		}
		if err := syscall.Mount(m.source, m.target, m.kind, m.flags, m.data); err != nil {
			return fmt.Errorf("mount %s: %w", m.target, err)
		}
	}
	// systemd makes every mount shared.
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_SHARED, ""); err != nil {
		return err
	}
	for link, target := range map[string]string{"fd": "/proc/self/fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2"} {
		if err := os.Symlink(target, "/dev/"+link); err != nil {
			return err
		}
	}
	if err := syscall.Sethostname([]byte("vm")); err != nil {
		return err
	}
	os.Setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
	// What udev would have loaded, and what the kernel loads for nobody but root.
	for _, args := range [][]string{{"modprobe", "-a", "virtio_pci", "virtio_console", "overlay", "loop"}, {"ip", "link", "set", "lo", "up"}} {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", strings.Join(args, " "), err, out)
		}
	}
	return nil
}

// switchRoot does what switch_root(8) does: the move makes the disk the root of
// the mount namespace, where after a mere chroot(2) nobody may make a user
// namespace.
func switchRoot() error {
	for _, step := range []func() error{
		func() error { return os.MkdirAll("/dev", 0o755) },
		func() error { return syscall.Mount("dev", "/dev", "devtmpfs", 0, "") },
		func() error { return syscall.Mount("/dev/nvme0n1", "/root", "ext4", syscall.MS_NOATIME, "") },
		func() error { return os.MkdirAll("/root/dev", 0o755) },
		func() error { return syscall.Mount("/dev", "/root/dev", "", syscall.MS_MOVE, "") },
		func() error { return copySelf("/init", "/root/sbin/coracle-vm") },
		func() error { return os.Chdir("/root") },
		func() error { return syscall.Mount(".", "/", "", syscall.MS_MOVE, "") },
		func() error { return syscall.Chroot(".") },
		func() error { return os.Chdir("/") },
	} {
		if err := step(); err != nil {
			return fmt.Errorf("switch root: %w", err)
		}
	}
	return nil
}

func copySelf(from, to string) error {
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return os.WriteFile(to, text, 0o755)
}

// reap starts the agent and waits for it and every orphan.
func reap() error {
	p, err := os.StartProcess("/sbin/coracle-vm", []string{"coracle-vm", "agent"}, &os.ProcAttr{
		Env: os.Environ(), Files: []*os.File{os.Stdin, os.Stdout, os.Stderr},
	})
	if err != nil {
		return err
	}
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			return err
		case pid == p.Pid:
			return fmt.Errorf("the agent ended with %d", status.ExitStatus())
		}
	}
}
