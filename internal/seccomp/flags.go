package seccomp

import (
	"strconv"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/coraclehq/coracle/internal/sys"
)

// Flags returns the SECCOMP_FILTER_FLAG_* bits that a profile is to be loaded
// with. Those that it asks for need Linux 4.14 (LOG), 4.17 (SPEC_ALLOW) and 5.19
// (WAIT_KILLABLE_RECV). NEW_LISTENER (5.0) is among them if a rule of the profile
// asks for notification; seccomp(2) then returns a descriptor.
func Flags(p *specs.LinuxSeccomp) (uint32, error) {
	var flags uint32
	if notifies(p) {
		flags |= sys.SECCOMP_FILTER_FLAG_NEW_LISTENER
	}
	for i, f := range p.Flags {
		at := "/flags/" + strconv.Itoa(i)
		switch f {
		case "SECCOMP_FILTER_FLAG_TSYNC":
			// It concerns other threads of the process that loads the filter;
			// a process that is about to exec has none.
		case specs.LinuxSeccompFlagLog:
			flags |= sys.SECCOMP_FILTER_FLAG_LOG
		case specs.LinuxSeccompFlagSpecAllow:
			flags |= sys.SECCOMP_FILTER_FLAG_SPEC_ALLOW
		case specs.LinuxSeccompFlagWaitKillableRecv:
			// seccomp(2): EINVAL without a listener.
			if flags&sys.SECCOMP_FILTER_FLAG_NEW_LISTENER == 0 {
				return 0, fieldError(at, "%s without a rule of action %s", f, specs.ActNotify)
			}
			flags |= sys.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
		default:
			return 0, fieldError(at, "unknown flag %q", f)
		}
	}
	return flags, nil
}

// notifies says whether any call is to be answered by a listener.
func notifies(p *specs.LinuxSeccomp) bool {
	if p.DefaultAction == specs.ActNotify {
		return true
	}
	for i := range p.Syscalls {
		if p.Syscalls[i].Action == specs.ActNotify {
			return true
		}
	}
	return false
}
