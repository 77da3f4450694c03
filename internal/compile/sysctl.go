package compile

import (
	"slices"
	"strings"

	"github.com/coraclehq/coracle/internal/namespace"
	"github.com/coraclehq/coracle/internal/script"
	"github.com/coraclehq/coracle/internal/sys"
)

// sysctls writes kernel parameters through the proc that was mounted here. Only
// those that belong to a namespace of the container's own are written: the
// others are the host's.
func (c *container) sysctls() error {
	keys := make([]string, 0, len(c.spec.Linux.Sysctl))
	for k := range c.spec.Linux.Sysctl {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		pointer := at("linux", "sysctl", k)
		file, err := sysctlFile(k, pointer)
		if err != nil {
			return err
		}
		if need := sysctlNamespace(file); need == 0 {
			return unsupported(pointer, "a parameter of the whole host")
		} else if !c.made.Has(need) {
			return invalid(pointer, "the %s namespace is not the container's own", need)
		}
		value := c.spec.Linux.Sysctl[k]
		switch {
		case c.mounts.proc == nil:
			return invalid(pointer, "there is no proc on /proc to write it to")
		case value == "" || len(value) > 4095 || strings.ContainsRune(value, 0):
			return invalid(pointer, "%.100q is no value", value)
		}
		c.cd("/proc")
		fd := c.cell("sysctl")
		c.open(script.CWD, "sys/"+file, sys.O_WRONLY|sys.O_CLOEXEC, sys.RESOLVE_BENEATH|sys.RESOLVE_NO_SYMLINKS|sys.RESOLVE_NO_XDEV).
			Into(fd).Doing("open the sysctl " + k)
		c.Op(script.Write, load(fd), script.Str(value), script.Num(len(value))).Doing("set the sysctl " + k + " to " + value)
	}
	return nil
}

// sysctlFile is the path of a parameter below /proc/sys. Where a dot comes before
// any slash the dots separate, and a slash stands for a dot in a name; else it is
// the other way round (sysctl(8)).
func sysctlFile(key, pointer string) (string, error) {
	file := key
	if i := strings.IndexAny(key, "./"); i >= 0 && key[i] == '.' {
		file = strings.Map(func(r rune) rune {
			switch r {
			case '.':
				return '/'
			case '/':
				return '.'
			}
			return r
		}, key)
	}
	for part := range strings.SplitSeq(file, "/") {
		if part == "" || part == "." || part == ".." || strings.ContainsRune(part, 0) {
			return "", invalid(pointer, "%.100q names no parameter", key)
		}
	}
	if len(file) > 1024 {
		return "", invalid(pointer, "the name is too long")
	}
	return file, nil
}

// sysctlNamespace is the kind of namespace that a parameter belongs to, 0 for
// none. From ipc/ipc_sysctl.c, ipc/mq_sysctl.c, kernel/utsname_sysctl.c; net is a
// tree of the network namespace's, where what is not its own cannot be written.
func sysctlNamespace(file string) namespace.Kind {
	switch file {
	case "kernel/msgmax", "kernel/msgmnb", "kernel/msgmni", "kernel/sem", "kernel/shmall", "kernel/shmmax", "kernel/shmmni",
		"kernel/shm_rmid_forced", "kernel/auto_msgmni", "kernel/msg_next_id", "kernel/sem_next_id", "kernel/shm_next_id":
		return namespace.IPC
	case "kernel/domainname":
		return namespace.UTS
	}
	switch {
	case strings.HasPrefix(file, "fs/mqueue/"):
		return namespace.IPC
	case strings.HasPrefix(file, "net/"):
		return namespace.Network
	}
	return 0
}
