package main

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	cgroups = "/sys/fs/cgroup"
	source  = "/src" // where the folders of packages are
)

// agent runs jobs one after the other, and switches the machine off when nobody
// is at the other end of the port any more.
func agent() error {
	port, err := os.OpenFile("/dev/vport0p1", os.O_RDWR, 0)
	if err != nil {
		// The number depends on the order in which devices are found.
		ports, _ := filepath.Glob("/dev/vport*p*")
		if len(ports) != 1 {
			return fmt.Errorf("%w; there are: %v", err, ports)
		}
		if port, err = os.OpenFile(ports[0], os.O_RDWR, 0); err != nil {
			return err
		}
	}
	in, out := io.Pipe()
	go func() {
		_, _ = io.Copy(out, port)
		off()
	}()
	if err := writeFrame(port, frameReady, nil); err != nil {
		return err
	}
	for {
		if err := serve(in, port); err != nil {
			return err
		}
	}
}

// serve runs one job. What goes wrong with the job is said on its stderr; an error
// means that the port is of no more use.
func serve(in io.Reader, port io.Writer) error {
	kind, payload, err := readFrame(in)
	if err != nil {
		return err
	}
	if kind != frameJob {
		return fmt.Errorf("frame %q in the place of a job", kind)
	}
	var j job
	if err := json.Unmarshal(payload, &j); err != nil {
		return err
	}
	files := &frameReader{r: in, kind: frameData}
	dir := filepath.Join(source, j.Dir)
	failed := unpack(files, dir, j.UID)
	if _, err := io.Copy(io.Discard, files); err != nil {
		return err
	}
	code := 1
	if failed == nil {
		code, failed = run(j, dir, frameWriter{port, frameStdout}, frameWriter{port, frameStderr})
	}
	if failed != nil {
		fmt.Fprintln(frameWriter{port, frameStderr}, "vm: in the guest:", failed)
		code = max(code, 1)
	}
	return writeJSON(port, frameExit, code)
}

// unpack makes the folder of a package anew.
func unpack(r io.Reader, dir string, uid int) error {
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for t := tar.NewReader(r); ; {
		h, err := t.Next()
		if err == io.EOF {
			return os.Chown(dir, uid, uid)
		}
		if err != nil {
			return err
		}
		if err := extract(t, h, filepath.Join(dir, h.Name)); err != nil {
			return err
		}
	}
}

func extract(r io.Reader, h *tar.Header, path string) error {
	switch h.Typeflag {
	case tar.TypeDir:
		return os.MkdirAll(path, 0o755)
	case tar.TypeSymlink:
		return os.Symlink(h.Linkname, path)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, h.FileInfo().Mode().Perm())
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	return errors.Join(err, f.Close())
}

// run runs the binary where a service of root, or of a user's session, would be:
// in a group of its own below the top.
func run(j job, dir string, stdout, stderr io.Writer) (int, error) {
	group, err := place(j.UID)
	if err != nil {
		return 0, err
	}
	defer group.Close()
	before, err := census()
	if err != nil {
		return 0, err
	}
	cmd := exec.Command("./"+j.Args[0], j.Args[1:]...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), j.Env...)
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, UseCgroupFD: true, CgroupFD: int(group.Fd())}
	if j.UID != 0 {
		id := uint32(j.UID)
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: id, Gid: id}
		cmd.Env = append(cmd.Env, "HOME=/home/user", "USER=user")
	} else {
		cmd.Env = append(cmd.Env, "HOME=/root", "USER=root")
	}
	cmd.WaitDelay = 5 * time.Second // somebody whom it left may hold the pipes
	err = cmd.Run()
	if cmd.ProcessState == nil {
		return 0, err
	}
	if err := before.left(); err != nil {
		return max(1, cmd.ProcessState.ExitCode()), errors.Join(err, sweep())
	}
	code := cmd.ProcessState.ExitCode()
	if code < 0 {
		return 1, err // ended by a signal
	}
	return code, nil
}

// sweep ends what a job left, so that the next one has the machine to itself.
func sweep() error {
	var errs []error
	for _, top := range []string{"system", "user", "coracle"} {
		err := os.WriteFile(filepath.Join(cgroups, top, "cgroup.kill"), []byte("1"), 0)
		if !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// place makes the group of the jobs of a user. An ordinary user's is below one that is
// delegated: see "Delegation" in cgroup-v2.rst.
func place(uid int) (*os.File, error) {
	if uid == 0 {
		return makeGroup("system/job")
	}
	top := "user/" + strconv.Itoa(uid)
	g, err := makeGroup(top + "/job")
	if err != nil {
		return nil, err
	}
	for _, path := range []string{"", "user", top} {
		if err := enable(path); err != nil {
			return nil, err
		}
	}
	for _, path := range []string{top, top + "/job"} {
		for _, file := range []string{"", "cgroup.procs", "cgroup.threads", "cgroup.subtree_control"} {
			if err := os.Chown(filepath.Join(cgroups, path, file), uid, uid); err != nil {
				return nil, err
			}
		}
	}
	return g, nil
}

func makeGroup(path string) (*os.File, error) {
	path = filepath.Join(cgroups, path)
	if err := os.MkdirAll(path, 0o755); err != nil {
		return nil, err
	}
	return os.Open(path)
}

// enable gives the groups below a group every controller that it has.
func enable(path string) error {
	dir := filepath.Join(cgroups, path)
	b, err := os.ReadFile(filepath.Join(dir, "cgroup.controllers"))
	if err != nil {
		return err
	}
	var all []byte
	for c := range strings.FieldsSeq(string(b)) {
		all = append(all, "+"+c+" "...)
	}
	return os.WriteFile(filepath.Join(dir, "cgroup.subtree_control"), all, 0)
}
