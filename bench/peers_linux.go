package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// runtimePeer is an OCI runtime: crun, runc.
type runtimePeer struct {
	b       *bench
	name    string
	spec    *specs.Spec
	threads *threads
	held    string // the container that execs join
	release chan struct{}
}

// peer makes the peer of an OCI runtime and the contender that it is. crun refuses
// hosts with cgroup v1 beside v2: there it is shown v2 alone, where what it would
// limit has no controller.
func (b *bench) peer(name, state string) (*runtimePeer, *contender) {
	p := &runtimePeer{b: b, name: name, spec: b.peerSpec, threads: &threads{}}
	b.later(p.close)
	if hybrid, _ := filepath.Glob("/sys/fs/cgroup/*/tasks"); name == "crun" && len(hybrid) > 0 {
		spec, linux := *p.spec, *p.spec.Linux
		linux.Resources = nil
		spec.Linux = &linux
		p.spec, p.threads.unified = &spec, true
		state += "; shown cgroup v2 alone, no limit of processes"
	}
	return p, &contender{name: name, state: state, missing: installed(name)}
}

// peerSpec is the spec that the library resolved for its container, as a runtime
// takes it: the same namespaces, capabilities, seccomp profile, masked and read-only
// paths, mounts and limits. ID and ROOT are put in for each container.
func peerSpec(resolved *specs.Spec, files string) *specs.Spec {
	s, process, linux := *resolved, *resolved.Process, *resolved.Linux
	s.Version = "1.0.2" // what Debian's runtimes know
	s.Root = &specs.Root{Path: "ROOT"}
	process.Args = []string{"/bin/true"}
	process.Rlimits = slices.Clone(process.Rlimits)
	for i, r := range process.Rlimits { // as the library does, no higher than ours
		var own syscall.Rlimit
		if r.Type == "RLIMIT_NOFILE" && syscall.Getrlimit(syscall.RLIMIT_NOFILE, &own) == nil {
			process.Rlimits[i].Hard, process.Rlimits[i].Soft = min(r.Hard, own.Max), min(r.Soft, own.Max)
		}
	}
	s.Mounts = slices.Clone(s.Mounts)
	for i, m := range s.Mounts {
		if m.Type == "bind" {
			s.Mounts[i].Source = filepath.Join(files, filepath.Base(m.Source))
		}
	}
	pids := int64(4096)
	linux.Resources = &specs.LinuxResources{Pids: &specs.LinuxPids{Limit: &pids}}
	linux.CgroupsPath = "/CGROUPS/ID"
	s.Process, s.Linux = &process, &linux
	return &s
}

// bundle makes the bundle of a container; its root is mounted when it runs.
func (p *runtimePeer) bundle(args ...string) (id, dir string, err error) {
	id = "bench" + newID()[:16]
	dir = filepath.Join(p.b.dir, "peers", id)
	for _, d := range []string{"merged", "upper", "work"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			return "", "", err
		}
	}
	spec := *p.spec
	process := *spec.Process
	process.Args = args
	spec.Process = &process
	document, err := json.Marshal(spec)
	if err != nil {
		return "", "", err
	}
	document = bytes.ReplaceAll(document, []byte(`"ROOT"`), []byte(`"`+dir+`/merged"`))
	document = bytes.ReplaceAll(document, []byte("/CGROUPS/ID"), []byte("/"+p.b.name+"/"+id))
	return id, dir, os.WriteFile(dir+"/config.json", document, 0o644)
}

// overlay mounts the root of a peer's container.
func (b *bench) overlay(dir string) error {
	options := fmt.Sprintf("lowerdir=%s,upperdir=%s/upper,workdir=%s/work", b.rootfs(), dir, dir)
	if err := syscall.Mount("overlay", dir+"/merged", "overlay", 0, options); err != nil {
		return fmt.Errorf("mount overlay: %w", err)
	}
	return nil
}

func (p *runtimePeer) command(args ...string) *exec.Cmd {
	return exec.Command(p.name, append([]string{"--root=" + p.b.dir + "/" + p.name}, args...)...)
}

// output runs a command; what it says on stderr is the error. A file takes it: a
// pipe would be open as long as a container is that got it as its stderr.
func output(c *exec.Cmd) error {
	said, err := os.CreateTemp("", "coracle-bench-stderr-")
	if err != nil {
		return err
	}
	defer os.Remove(said.Name())
	defer said.Close()
	c.Stderr = said
	if err := c.Run(); err != nil {
		text, _ := os.ReadFile(said.Name())
		return fmt.Errorf("%s: %w: %s", filepath.Base(c.Path), err, strings.TrimSpace(string(text)))
	}
	return nil
}

// run starts n containers at once. The mount of the overlay, which these runtimes
// leave to the caller, is part of the time; bundle, unmounting and what the runtime
// does after it has answered are not.
func (p *runtimePeer) run(n int) (answer, error) {
	ids, dirs := make([]string, n), make([]string, n)
	for i := range n {
		var err error
		if ids[i], dirs[i], err = p.bundle("/bin/true"); err != nil {
			return answer{}, err
		}
	}
	return p.b.external(p.threads, dirs, func(i int) *exec.Cmd { return p.command("run", "--bundle="+dirs[i], ids[i]) })
}

// external runs one command for each directory, all at once.
func (b *bench) external(on *threads, dirs []string, command func(i int) *exec.Cmd) (answer, error) {
	return on.atOnce(len(dirs), func(i int) (func(), error) {
		if err := b.overlay(dirs[i]); err != nil {
			return func() {}, err
		}
		after := func() { syscall.Unmount(dirs[i]+"/merged", syscall.MNT_DETACH) }
		return after, output(command(i))
	})
}

// hold starts the container that execs join. Its root stays mounted, on a thread of
// its own, until the end.
func (p *runtimePeer) hold() error {
	id, dir, err := p.bundle("/bin/sleep", "1000000")
	if err != nil {
		return err
	}
	up := make(chan error)
	p.held, p.release = id, make(chan struct{})
	on := &threads{unified: p.threads.unified}
	go on.atOnce(1, func(int) (func(), error) {
		err := p.b.overlay(dir)
		if err == nil {
			err = output(p.command("run", "--detach", "--bundle="+dir, id))
		}
		up <- err
		<-p.release
		p.command("delete", "--force", id).Run()
		up <- errors.New("ended")
		return func() { syscall.Unmount(dir+"/merged", syscall.MNT_DETACH) }, nil
	})
	err = <-up
	ended := up
	release := p.release
	p.b.later(func() { close(release); <-ended; on.close() })
	return err
}

// exec starts n processes in the container that is held.
func (p *runtimePeer) exec(n int) (answer, error) {
	if p.held == "" {
		if err := p.hold(); err != nil {
			return answer{}, err
		}
	}
	return p.threads.atOnce(n, func(int) (func(), error) {
		return func() {}, output(p.command("exec", p.held, "/bin/true"))
	})
}

func (p *runtimePeer) close() { p.threads.close() }

// bwrap runs n containers at once with what bubblewrap has: the namespaces, proc and
// dev, no capabilities; no cgroup, no seccomp filter, no masked paths.
func (b *bench) bwrap(n int) (answer, error) {
	var dirs []string
	for range n {
		dir := filepath.Join(b.dir, "peers", "bwrap"+newID()[:16])
		for _, d := range []string{"merged", "upper", "work"} {
			if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
				return answer{}, err
			}
		}
		dirs = append(dirs, dir)
	}
	return b.external(&b.plain, dirs, func(i int) *exec.Cmd {
		return exec.Command("bwrap", "--bind", dirs[i]+"/merged", "/",
			"--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup", "--hostname", "bench",
			"--proc", "/proc", "--dev", "/dev", "--mqueue", "/dev/mqueue", "--ro-bind", "/sys", "/sys", "--ro-bind", "/proc/sys", "/proc/sys",
			"--cap-drop", "ALL", "--", "/bin/true")
	})
}
