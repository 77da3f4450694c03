package seccomp

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/coraclehq/coracle/internal/sys"
)

// FieldError says which part of a profile cannot be used. Pointer is the JSON
// pointer (RFC 6901) of the field within the profile, "/syscalls/3/args/0/op".
type FieldError struct {
	Pointer string
	Reason  string
}

func (e *FieldError) Error() string {
	return "seccomp profile: " + e.Pointer + ": " + e.Reason
}

func fieldError(pointer, format string, args ...any) error {
	return &FieldError{Pointer: pointer, Reason: fmt.Sprintf(format, args...)}
}

// maxRules bounds the work that a profile can ask for: names times rules, each
// alternative counted. Docker's profile has some 450.
const maxRules = 1 << 15

// profile is a profile that has been checked: return values instead of actions,
// and the rules of each name in the profile's order.
type profile struct {
	fallback uint32 // what calls without a rule get
	arches   []specs.Arch
	rules    map[string][]rule
	names    []string // of rules, in the profile's order
}

// rule is what one entry of a profile says about one call: ret, if all
// conditions hold.
type rule struct {
	ret    uint32
	conds  []cond // each on an argument of its own
	narrow []cond // the same for 32-bit architectures
}

// read checks a profile.
func read(p *specs.LinuxSeccomp) (*profile, error) {
	if p == nil {
		return nil, errors.New("seccomp profile: none given")
	}
	if p.ListenerMetadata != "" && p.ListenerPath == "" {
		return nil, fieldError("/listenerMetadata", "given without listenerPath")
	}
	ret, err := returnValue(p.DefaultAction, p.DefaultErrnoRet, "/defaultAction", "/defaultErrnoRet")
	if err != nil {
		return nil, err
	}
	out := &profile{fallback: ret, arches: p.Architectures, rules: make(map[string][]rule)}
	for i, a := range p.Architectures {
		if !knownArch(a) {
			return nil, fieldError("/architectures/"+strconv.Itoa(i), "unknown architecture %q", a)
		}
	}
	total := 0
	for i := range p.Syscalls {
		at := "/syscalls/" + strconv.Itoa(i)
		rules, err := readRules(&p.Syscalls[i], at)
		if err != nil {
			return nil, err
		}
		if total += len(rules) * len(p.Syscalls[i].Names); total > maxRules {
			return nil, fieldError(at, "more than %d rules", maxRules)
		}
		if err := out.add(p.Syscalls[i].Names, rules, at); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// readRules returns the rules of one entry: one, or one for each condition.
func readRules(s *specs.LinuxSyscall, at string) ([]rule, error) {
	if len(s.Names) == 0 {
		return nil, fieldError(at+"/names", "names no system call")
	}
	ret, err := returnValue(s.Action, s.ErrnoRet, at+"/action", at+"/errnoRet")
	if err != nil {
		return nil, err
	}
	one := rule{ret: ret}
	var seen [6]bool
	alternatives := false
	for i, a := range s.Args {
		at := at + "/args/" + strconv.Itoa(i)
		if a.Index > 5 {
			return nil, fieldError(at+"/index", "argument %d: system calls have arguments 0 to 5", a.Index)
		}
		wide, ok := newCond(a, false)
		if !ok {
			return nil, fieldError(at+"/op", "unknown operator %q", a.Op)
		}
		narrow, _ := newCond(a, true)
		alternatives = alternatives || seen[a.Index]
		seen[a.Index] = true
		one.conds, one.narrow = append(one.conds, wide), append(one.narrow, narrow)
	}
	if !alternatives {
		return []rule{one}, nil
	}
	// libseccomp has no conjunction of conditions on one argument, so runc and
	// crun add each condition of such an entry as a rule of its own, and
	// profiles are written for that.
	rules := make([]rule, len(one.conds))
	for i := range rules {
		rules[i] = rule{ret, one.conds[i : i+1], one.narrow[i : i+1]}
	}
	return rules, nil
}

// add notes the rules of one entry under each of its names.
func (p *profile) add(names []string, rules []rule, at string) error {
	for i, name := range names {
		if !knownCall(name) {
			// To skip a name that would have been allowed is safe, and profiles
			// name calls that are newer than any table.
			if len(rules) > 0 && strictness(rules[0].ret) > strictness(p.fallback) {
				return fieldError(at+"/names/"+strconv.Itoa(i), "unknown system call %q", name)
			}
			continue
		}
		if _, ok := p.rules[name]; !ok {
			p.names = append(p.names, name)
		}
		p.rules[name] = append(p.rules[name], rules...)
	}
	return nil
}

// maxErrno is MAX_ERRNO of linux/err.h: the kernel cuts larger values.
const maxErrno = 4095

// returnValue translates an action with its errno.
func returnValue(a specs.LinuxSeccompAction, errno *uint, atAction, atErrno string) (uint32, error) {
	data := uint32(sys.EPERM)
	if errno != nil {
		data = uint32(min(*errno, 1<<16))
	}
	switch a {
	case specs.ActErrno:
		if data > maxErrno {
			return 0, fieldError(atErrno, "%d is above %d, the largest errno", *errno, maxErrno)
		}
		return sys.SECCOMP_RET_ERRNO | data, nil
	case specs.ActTrace:
		if data > sys.SECCOMP_RET_DATA {
			return 0, fieldError(atErrno, "%d is above %d, the most a tracer can be told", *errno, sys.SECCOMP_RET_DATA)
		}
		return sys.SECCOMP_RET_TRACE | data, nil
	}
	ret, ok := plainAction(a)
	if !ok {
		return 0, fieldError(atAction, "unknown action %q", a)
	}
	// OCI runtime specification, config-linux.md, Seccomp: "When the action
	// doesn't support an errno, the runtime MUST print and error and fail."
	if errno != nil {
		return 0, fieldError(atErrno, "%s takes no errno", a)
	}
	return ret, nil
}

// plainAction translates the actions that carry no data.
func plainAction(a specs.LinuxSeccompAction) (ret uint32, ok bool) {
	switch a {
	case specs.ActKillProcess:
		return sys.SECCOMP_RET_KILL_PROCESS, true
	case specs.ActKill, specs.ActKillThread: // libseccomp: SCMP_ACT_KILL is the thread
		return sys.SECCOMP_RET_KILL_THREAD, true
	case specs.ActTrap:
		return sys.SECCOMP_RET_TRAP, true
	case specs.ActNotify:
		return sys.SECCOMP_RET_USER_NOTIF, true
	case specs.ActLog:
		return sys.SECCOMP_RET_LOG, true
	case specs.ActAllow:
		return sys.SECCOMP_RET_ALLOW, true
	}
	return 0, false
}

// strictness orders return values as the kernel does among several filters: the
// action as a signed number, the lowest being the strictest (seccomp(2),
// SECCOMP_SET_MODE_FILTER). More is stricter.
func strictness(ret uint32) int32 {
	return -(int32(ret&sys.SECCOMP_RET_ACTION_FULL) >> 16)
}
