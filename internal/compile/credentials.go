package compile

import (
	"encoding/binary"
	"fmt"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/coraclehq/coracle/internal/script"
	"github.com/coraclehq/coracle/internal/sys"
)

// caps are the capability sets that capset(2) sets, by bit.
type caps struct{ effective, permitted, inheritable uint64 }

// identity is what the process becomes.
type identity struct {
	final    caps
	bounding uint64
	ambient  uint64
}

// credentials reads the user and the capabilities of the spec.
func (c *compiler) credentials() (identity, error) {
	var ids identity
	list := c.Process.Capabilities
	if list == nil {
		list = &specs.LinuxCapabilities{}
	}
	for _, set := range []struct {
		name  string
		names []string
		bits  *uint64
	}{
		{"bounding", list.Bounding, &ids.bounding},
		{"effective", list.Effective, &ids.final.effective},
		{"inheritable", list.Inheritable, &ids.final.inheritable},
		{"permitted", list.Permitted, &ids.final.permitted},
		{"ambient", list.Ambient, &ids.ambient},
	} {
		for i, name := range set.names {
			bit, ok := capability(name)
			switch {
			case !ok:
				return ids, invalid(at("process", "capabilities", set.name, i), "%.100q is no capability", name)
			case c.Kernel.LastCap > 0 && bit > c.Kernel.LastCap:
				return ids, unsupported(at("process", "capabilities", set.name, i), name+" is not known to this kernel")
			}
			*set.bits |= 1 << bit
		}
	}
	return ids, c.checkCaps(ids)
}

// checkCaps refuses what capset(2) and prctl(2) would refuse in the middle of a
// start, and a filter under which the start cannot end.
func (c *compiler) checkCaps(ids identity) error {
	switch {
	case ids.final.effective&^ids.final.permitted != 0:
		return invalid("/process/capabilities/effective", "has %s, which are not permitted", capabilities(ids.final.effective&^ids.final.permitted))
	case ids.ambient&^(ids.final.permitted&ids.final.inheritable) != 0:
		return invalid("/process/capabilities/ambient", "has %s, which are not both permitted and inheritable",
			capabilities(ids.ambient&^(ids.final.permitted&ids.final.inheritable)))
	}
	return c.checkFilter()
}

// capSysAdmin is CAP_SYS_ADMIN, without which a filter cannot be loaded by a
// process that may gain privileges: seccomp(2), EACCES.
const capSysAdmin = uint64(1) << sys.CAP_SYS_ADMIN

// workingCaps says whether the process keeps CAP_SYS_ADMIN until the filter is
// loaded. With no_new_privs the filter needs no capability.
func (c *compiler) workingCaps() bool {
	return len(c.Seccomp) > 0 && !c.Process.NoNewPrivileges
}

// become gives up what the process is to lose: the bounding set while there is
// CAP_SETPCAP, then groups, group, user and capabilities.
func (c *compiler) become(ids identity) {
	c.dropBounding(ids.bounding)
	working := ids.final
	if c.workingCaps() {
		working.permitted |= capSysAdmin
		working.effective |= capSysAdmin
	}
	u := c.Process.User
	if u.UID != 0 && working.permitted != 0 {
		// Leaving user 0 takes all capabilities otherwise: capabilities(7).
		c.prctl(sys.PR_SET_KEEPCAPS, "PR_SET_KEEPCAPS", 1, 0).Doing("keep capabilities over the change of user")
	}
	groups := make([]byte, 0, 4*len(u.AdditionalGids))
	for _, g := range u.AdditionalGids {
		groups = binary.LittleEndian.AppendUint32(groups, g)
	}
	var list script.Arg = script.Num(0)
	if len(groups) > 0 {
		list = script.Blob{Data: groups, Text: fmt.Sprint(u.AdditionalGids)}
	}
	// Always, also with none: the host program's would stay (CVE-2022-36109).
	c.Op(script.Setgroups, script.Num(len(u.AdditionalGids)), list).Doing("set the groups")
	c.Op(script.Setresgid, script.Num(u.GID), script.Num(u.GID), script.Num(u.GID)).Doing(fmt.Sprintf("become group %d", u.GID))
	c.Op(script.Setresuid, script.Num(u.UID), script.Num(u.UID), script.Num(u.UID)).Doing(fmt.Sprintf("become user %d", u.UID))
	// The inheritable set too: CVE-2022-29162.
	c.capset(working).Doing("set the capabilities")
	for bit := range 64 {
		if ids.ambient>>bit&1 == 1 {
			c.prctl(sys.PR_CAP_AMBIENT, "PR_CAP_AMBIENT", sys.PR_CAP_AMBIENT_RAISE, uint64(bit)).Doing("raise an ambient capability")
		}
	}
}

func (c *compiler) prctl(option uint64, name string, a, b uint64) *script.Op {
	return c.Op(script.Prctl, script.Flags{N: option, Text: name}, script.Num(a), script.Num(b), script.Num(0), script.Num(0))
}

// dropBounding drops what is not kept, to the last capability of the kernel; of
// one that it does not know the answer is EINVAL.
func (c *compiler) dropBounding(keep uint64) {
	last := c.Kernel.LastCap
	if last == 0 {
		last = 63
	}
	for bit := range last + 1 {
		if keep>>bit&1 == 1 {
			continue
		}
		o := c.prctl(sys.PR_CAPBSET_DROP, "PR_CAPBSET_DROP", uint64(bit), 0).Doing(fmt.Sprintf("drop capability %d for ever", bit))
		if c.Kernel.LastCap == 0 {
			o.Allow(sys.EINVAL)
		}
	}
}

// capset sets three of the five sets at once.
func (c *compiler) capset(s caps) *script.Op {
	const version3 = 0x20080522 // _LINUX_CAPABILITY_VERSION_3
	header := binary.LittleEndian.AppendUint64(nil, version3)
	data := make([]byte, 0, 24) // two struct __user_cap_data_struct, the low halves first
	for shift := 0; shift < 64; shift += 32 {
		for _, set := range []uint64{s.effective, s.permitted, s.inheritable} {
			data = binary.LittleEndian.AppendUint32(data, uint32(set>>shift))
		}
	}
	text := fmt.Sprintf("{effective %#x, permitted %#x, inheritable %#x}", s.effective, s.permitted, s.inheritable)
	return c.Op(script.Capset, script.Blob{Data: header, Text: "{_LINUX_CAPABILITY_VERSION_3, 0}"}, script.Blob{Data: data, Text: text})
}
