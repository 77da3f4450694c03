package compile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/coraclehq/coracle/internal/probe"
	"github.com/coraclehq/coracle/internal/sys"
)

// Probe finds the facts about the kernel that runs, once. The Places are those of
// the default masked and read-only paths. The result is shared: it must not be
// changed.
func Probe() Kernel { return facts() }

var facts = sync.OnceValue(func() Kernel {
	k := Kernel{
		CloseRange:   probe.CloseRange.Supported(),
		MountSetattr: probe.MountSetattr.Supported(),
		TimeExec:     probe.Kernel().AtLeast("6.2") && probe.TimeNamespace.Supported(),
		PageSize:     os.Getpagesize(),
		Places:       map[string]Place{},
	}
	if b, err := os.ReadFile("/proc/sys/kernel/cap_last_cap"); err == nil {
		k.LastCap, _ = strconv.Atoi(strings.TrimSpace(string(b)))
	}
	for _, p := range append(DefaultMaskedPaths(MaskedHere()), DefaultReadonlyPaths()...) {
		k.Places[p] = look(p)
	}
	return k
})

// look says what stands at a path of the host's proc or sysfs. The host may
// itself be in a container, where a mask has the type of what it hides; but a
// proc or sysfs that shows only a part says nothing of what is absent.
func look(path string) Place {
	whole := "/proc/filesystems"
	if strings.HasPrefix(path, "/sys/") {
		whole = "/sys/kernel"
	}
	info, err := os.Lstat(path)
	switch {
	case err == nil && info.IsDir():
		return Directory
	case err == nil && info.Mode()&fs.ModeSymlink == 0:
		return File
	case errors.Is(err, fs.ErrNotExist):
		if _, err := os.Lstat(whole); err == nil {
			return Absent
		}
	}
	return Unknown
}

// maskedPatterns are the paths of DefaultMaskedPaths that depend on the machine.
var maskedPatterns = []string{
	"/sys/devices/system/cpu/cpu[0-9]*/thermal_throttle",
	"/sys/kernel/kexec*",
}

// MaskedHere returns the masked paths that depend on the machine, for
// [DefaultMaskedPaths].
func MaskedHere() []string {
	var found []string
	for _, pattern := range maskedPatterns {
		matches, _ := filepath.Glob(pattern) // the only error is a bad pattern
		found = append(found, matches...)
	}
	return found
}

// Look finds the facts about the sources of a spec's bind mounts, following
// symbolic links as the mount will. A source that is missing is an error which
// wraps fs.ErrNotExist.
func Look(s *specs.Spec, k Kernel) (map[string]Source, error) {
	found := map[string]Source{}
	for i, m := range s.Mounts {
		p, err := newMountPoint(i, m)
		if err != nil {
			return nil, err
		}
		if !p.bind {
			continue
		}
		info, err := os.Stat(m.Source)
		if err != nil {
			return nil, &SpecError{at("mounts", i, "source"), err}
		}
		source := Source{File: !info.IsDir()}
		if !k.MountSetattr {
			var st syscall.Statfs_t
			if err := syscall.Statfs(m.Source, &st); err != nil {
				return nil, &SpecError{at("mounts", i, "source"), fmt.Errorf("statfs %s: %w", m.Source, err)}
			}
			source.Flags = mountBits(uint64(st.Flags))
		}
		found[m.Source] = source
	}
	return found, nil
}

// mountBits are the MS_ bits of a mount by what statfs(2) says of it (ST_ bits).
// The lowest four, noatime and nodiratime are the same in both; relatime is not.
func mountBits(st uint64) uint64 {
	const (
		same          = sys.MS_RDONLY | sys.MS_NOSUID | sys.MS_NODEV | sys.MS_NOEXEC | sys.MS_NOATIME | sys.MS_NODIRATIME
		stRelatime    = 0x1000
		stNosymfollow = 0x2000
	)
	bits := st & same
	if st&stRelatime != 0 {
		bits |= sys.MS_RELATIME
	}
	if st&stNosymfollow != 0 {
		bits |= sys.MS_NOSYMFOLLOW
	}
	return bits
}
