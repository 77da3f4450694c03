package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
)

// A machine is a guest that runs.
type machine struct {
	qemu *exec.Cmd
	port net.Conn // to the agent
	in   *bufio.Reader
	log  *console
	gone chan struct{} // closed when the emulator has ended
}

// boot starts a guest and returns when its agent is ready. Its files go into dir,
// which the caller removes. The guest ends with ctx, and with this process: the
// agent switches off when nobody is at the other end of the port.
func boot(ctx context.Context, i image, dir string, o options) (_ *machine, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	initrd := filepath.Join(dir, "initrd")
	if err := writeInitrd(initrd, self); err != nil {
		return nil, fmt.Errorf("write initrd: %w", err)
	}
	l, err := net.Listen("unix", filepath.Join(dir, "port"))
	if err != nil {
		return nil, err
	}
	defer l.Close()
	m := &machine{log: new(console), gone: make(chan struct{})}
	m.qemu = exec.CommandContext(ctx, "qemu-system-x86_64", arguments(i, initrd, l.Addr().String(), o)...)
	m.qemu.Stdout, m.qemu.Stderr = m.log, m.log
	m.qemu.Env = append(os.Environ(), "TMPDIR="+dir) // for what is written to the disk
	if err := m.qemu.Start(); err != nil {
		return nil, fmt.Errorf("%w: run make vm, which installs it", err)
	}
	go func() {
		_ = m.qemu.Wait()
		l.Close()
		close(m.gone)
	}()
	if m.port, err = l.Accept(); err == nil {
		m.in = bufio.NewReaderSize(m.port, maxFrame)
		err = m.ready()
	}
	if err != nil {
		m.close()
		return nil, fmt.Errorf("boot: %w; the guest's console:\n%s", errors.Join(ctx.Err(), err), m.log)
	}
	return m, nil
}

func (m *machine) ready() error {
	kind, _, err := readFrame(m.in)
	if err == nil && kind != frameReady {
		err = fmt.Errorf("frame %q from an agent that is not ready", kind)
	}
	return err
}

// close ends the guest at once; there is nothing in it to save.
func (m *machine) close() {
	_ = m.qemu.Process.Kill()
	<-m.gone
	if m.port != nil {
		m.port.Close()
	}
}

// arguments is the emulator's command line. The disk is NVMe because that driver,
// like ext4, is built into Debian's cloud kernel: nothing has to be loaded to find
// the root file system.
func arguments(i image, initrd, port string, o options) []string {
	cpu := "max"
	if o.accel == "kvm" {
		cpu = "host"
	}
	return append(strings.Fields("-nodefaults -no-user-config -display none -no-reboot -monitor none -serial stdio -machine q35"),
		"-accel", o.accel, "-cpu", cpu, "-smp", strconv.Itoa(o.cpus), "-m", strconv.Itoa(o.memory),
		"-kernel", i.kernel, "-initrd", initrd,
		// The kernel gives the words after -- to /init.
		"-append", "console=ttyS0 quiet panic=-1 tsc=reliable cgroup_no_v1=all -- init",
		"-drive", "file="+i.disk+",if=none,id=root,format=raw,snapshot=on,cache=unsafe", "-device", "nvme,drive=root,serial=root",
		"-device", "virtio-serial-pci", "-chardev", "socket,id=port,path="+port, "-device", "virtserialport,chardev=port,name=coracle")
}

// A console keeps the end of what the guest's kernel says.
type console struct {
	mu  sync.Mutex // guards buf
	buf []byte
}

func (c *console) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.buf = append(c.buf, p...)
	c.buf = c.buf[max(0, len(c.buf)-16<<10):]
	return len(p), nil
}

func (c *console) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return string(bytes.ReplaceAll(c.buf, []byte("\r"), nil))
}
