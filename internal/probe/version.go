package probe

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/coraclehq/coracle/internal/sys"
)

// Version is a kernel's version. Versions are compared with [Version.Compare];
// the release is for people.
type Version struct {
	Major, Minor, Patch int
	Release             string // all of it: "6.1.0-42-cloud-amd64"
}

// Kernel returns the version of the running kernel, zero on other systems.
// Decide by a [Feature] instead wherever there is one.
func Kernel() Version { return kernel() }

var kernel = sync.OnceValue(func() Version {
	release, _, err := sys.Uname()
	if err != nil {
		return Version{}
	}
	return ParseVersion(release)
})

// ParseVersion reads the numbers at the beginning of a release; what is missing
// is 0.
func ParseVersion(release string) Version {
	v := Version{Release: release}
	rest := release
	for _, n := range []*int{&v.Major, &v.Minor, &v.Patch} {
		end := strings.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' })
		if end < 0 {
			end = len(rest)
		}
		// A number too great for an int is that of no kernel.
		*n, _ = strconv.Atoi(rest[:end])
		if end == len(rest) || rest[end] != '.' {
			break
		}
		rest = rest[end+1:]
	}
	return v
}

// Compare returns -1, 0 or +1 as v is older than, the same as or newer than o,
// by the three numbers.
func (v Version) Compare(o Version) int {
	return cmp.Or(cmp.Compare(v.Major, o.Major), cmp.Compare(v.Minor, o.Minor), cmp.Compare(v.Patch, o.Patch))
}

// AtLeast says whether v is release ("5.12") or newer.
func (v Version) AtLeast(release string) bool { return v.Compare(ParseVersion(release)) >= 0 }

// String returns the release, or the numbers if there is none.
func (v Version) String() string {
	if v.Release != "" {
		return v.Release
	}
	return fmt.Sprintf("%d.%d.%d", v.Major, v.Minor, v.Patch)
}
