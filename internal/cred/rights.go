package cred

import (
	"os"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/coraclehq/coracle/internal/sys"
)

// DefaultCapabilities are what root has in a container: Docker's less MKNOD,
// AUDIT_WRITE and SETFCAP. NET_RAW stays, because a program that carries it as a
// file capability (ping) cannot be executed without it in the bounding set.
func DefaultCapabilities() []string {
	return []string{
		"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_NET_BIND_SERVICE",
		"CAP_NET_RAW", "CAP_SETGID", "CAP_SETPCAP", "CAP_SETUID", "CAP_SYS_CHROOT",
	}
}

// DefaultRlimits are the limits of a container's processes: no core files, whose
// handler would be the host's, and enough descriptors for servers.
func DefaultRlimits() []specs.POSIXRlimit {
	return []specs.POSIXRlimit{
		{Type: "RLIMIT_CORE", Soft: 0, Hard: 0},
		{Type: "RLIMIT_NOFILE", Soft: 65536, Hard: 524288},
	}
}

// Clamp lowers limits to what this process may set: nobody raises a hard limit
// without CAP_SYS_RESOURCE. The limits given stay as they are.
func Clamp(limits []specs.POSIXRlimit) ([]specs.POSIXRlimit, error) {
	caps, err := sys.Capget(0)
	if err != nil || sys.Has(caps.Effective, sys.CAP_SYS_RESOURCE) {
		return limits, err
	}
	var clamped []specs.POSIXRlimit
	for _, l := range limits {
		resource, ok := rlimits[l.Type]
		if ok {
			now, err := sys.Prlimit(0, resource, nil)
			if err != nil {
				return nil, err
			}
			l.Hard, l.Soft = min(l.Hard, now.Max), min(l.Soft, now.Max)
		}
		clamped = append(clamped, l)
	}
	return clamped, nil
}

// OOMScoreAdj is the wanted score of oom_score_adj(5), or this program's own where
// that is higher: only CAP_SYS_RESOURCE lowers it.
func OOMScoreAdj(want int) (int, error) {
	caps, err := sys.Capget(0)
	if err != nil || sys.Has(caps.Effective, sys.CAP_SYS_RESOURCE) {
		return want, err
	}
	text, err := os.ReadFile("/proc/self/oom_score_adj")
	if err != nil {
		return 0, err
	}
	own, err := strconv.Atoi(strings.TrimSpace(string(text)))
	return max(want, own), err
}

// rlimits are the numbers of prlimit(2), from include/uapi/asm-generic/resource.h.
var rlimits = map[string]int{
	"RLIMIT_CPU": 0, "RLIMIT_FSIZE": 1, "RLIMIT_DATA": 2, "RLIMIT_STACK": 3, "RLIMIT_CORE": 4, "RLIMIT_RSS": 5,
	"RLIMIT_NPROC": 6, "RLIMIT_NOFILE": 7, "RLIMIT_MEMLOCK": 8, "RLIMIT_AS": 9, "RLIMIT_LOCKS": 10, "RLIMIT_SIGPENDING": 11,
	"RLIMIT_MSGQUEUE": 12, "RLIMIT_NICE": 13, "RLIMIT_RTPRIO": 14, "RLIMIT_RTTIME": 15,
}
