package main

import (
	"bufio"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
)

//go:embed climit.c
var limitSource []byte

// limit is the C limit: processes that wait, one for each start at once.
type limit struct {
	command []string
	plan    string
	dir     string            // of the containers that are not the library's
	files   map[string][]byte // what each has
	gate    *os.File          // a byte lets one process begin
	wait    *os.File
	procs   []*limitProcess
}

type limitProcess struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

// buildLimit compiles the C limit.
func buildLimit(dir string) (string, error) {
	source, program := filepath.Join(dir, "climit.c"), filepath.Join(dir, "climit")
	if err := os.WriteFile(source, limitSource, 0o644); err != nil {
		return "", err
	}
	out, err := exec.Command("gcc", "-O2", "-o", program, source).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("gcc: %w: %s", err, out)
	}
	return program, nil
}

// capture reads the list from the file that the supervisor of a process runs.
func (b *bench) capture(pid int, id string, exec bool) (*list, error) {
	n, err := numbersOf(runtime.GOARCH)
	if err != nil {
		return nil, err
	}
	helper, err := parent(pid)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(fmt.Sprintf("/proc/%d/exe", helper))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readList(f, n, id, b.store(), b.limitStore(), exec)
}

// newLimit prepares the C limit for a list. container is the process of the running
// container that an exec joins; 0 for a start.
func (b *bench) newLimit(l *list, container int, groups []group, pidsMax string) (*limit, error) {
	program, err := buildLimit(b.dir)
	if err != nil {
		return nil, err
	}
	image := filepath.Join(b.dir, fmt.Sprintf("list%d", container))
	if err := os.WriteFile(image, l.image, 0o600); err != nil {
		return nil, err
	}
	m := &limit{command: []string{program, image}, plan: l.plan(container, pidsMax, groups), dir: b.limitStore()}
	m.wait, m.gate, err = os.Pipe()
	return m, err
}

// grow has n processes ready. Words before name what they run under.
func (m *limit) grow(n int, under ...string) error {
	for len(m.procs) < n {
		words := append(append(under, m.command...), "3")
		p := &limitProcess{cmd: exec.Command(words[0], words[1:]...)}
		p.cmd.Stderr = os.Stderr
		p.cmd.ExtraFiles = []*os.File{m.wait}
		in, err := p.cmd.StdinPipe()
		if err != nil {
			return err
		}
		out, err := p.cmd.StdoutPipe()
		if err != nil {
			return err
		}
		p.in, p.out = in, bufio.NewReader(out)
		if err := p.cmd.Start(); err != nil {
			return err
		}
		m.procs = append(m.procs, p)
		if _, err := io.WriteString(in, m.plan); err != nil {
			return err
		}
		if line, err := p.out.ReadString('\n'); err != nil || line != "ready\n" {
			return fmt.Errorf("the C limit did not begin: %s %w", line, err)
		}
	}
	return nil
}

// run makes n starts at once.
func (m *limit) run(n int) (answer, error) {
	if err := m.grow(n); err != nil {
		return answer{}, err
	}
	for _, p := range m.procs[:n] {
		id, err := m.container()
		if err != nil {
			return answer{}, err
		}
		fmt.Fprintln(p.in, id)
	}
	if _, err := m.gate.Write(make([]byte, n)); err != nil {
		return answer{}, err
	}
	times := make([][3]int64, n)
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i, p := range m.procs[:n] {
		wg.Go(func() {
			line, err := p.out.ReadString('\n')
			if err == nil {
				_, err = fmt.Sscan(line, &times[i][0], &times[i][1], &times[i][2])
			}
			if err != nil {
				errs[i] = fmt.Errorf("the C limit: %s", strings.TrimSpace(line))
			}
		})
	}
	wg.Wait()
	var a answer
	begin := times[0][0]
	for _, t := range times {
		begin = min(begin, t[0])
	}
	for _, t := range times {
		a.Started, a.Ended = append(a.Started, t[1]-begin), append(a.Ended, t[2]-begin)
	}
	return a, errors.Join(errs...)
}

// container makes the directories of a container as the library's Create does, and
// returns its ID.
func (m *limit) container() (string, error) {
	id := newID()
	if m.files == nil { // an exec
		return id, nil
	}
	dir := filepath.Join(m.dir, "containers", id)
	for _, d := range []string{"rootfs", "upper", "work"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			return "", err
		}
	}
	for name, text := range m.files {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			return "", err
		}
	}
	return id, nil
}

// end ends the processes.
func (m *limit) end() {
	for _, p := range m.procs {
		p.in.Close()
		p.cmd.Wait()
	}
	m.procs = nil
}

func (m *limit) close() {
	m.end()
	m.gate.Close()
	m.wait.Close()
}
