package compile

import (
	"encoding/binary"
	"fmt"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/coraclehq/coracle/internal/script"
	"github.com/coraclehq/coracle/internal/sys"
)

// resources are the limits of setrlimit(2) by name.
var resources = map[string]int64{
	"RLIMIT_CPU": sys.RLIMIT_CPU, "RLIMIT_FSIZE": sys.RLIMIT_FSIZE, "RLIMIT_DATA": sys.RLIMIT_DATA, "RLIMIT_STACK": sys.RLIMIT_STACK,
	"RLIMIT_CORE": sys.RLIMIT_CORE, "RLIMIT_RSS": sys.RLIMIT_RSS, "RLIMIT_NPROC": sys.RLIMIT_NPROC, "RLIMIT_NOFILE": sys.RLIMIT_NOFILE,
	"RLIMIT_MEMLOCK": sys.RLIMIT_MEMLOCK, "RLIMIT_AS": sys.RLIMIT_AS, "RLIMIT_LOCKS": sys.RLIMIT_LOCKS, "RLIMIT_SIGPENDING": sys.RLIMIT_SIGPENDING,
	"RLIMIT_MSGQUEUE": sys.RLIMIT_MSGQUEUE, "RLIMIT_NICE": sys.RLIMIT_NICE, "RLIMIT_RTPRIO": sys.RLIMIT_RTPRIO, "RLIMIT_RTTIME": sys.RLIMIT_RTTIME,
}

// limits sets the resource limits. One above the host program's hard limit fails
// for want of CAP_SYS_RESOURCE: the caller clamps.
func (c *compiler) limits() error {
	seen := map[string]bool{}
	for i, l := range c.Process.Rlimits {
		n, ok := resources[l.Type]
		pointer := at("process", "rlimits", i)
		switch {
		case !ok:
			return invalid(pointer+"/type", "%.100q is no limit", l.Type)
		case seen[l.Type]:
			return invalid(pointer+"/type", "%s stands twice", l.Type)
		case l.Soft > l.Hard:
			return invalid(pointer+"/soft", "%d is above the hard limit %d", l.Soft, l.Hard)
		}
		seen[l.Type] = true
		value := binary.LittleEndian.AppendUint64(nil, l.Soft)
		value = binary.LittleEndian.AppendUint64(value, l.Hard)
		text := fmt.Sprintf("{%s, %s}", limit(l.Soft), limit(l.Hard))
		c.Op(script.Prlimit64, script.Num(0), script.Flags{N: uint64(n), Text: l.Type}, script.Blob{Data: value, Text: text}, script.Num(0)).
			Doing("set " + l.Type + " to " + text)
	}
	return nil
}

func limit(n uint64) string {
	if n == sys.RLIM_INFINITY {
		return "unlimited"
	}
	return fmt.Sprint(n)
}

// personality sets the execution domain (config-linux.md, "Personality").
func (c *compiler) personality() error {
	p := c.persona
	if p == nil {
		return nil
	}
	n, ok := map[specs.LinuxPersonalityDomain]int64{specs.PerLinux: 0, specs.PerLinux32: 8}[p.Domain]
	switch {
	case !ok:
		return invalid("/linux/personality/domain", "%.100q is no domain", string(p.Domain))
	case len(p.Flags) > 0:
		return unsupported("/linux/personality/flags", "flags")
	}
	c.Op(script.Personality, script.Flags{N: uint64(n), Text: "PER_" + string(p.Domain)}).Doing("set the personality")
	return nil
}
