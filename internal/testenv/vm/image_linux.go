package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// suite is the Debian that the guest runs. Its kernel is 6.1: without lowerdir+
// (6.7), which the developer's machine has.
const suite = "bookworm"

// tools are the packages beyond the essential ones: what tests look for.
const tools = "busybox-static,e2fsprogs,iproute2,kmod,mount,nftables,passwd,procps,python3-minimal,strace"

// fetchKernel runs beside the new root with apt looking at its sources, so that
// kernel and root are of one suite. The package is unpacked, not installed: there
// is no boot loader to tell, and no initramfs to make.
const fetchKernel = `set -e; export APT_CONFIG="$MMDEBSTRAP_APT_CONFIG"; cd "$1/boot"
apt-get download -q "$(apt-cache depends linux-image-cloud-amd64 | awk '$1 == "Depends:" && $2 ~ /^linux-image-/ {print $2; exit}')"
dpkg-deb -x linux-image-*.deb "$1/boot/unpacked"; rm linux-image-*.deb
mv unpacked/lib/modules "$1/lib/modules"; mv unpacked/boot/vmlinuz-* vmlinuz; rm -r unpacked
chroot "$1" depmod "$(ls "$1/lib/modules")"`

// An image is a bootable guest.
type image struct {
	kernel string // file
	disk   string // file with an ext4 file system, never written to
}

// cached returns the guest, made at the first call with this recipe. It takes
// root and some 20 seconds then. Another run that makes it at the same time is no
// harm: the first to finish wins.
func cached(ctx context.Context) (image, error) {
	base, err := os.UserCacheDir()
	if err != nil {
		return image{}, err
	}
	recipe := sha256.Sum256([]byte(suite + "\x00" + tools + "\x00" + fetchKernel + "\x00" + users))
	dir := filepath.Join(base, "coracle-vm", hex.EncodeToString(recipe[:6]))
	i := image{kernel: filepath.Join(dir, "vmlinuz"), disk: filepath.Join(dir, "root.ext4")}
	if _, err := os.Stat(i.disk); err == nil {
		return i, nil
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return image{}, err
	}
	tmp, err := os.MkdirTemp(filepath.Dir(dir), "new-")
	if err != nil {
		return image{}, err
	}
	defer os.RemoveAll(tmp)
	if err := build(ctx, tmp); err != nil {
		return image{}, fmt.Errorf("make the guest's disk: %w", err)
	}
	if err := os.Rename(tmp, dir); err != nil && !errors.Is(err, fs.ErrExist) {
		return image{}, err
	}
	return i, nil
}

// build writes vmlinuz and root.ext4 into dir.
func build(ctx context.Context, dir string) error {
	if os.Geteuid() != 0 {
		return errors.New("needs root, for the owners of the files in it")
	}
	root := filepath.Join(dir, "root")
	if err := command(ctx, "mmdebstrap", "--quiet", "--mode=root", "--variant=essential", "--include="+tools,
		`--aptopt=APT::Install-Recommends "false"`,
		"--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/man/*", "--dpkgopt=path-exclude=/usr/share/locale/*",
		"--customize-hook="+fetchKernel, suite, root); err != nil {
		return err
	}
	if err := os.Rename(filepath.Join(root, "boot/vmlinuz"), filepath.Join(dir, "vmlinuz")); err != nil {
		return err
	}
	if err := addUsers(root); err != nil {
		return err
	}
	// Without a journal: a guest that is cut off is thrown away.
	if err := command(ctx, "mke2fs", "-q", "-t", "ext4", "-O", "^has_journal", "-d", root, filepath.Join(dir, "root.ext4"), "3G"); err != nil {
		return err
	}
	return os.RemoveAll(root)
}

// users are added to these files of the guest: one ordinary user, with ranges of
// subordinate IDs.
const users = `etc/passwd user:x:1000:1000:user:/home/user:/bin/sh
etc/group user:x:1000:
etc/subuid user:100000:65536
etc/subgid user:100000:65536`

func addUsers(root string) error {
	for line := range strings.Lines(users) {
		name, text, _ := strings.Cut(strings.TrimSpace(line), " ")
		f, err := os.OpenFile(filepath.Join(root, name), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
		if err != nil {
			return err
		}
		_, err = f.WriteString(text + "\n")
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
	}
	home := filepath.Join(root, "home/user")
	if err := os.MkdirAll(home, 0o755); err != nil {
		return err
	}
	return os.Chown(home, 1000, 1000)
}

// command runs a program, whose output is shown only if it fails.
func command(ctx context.Context, name string, args ...string) error {
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", name, err, out)
	}
	return nil
}
