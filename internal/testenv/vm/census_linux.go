package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// A scene is what is in the machine between two jobs: processes, mounts, groups
// and loop devices by a line that names each.
type scene map[string]bool

func census() (scene, error) {
	s := scene{}
	for _, look := range []func(scene) error{processes, mounts, groups} {
		if err := look(s); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// left says what is there that was not there before. What is on its way out, as a
// process that was killed is, gets a moment.
func (s scene) left() error {
	var found []string
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		after, err := census()
		if err != nil {
			return err
		}
		found = nil
		for line := range after {
			if !s[line] {
				found = append(found, line)
			}
		}
		if found == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the tests left behind:\n%s", strings.Join(found, "\n"))
		}
	}
}

func processes(s scene) error {
	paths, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return err
	}
	for _, p := range paths {
		// Kernel threads have no command line.
		if b, err := os.ReadFile(p + "/cmdline"); err == nil && len(b) > 0 {
			s["process "+filepath.Base(p)+": "+strings.ReplaceAll(string(b), "\x00", " ")] = true
		}
	}
	return nil
}

func mounts(s scene) error {
	b, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(b)) {
		s["mount "+strings.TrimSpace(line)] = true
	}
	return nil
}

func groups(s scene) error {
	return filepath.WalkDir(cgroups, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			s["cgroup "+path] = true
		}
		return nil // it may be gone by now
	})
}
