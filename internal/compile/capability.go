package compile

import (
	"slices"
	"strings"
)

// capabilityNames are the capabilities by bit, from linux/capability.h.
var capabilityNames = [...]string{
	"CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP", "LINUX_IMMUTABLE",
	"NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER", "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT",
	"SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE", "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE",
	"AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP", "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ",
	"PERFMON", "BPF", "CHECKPOINT_RESTORE",
}

// capability is the bit of a capability by its name in a spec, CAP_CHOWN.
func capability(name string) (int, bool) {
	short, ok := strings.CutPrefix(name, "CAP_")
	bit := slices.Index(capabilityNames[:], short)
	return bit, ok && bit >= 0
}

// capabilities names the bits of a set.
func capabilities(set uint64) string {
	var names []string
	for bit, name := range capabilityNames {
		if set>>bit&1 == 1 {
			names = append(names, "CAP_"+name)
		}
	}
	return strings.Join(names, ", ")
}
