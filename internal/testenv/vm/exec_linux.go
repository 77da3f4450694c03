package main

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// wrap is what go test starts as `vm exec SOCKET UID binary args...` in the folder
// of the package. It returns the exit code of the binary.
func wrap(args []string) (int, error) {
	if len(args) < 3 {
		return 0, errors.New("exec is for go test -exec alone")
	}
	uid, err := strconv.Atoi(args[1])
	if err != nil {
		return 0, err
	}
	dir, err := os.Getwd()
	if err != nil {
		return 0, err
	}
	top, err := moduleRoot(dir)
	if err != nil {
		return 0, err
	}
	rel, err := filepath.Rel(top, dir)
	if err != nil {
		return 0, err
	}
	c, err := net.Dial("unix", args[0])
	if err != nil {
		return 0, err
	}
	defer c.Close()
	j := job{Dir: rel, Args: append([]string{filepath.Base(args[2])}, args[3:]...), UID: uid}
	for _, e := range os.Environ() {
		if strings.HasPrefix(e, "CORACLE_") || strings.HasPrefix(e, "GOMAXPROCS=") || strings.HasPrefix(e, "GODEBUG=") {
			j.Env = append(j.Env, e)
		}
	}
	if err := writeJSON(c, frameJob, j); err != nil {
		return 0, err
	}
	data := frameWriter{c, frameData}
	if err := errors.Join(pack(data, dir, args[2]), writeFrame(c, frameData, nil)); err != nil {
		return 0, err
	}
	return receive(c)
}

// receive passes on what the binary writes.
func receive(c io.Reader) (code int, err error) {
	for {
		kind, payload, err := readFrame(c)
		if err != nil {
			return 0, fmt.Errorf("the guest is gone: %w", err)
		}
		switch kind {
		case frameStdout:
			_, err = os.Stdout.Write(payload)
		case frameStderr:
			_, err = os.Stderr.Write(payload)
		case frameExit:
			err = json.Unmarshal(payload, &code)
			return code, err
		}
		if err != nil {
			return 0, err
		}
	}
}

// moduleRoot is the folder with the go.mod that dir belongs to.
func moduleRoot(dir string) (string, error) {
	for top := dir; ; top = filepath.Dir(top) {
		if _, err := os.Stat(filepath.Join(top, "go.mod")); err == nil {
			return top, nil
		}
		if top == filepath.Dir(top) {
			return "", fmt.Errorf("%s is in no module", dir)
		}
	}
}

// pack writes the test binary, the files beside the package's sources, and its
// testdata.
func pack(w io.Writer, dir, binary string) error {
	t := tar.NewWriter(w)
	if err := add(t, binary, filepath.Base(binary)); err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Type().IsRegular() {
			err = add(t, filepath.Join(dir, e.Name()), e.Name())
		} else if e.IsDir() && e.Name() == "testdata" {
			err = addTree(t, dir, e.Name())
		}
		if err != nil {
			return err
		}
	}
	if err := addPrograms(t, dir); err != nil {
		return err
	}
	return t.Close()
}

// addPrograms builds the programs below testdata, each as a file "built" in its
// folder: the guest has no go command.
func addPrograms(t *tar.Writer, dir string) error {
	sources, err := filepath.Glob(filepath.Join(dir, "testdata/*/main.go"))
	if err != nil || len(sources) == 0 {
		return err
	}
	tmp, err := os.MkdirTemp("", "coracle-vm-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	for i, s := range sources {
		built := filepath.Join(tmp, strconv.Itoa(i))
		build := exec.Command("go", "build", "-o", built, filepath.Dir(s))
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("build %s: %w\n%s", s, err, out)
		}
		name, err := filepath.Rel(dir, filepath.Join(filepath.Dir(s), "built"))
		if err == nil {
			err = add(t, built, name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func addTree(t *tar.Writer, dir, tree string) error {
	return filepath.WalkDir(filepath.Join(dir, tree), func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		return add(t, path, name)
	})
}

func add(t *tar.Writer, path, name string) error {
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	link := ""
	if info.Mode()&fs.ModeSymlink != 0 {
		if link, err = os.Readlink(path); err != nil {
			return err
		}
	}
	h, err := tar.FileInfoHeader(info, link)
	if err != nil {
		return err
	}
	h.Name = name
	if err := t.WriteHeader(h); err != nil || !info.Mode().IsRegular() {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(t, f)
	return err
}
