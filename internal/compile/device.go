package compile

import (
	"fmt"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/coraclehq/coracle/internal/script"
	"github.com/coraclehq/coracle/internal/sys"
)

// deviceLinks are the links that the specification demands (config-linux.md,
// "Dev symbolic links"), and ptmx of the container's own devpts.
var deviceLinks = [][2]string{
	{"fd", "/proc/self/fd"}, {"stdin", "/proc/self/fd/0"}, {"stdout", "/proc/self/fd/1"}, {"stderr", "/proc/self/fd/2"},
}

// devices makes device nodes and links on the container's own tmpfs.
func (c *container) devices() error {
	list, err := c.deviceList()
	if err != nil || c.mounts.dev == nil {
		return err
	}
	c.cd("/dev")
	made := map[string]bool{".": true}
	for _, d := range list {
		c.device(d, made)
	}
	for _, l := range deviceLinks {
		c.Op(script.Symlinkat, script.Str(l[1]), script.CWD, script.Str(l[0])).Doing("link /dev/" + l[0])
	}
	if c.has("/dev/pts") {
		c.Op(script.Symlinkat, script.Str("pts/ptmx"), script.CWD, script.Str("ptmx")).Doing("link /dev/ptmx")
	}
	if c.needsNull() {
		c.null = c.cell("null")
		c.Op(script.Openat, script.CWD, script.Str("null"), openFlags(sys.O_RDWR|sys.O_CLOEXEC, c.arch)).Into(c.null).Doing("open /dev/null")
	}
	return nil
}

// has says whether the kernel's own file system is mounted there.
func (c *container) has(dest string) bool {
	return slices.ContainsFunc(c.mounts.system, func(p mountPoint) bool { return p.dest == dest })
}

// deviceList is the default devices and the spec's, which take the place of a
// default one at the same path.
func (c *container) deviceList() ([]specs.LinuxDevice, error) {
	own := c.spec.Linux.Devices
	if c.mounts.dev == nil {
		switch {
		case len(own) > 0:
			return nil, invalid("/linux/devices", "there is no tmpfs on /dev")
		case c.needsNull():
			return nil, invalid("/mounts", "there is no tmpfs on /dev, and stdio needs its null")
		}
		return nil, nil
	}
	seen := map[string]bool{}
	for i, d := range own {
		if err := checkDevice(i, d); err != nil {
			return nil, err
		}
		if seen[d.Path] {
			return nil, invalid(at("linux", "devices", i, "path"), "%s stands twice", d.Path)
		}
		seen[d.Path] = true
	}
	list := slices.DeleteFunc(DefaultDevices(), func(d specs.LinuxDevice) bool { return seen[d.Path] })
	return append(list, own...), nil
}

// reservedDevices are paths that no device may have.
var reservedDevices = []string{"/dev/pts", "/dev/shm", "/dev/mqueue", "/dev/ptmx", "/dev/fd", "/dev/stdin", "/dev/stdout", "/dev/stderr", "/dev/console"}

func checkDevice(i int, d specs.LinuxDevice) error {
	pointer := at("linux", "devices", i)
	name, below := strings.CutPrefix(d.Path, "/dev/")
	switch {
	case !below || path.Clean(d.Path) != d.Path || strings.ContainsRune(name, 0):
		return unsupported(pointer+"/path", fmt.Sprintf("a device at %.200q, which is not below /dev", d.Path))
	case slices.ContainsFunc(reservedDevices, func(r string) bool { return d.Path == r || strings.HasPrefix(d.Path, r+"/") }):
		return invalid(pointer+"/path", "%s is the container's own", d.Path)
	case deviceType(d.Type) == 0:
		return invalid(pointer+"/type", "%.20q is not one of c, u, b, p", d.Type)
	case d.Type != "p" && (d.Major < 0 || d.Major > 4095 || d.Minor < 0 || d.Minor > 1<<20-1):
		return invalid(pointer, "%d:%d is no device number", d.Major, d.Minor)
	case d.FileMode != nil && *d.FileMode&^(os.ModePerm) != 0:
		return invalid(pointer+"/fileMode", "%#o is more than permissions", *d.FileMode)
	case d.Path == "/dev/null" && (d.Type != "c" || d.Major != 1 || d.Minor != 3):
		return invalid(pointer, "/dev/null must be the null device: masks are made of it")
	}
	return nil
}

func deviceType(t string) uint32 {
	switch t {
	case "c", "u":
		return sys.S_IFCHR
	case "b":
		return sys.S_IFBLK
	case "p":
		return sys.S_IFIFO
	}
	return 0
}

// device makes one node, relative to /dev. The umask is 0.
func (c *container) device(d specs.LinuxDevice, made map[string]bool) {
	name := strings.TrimPrefix(d.Path, "/dev/")
	c.deviceParents(path.Dir(name), made)
	kind, mode := deviceType(d.Type), uint32(0o666)
	if d.FileMode != nil {
		mode = uint32(*d.FileMode)
	}
	text := map[uint32]string{sys.S_IFCHR: "S_IFCHR", sys.S_IFBLK: "S_IFBLK", sys.S_IFIFO: "S_IFIFO"}[kind]
	number := script.Flags{N: makedev(d.Major, d.Minor), Text: fmt.Sprintf("makedev(%d, %d)", d.Major, d.Minor)}
	c.Op(script.Mknodat, script.CWD, script.Str(name), script.Flags{N: uint64(kind | mode), Text: fmt.Sprintf("%s|%#o", text, mode)}, number).
		Doing("make " + d.Path)
	var uid, gid uint32
	if d.UID != nil {
		uid = *d.UID
	}
	if d.GID != nil {
		gid = *d.GID
	}
	if uid|gid != 0 {
		c.Op(script.Fchownat, script.CWD, script.Str(name), script.Num(uid), script.Num(gid), script.Num(0)).Doing("set the owner of " + d.Path)
	}
}

func (c *container) deviceParents(dir string, made map[string]bool) {
	if made[dir] {
		return
	}
	c.deviceParents(path.Dir(dir), made)
	made[dir] = true
	c.Op(script.Mkdirat, script.CWD, script.Str(dir), octal(0o755)).Allow(sys.EEXIST).Doing("make /dev/" + dir)
}

// makedev is a device number as the kernel's 32-bit dev_t has it on the system
// call interface (new_encode_dev in linux/kdev_t.h).
func makedev(major, minor int64) uint64 {
	return uint64(minor&0xff | major<<8 | (minor&^0xff)<<12)
}
