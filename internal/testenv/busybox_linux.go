package testenv

import (
	"debug/elf"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Busybox makes a root file system of the machine's static busybox: /bin/busybox
// with a link for each applet, the usual empty directories, root, nobody and app
// (uid and gid 1000, also in the group wheel) in passwd and group. It returns its
// directory, which goes with the test. Without such a busybox the test is skipped,
// or fails in CI; make deps installs it.
func Busybox(tb testing.TB) string {
	tb.Helper()
	program, err := staticBusybox()
	if err != nil {
		missing(tb, "%v: make deps installs it", err)
	}
	dir := tb.TempDir()
	if err := fillBusybox(dir, program); err != nil {
		tb.Fatal(err)
	}
	return dir
}

// staticBusybox finds a busybox that runs with nothing beside it.
func staticBusybox() (string, error) {
	for _, name := range []string{"busybox", "/bin/busybox", "/usr/bin/busybox", "/bin/busybox.static"} {
		path, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		if err := isStatic(path); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("needs a statically linked busybox")
}

func isStatic(path string) error {
	f, err := elf.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			return fmt.Errorf("%s needs a dynamic loader", path)
		}
	}
	return nil
}

func fillBusybox(dir, program string) error {
	list, err := exec.Command(program, "--list").Output()
	if err != nil {
		return fmt.Errorf("list busybox applets: %w", err)
	}
	for _, d := range []string{"bin", "dev", "etc", "home/app", "proc", "root", "run", "sys", "tmp", "usr", "var"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			return err
		}
	}
	for path, mode := range map[string]os.FileMode{".": 0o755, "tmp": 0o777 | os.ModeSticky, "root": 0o700} {
		if err := os.Chmod(filepath.Join(dir, path), mode); err != nil {
			return err
		}
	}
	b, err := os.ReadFile(program)
	if err != nil {
		return err
	}
	for name, file := range map[string]struct {
		text string
		mode os.FileMode
	}{
		"bin/busybox": {string(b), 0o755},
		"etc/passwd":  {busyboxPasswd, 0o644},
		"etc/group":   {busyboxGroup, 0o644},
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(file.text), file.mode); err != nil {
			return err
		}
		// Whatever the umask.
		if err := os.Chmod(path, file.mode); err != nil {
			return err
		}
	}
	for applet := range strings.FieldsSeq(string(list)) {
		if applet == "busybox" {
			continue
		}
		if err := os.Symlink("busybox", filepath.Join(dir, "bin", applet)); err != nil {
			return err
		}
	}
	return chownApp(dir)
}

// chownApp gives app its home; an ordinary user cannot, and need not.
func chownApp(dir string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	return os.Chown(filepath.Join(dir, "home/app"), 1000, 1000)
}

const busyboxPasswd = `root:x:0:0:root:/root:/bin/sh
nobody:x:65534:65534:nobody:/:/bin/false
app:x:1000:1000:app:/home/app:/bin/sh
`

const busyboxGroup = `root:x:0:
wheel:x:10:root,app
nogroup:x:65534:
app:x:1000:
`
