package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/coraclehq/coracle"
)

// bench is one run.
type bench struct {
	out         io.Writer
	rounds      int
	at          []int
	parent      string
	heap        int
	only        []string
	pause       time.Duration
	settle      time.Duration
	interrupted <-chan os.Signal

	dir      string // everything of this run
	name     string // of its cgroups
	pool     int    // network namespaces that the pool has ready
	storeID  string
	peerSpec *specs.Spec
	plain    threads
	closers  []func()
}

// The store of the library and the C limit's directory have names of one length, so
// that one takes the other's place in a list.
func (b *bench) store() string      { return b.dir + "/store" }
func (b *bench) limitStore() string { return b.dir + "/limit" }
func (b *bench) rootfs() string     { return b.dir + "/rootfs" }

// The images: true, and one in which /bin/true stays, so that its supervisor can be
// looked at.
const (
	image     = "bench/true"
	holdImage = "bench/hold"
)

func newID() string {
	var b [idLength / 2]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

func (b *bench) measure(what string) (err error) {
	if b.dir, err = os.MkdirTemp(b.parent, "coracle-bench-"); err != nil {
		return err
	}
	b.name = filepath.Base(b.dir)
	b.later(func() {
		sweepGroups(b.name)
		sweepGroups("coracle/" + b.storeID)
		err = errors.Join(err, os.RemoveAll(b.dir))
	})
	defer b.close()
	b.pool = slices.Max(b.at)
	if err := b.prepare(); err != nil {
		return err
	}
	b.describe()
	if what == "start" {
		return b.start()
	}
	return b.exec()
}

func (b *bench) later(f func()) { b.closers = append(b.closers, f) }

func (b *bench) close() {
	for _, f := range slices.Backward(b.closers) {
		f()
	}
}

// host starts a host that ends with the run.
func (b *bench) host(heap, ready int) (*hosted, error) {
	h, err := newHost(hostOptions{b.store(), heap, ready})
	if err == nil {
		b.later(func() { h.close() })
	}
	return h, err
}

// prepare makes the root file system and the images.
func (b *bench) prepare() error {
	if err := makeRoot(b.rootfs()); err != nil {
		return err
	}
	hold := b.dir + "/hold"
	if err := makeRoot(hold); err != nil {
		return err
	}
	os.Remove(hold + "/bin/true")
	if err := os.WriteFile(hold+"/bin/true", []byte("#!/bin/sh\nexec sleep 1000000\n"), 0o755); err != nil {
		return err
	}
	ctx := context.Background()
	e, err := coracle.Open(b.store(), &coracle.Options{Volatile: true})
	if err != nil {
		return err
	}
	for name, dir := range map[string]string{image: b.rootfs(), holdImage: hold} {
		if _, err := e.NewImage(ctx, name, coracle.FromFS(os.DirFS(dir), coracle.ImageConfig{})); err != nil {
			return errors.Join(err, e.Close())
		}
	}
	err = b.resolve(ctx, e)
	return errors.Join(err, e.Close())
}

// resolve keeps the spec that the library makes, for the peers.
func (b *bench) resolve(ctx context.Context, e *coracle.Engine) error {
	img, err := e.Image(ctx, image)
	if err != nil {
		return err
	}
	var document []byte
	c, err := e.Create(ctx, img, coracle.Config{Cmd: coracle.Cmd{Args: []string{"/bin/true"}}, Spec: func(s *specs.Spec) (err error) {
		document, err = json.Marshal(s)
		return err
	}})
	if err != nil {
		return err
	}
	if err := c.Remove(ctx, false); err != nil {
		return err
	}
	var resolved specs.Spec
	if err := json.Unmarshal(document, &resolved); err != nil {
		return err
	}
	// What is bound over the root: copies, for the container is gone.
	files := b.dir + "/files"
	if err := os.Mkdir(files, 0o755); err != nil {
		return err
	}
	for _, name := range []string{"hosts", "hostname", "resolv.conf"} {
		if err := os.WriteFile(files+"/"+name, []byte("# "+name+"\n"), 0o644); err != nil {
			return err
		}
	}
	b.peerSpec = peerSpec(&resolved, files)
	return nil
}

// makeRoot fills a root file system: a static busybox and what images have.
func makeRoot(dir string) error {
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		return fmt.Errorf("%w: make deps installs it", err)
	}
	program, err := os.ReadFile(busybox)
	if err != nil {
		return err
	}
	for _, d := range []string{"bin", "dev", "etc", "proc", "root", "sys", "tmp"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			return err
		}
	}
	files := map[string]string{
		"etc/passwd": "root:x:0:0:root:/root:/bin/sh\n", "etc/group": "root:x:0:\n",
		"etc/hosts": "", "etc/hostname": "", "etc/resolv.conf": "",
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	if err := os.WriteFile(dir+"/bin/busybox", program, 0o755); err != nil {
		return err
	}
	for _, applet := range []string{"sh", "sleep", "true"} {
		if err := os.Symlink("busybox", dir+"/bin/"+applet); err != nil {
			return err
		}
	}
	return exec.Command("chroot", dir, "/bin/true").Run() // is it static?
}

// describe says what is measured where.
func (b *bench) describe() {
	var u syscall.Utsname
	syscall.Uname(&u)
	var release []byte
	for _, c := range u.Release {
		if c == 0 {
			break
		}
		release = append(release, byte(c))
	}
	load, _ := os.ReadFile("/proc/loadavg")
	average, _, _ := strings.Cut(string(load), " ")
	fmt.Fprintf(b.out, "Linux %s %s, %d processors, %s, load %s before; store and roots on %s, nothing synced\n",
		release, runtime.GOARCH, runtime.NumCPU(), runtime.Version(), average, fileSystem(b.dir))
	for _, p := range [][]string{{"crun", "--version"}, {"runc", "--version"}, {"bwrap", "--version"}} {
		if out, err := exec.Command(p[0], p[1:]...).Output(); err == nil {
			fmt.Fprintln(b.out, firstLine(string(out)))
		}
	}
}

// fileSystem is the kind of the file system that holds dir.
func fileSystem(dir string) string {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return "an unknown file system"
	}
	kind, longest := "an unknown file system", -1
	for line := range strings.Lines(string(text)) {
		before, after, _ := strings.Cut(line, " - ")
		left, right := strings.Fields(before), strings.Fields(after)
		if len(left) > 4 && len(right) > 0 && len(left[4]) > longest && strings.HasPrefix(dir+"/", strings.TrimSuffix(left[4], "/")+"/") {
			kind, longest = right[0], len(left[4])
		}
	}
	return kind
}

// parent is the process that made another: of a container's process its supervisor.
func parent(pid int) (int, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	_, after, _ := strings.Cut(string(text), "\nPPid:")
	var n int
	_, err = fmt.Sscan(after, &n)
	return n, err
}

// wanted says whether a contender is among those that were asked for.
func (b *bench) wanted(name string) bool {
	return name == limitName || len(b.only) == 0 ||
		slices.ContainsFunc(b.only, func(part string) bool { return strings.Contains(name, part) })
}

// stopped says that the run was interrupted.
func (b *bench) stopped() bool {
	select {
	case <-b.interrupted:
		return true
	default:
		return false
	}
}
