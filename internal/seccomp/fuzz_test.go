package seccomp

import (
	"encoding/json"
	"math/rand/v2"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/require"

	"github.com/coraclehq/coracle/internal/sys"
)

// FuzzCompile reads a profile from JSON, as a bundle has it. What compiles is a
// valid filter that says what the profile says.
func FuzzCompile(f *testing.F) {
	f.Add([]byte(`{"defaultAction": "SCMP_ACT_ERRNO", "architectures": ["SCMP_ARCH_X86", "SCMP_ARCH_X32"], "syscalls": [
		{"names": ["read", "write", "socket"], "action": "SCMP_ACT_ALLOW"},
		{"names": ["clone"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 2114060288, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}]}]}`), uint64(1))
	f.Add([]byte(`{"defaultAction": "SCMP_ACT_ALLOW", "flags": ["SECCOMP_FILTER_FLAG_LOG"], "syscalls": [{"names": ["ioctl"], "action": "SCMP_ACT_KILL", "args": [
		{"index": 1, "value": 18446744073709551615, "op": "SCMP_CMP_GE"}, {"index": 1, "value": 3, "op": "SCMP_CMP_NE"}]}]}`), uint64(2))
	for seed := range uint64(5) {
		text, err := json.Marshal(randomProfile(rand.New(rand.NewPCG(seed, 5))))
		require.NoError(f, err)
		f.Add(text, seed)
	}
	f.Fuzz(func(t *testing.T, text []byte, seed uint64) {
		var p specs.LinuxSeccomp
		if json.Unmarshal(text, &p) != nil {
			return
		}
		_, _ = Flags(&p)
		r := rand.New(rand.NewPCG(seed, 6))
		for _, host := range []sys.Arch{sys.AMD64, sys.ARM64} {
			filter, err := Compile(&p, host)
			if err != nil {
				require.Nil(t, filter)
				continue
			}
			requireValid(t, filter)
			filter.Denied(host, "execve", "write")
			m := newModel(&p, host)
			for range 30 {
				d := likelyData(r, host, &p)
				if hidden(d) {
					continue
				}
				require.Equal(t, m.verdict(t, d), filter.Run(d), "%s %+v", host, d)
			}
		}
	})
}

// hidden says whether a call is one of those that carry others, which the model
// does not know.
func hidden(d Data) bool {
	for _, m := range muxes() {
		if nr, _ := sys.I386.Number(m.name); d.Arch == sys.I386.AuditArch() && d.NR == uint32(nr) {
			return true
		}
	}
	return false
}

// likelyData returns calls with arguments from the conditions of a profile.
func likelyData(r *rand.Rand, host sys.Arch, p *specs.LinuxSeccomp) Data {
	d := randomData(r, host)
	if len(p.Syscalls) == 0 {
		return d
	}
	s := p.Syscalls[r.IntN(len(p.Syscalls))]
	a := pick(r, abisOf(host))
	if nr, ok := a.number(pick(r, s.Names)); ok && r.IntN(2) == 0 {
		d.NR, d.Arch = nr, a.arch.AuditArch()
	}
	for _, c := range s.Args {
		switch r.IntN(3) {
		case 0:
			d.Args[c.Index] = c.Value + uint64(r.IntN(3)) - 1
		case 1:
			d.Args[c.Index] = uint64(r.IntN(48))
		}
	}
	if d.Arch != host.AuditArch() {
		for i := range d.Args {
			d.Args[i] = uint64(uint32(d.Args[i]))
		}
	}
	return d
}
