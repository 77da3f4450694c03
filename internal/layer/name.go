package layer

import (
	"strings"
)

const (
	nameMax = 255  // NAME_MAX: bytes of a component
	pathMax = 4095 // PATH_MAX without its final NUL
)

const (
	whPrefix     = ".wh."         // image-spec, layer.md, "Whiteouts"
	whMetaPrefix = ".wh..wh."     // AUFS's own files, and the mark below
	whOpaque     = ".wh..wh..opq" // image-spec, layer.md, "Opaque Whiteout"
)

// clean makes the name of an entry relative to the root of the layer, without
// empty components and "."; the root itself is ".". A leading slash is dropped,
// as by every tar. ".." is refused rather than resolved: no packer writes it.
func clean(name string) (string, error) {
	switch {
	case name == "":
		return "", formatErr("the name is empty")
	case strings.IndexByte(name, 0) >= 0:
		return "", formatErr("the name contains a NUL byte")
	}
	if isClean(name) {
		return name, nil
	}
	var b strings.Builder
	for c := range strings.SplitSeq(name, "/") {
		switch {
		case c == "" || c == ".":
			continue
		case c == "..":
			return "", formatErr(`the name contains ".."`)
		case len(c) > nameMax:
			return "", formatErr("a component of the name is longer than %d bytes", nameMax)
		}
		if b.Len() > 0 {
			b.WriteByte('/')
		}
		b.WriteString(c)
	}
	switch {
	case b.Len() == 0:
		return ".", nil
	case b.Len() > pathMax:
		return "", formatErr("the name is longer than %d bytes", pathMax)
	}
	return b.String(), nil
}

// isClean finds the names that need no work, which are nearly all.
func isClean(name string) bool {
	if len(name) > nameMax || name[0] == '.' || name[0] == '/' || name[len(name)-1] == '/' {
		return false
	}
	return !strings.Contains(name, "//") && !strings.Contains(name, "/.")
}

// kind is what the whiteout convention makes of a name.
type kind int

const (
	ordinary kind = iota
	whiteout      // hides one name of the lower layers
	opaque        // hides all of a directory of the lower layers
	ignored       // AUFS's own bookkeeping
)

// classify splits a clean name into its directory and its last component, of
// which a whiteout's is the name that it hides.
func classify(name string) (kind, string, string, error) {
	dir, base := split(name)
	if !strings.Contains(name, whPrefix) {
		return ordinary, dir, base, nil
	}
	for c := range strings.SplitSeq(dir, "/") {
		switch {
		case strings.HasPrefix(c, whMetaPrefix):
			return ignored, dir, base, nil
		case strings.HasPrefix(c, whPrefix):
			return 0, "", "", formatErr("a directory of the name is a whiteout")
		}
	}
	switch {
	case base == whOpaque:
		return opaque, dir, base, nil
	case strings.HasPrefix(base, whMetaPrefix):
		return ignored, dir, base, nil
	case !strings.HasPrefix(base, whPrefix):
		return ordinary, dir, base, nil
	}
	hidden := base[len(whPrefix):]
	// ".wh..." would hide "..", which at the top of a layer is the parent of the
	// root file system, and ".wh.." the directory that it stands in.
	if hidden == "" || hidden == "." || hidden == ".." {
		return 0, "", "", formatErr("a whiteout of %q", hidden)
	}
	return whiteout, dir, hidden, nil
}

// split cuts a clean name at the last slash. The directory of a top-level name
// is ".".
func split(name string) (dir, base string) {
	i := strings.LastIndexByte(name, '/')
	if i < 0 {
		return ".", name
	}
	return name[:i], name[i+1:]
}
