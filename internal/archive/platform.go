package archive

import (
	"runtime"
	"slices"
	"strings"

	imagespec "github.com/opencontainers/image-spec/specs-go/v1"
)

// machine is the platform that containers of this machine run on.
func machine() imagespec.Platform {
	return imagespec.Platform{OS: "linux", Architecture: runtime.GOARCH}
}

// platformString writes a platform as os/architecture/variant.
func platformString(p imagespec.Platform) string {
	parts := []string{p.OS, p.Architecture}
	if p.Variant != "" {
		parts = append(parts, p.Variant)
	}
	for i, s := range parts {
		if s == "" {
			s = "unknown"
		}
		q := quote(s)
		parts[i] = strings.Trim(q, `"`)
	}
	return strings.Join(parts, "/")
}

// variants are those of an architecture, the newest first, and the one that is
// meant where none is named. A machine runs its variant and the older ones. See
// the OCI image index specification, "Platform Variants".
func variants(architecture string) (known []string, unnamed string) {
	switch architecture {
	case "arm":
		return []string{"v8", "v7", "v6", "v5"}, "v7"
	case "arm64":
		return []string{"v9", "v8"}, "v8"
	case "amd64":
		return []string{"v4", "v3", "v2", "v1"}, "v1"
	}
	return nil, ""
}

// rank says how well an image for have serves who wants want: 0 is exact, more is
// worse, and false means not at all.
func rank(want, have imagespec.Platform) (int, bool) {
	if want.OS != have.OS || want.Architecture != have.Architecture {
		return 0, false
	}
	known, unnamed := variants(want.Architecture)
	if want.Variant == "" {
		want.Variant = unnamed
	}
	if have.Variant == "" {
		have.Variant = unnamed
	}
	if want.Variant == have.Variant {
		return 0, true
	}
	w, h := slices.Index(known, want.Variant), slices.Index(known, have.Variant)
	if w < 0 || h < w {
		return 0, false
	}
	return h - w, true
}

// fieldsOf are the fields of a platform that images are chosen by.
func fieldsOf(p imagespec.Platform) [3]string {
	return [3]string{p.OS, p.Architecture, p.Variant}
}
