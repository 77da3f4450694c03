package store

import (
	"fmt"
	"regexp"
	"sync"

	"github.com/distribution/reference"
	digest "github.com/opencontainers/go-digest"
)

// HostName names the machine's own root file system. It is no reference: neither a
// registry nor an archive can bring an image of that name.
const HostName = "host"

// ParseName returns the full form of an image's name by docker.io's rules:
// "alpine" is "docker.io/library/alpine:latest". A name with tag and digest loses
// the tag. [HostName] stands for itself. Everything else that is no reference, 64
// hexadecimal digits among it, is ErrInvalid.
func ParseName(s string) (string, error) {
	if s == HostName {
		return s, nil
	}
	ref, err := reference.ParseDockerRef(s)
	if err != nil {
		return "", fmt.Errorf("image name %.300q: %w: %w", s, ErrInvalid, err)
	}
	if d, ok := ref.(reference.Digested); ok {
		if err := CheckDigest(d.Digest()); err != nil {
			return "", fmt.Errorf("image name %.300q: %w", s, err)
		}
	}
	// "sha256:..." is read as an ID, and nothing may pass for one (CVE-2014-9358).
	t, tagged := ref.(reference.Tagged)
	if ref.Name() == "docker.io/library/sha256" || tagged && isHex(t.Tag(), 64) {
		return "", fmt.Errorf("image name %.300q could be taken for an ID: %w", s, ErrInvalid)
	}
	return ref.String(), nil
}

// FamiliarName is the short form of a full name: what a user would type. What is no
// full name is returned as it is.
func FamiliarName(name string) string {
	ref, err := reference.ParseNormalizedNamed(name)
	if err != nil || name == HostName {
		return name
	}
	return reference.FamiliarString(ref)
}

// pinned returns the digest in a full name, "" for a name with a tag.
func pinned(name string) digest.Digest {
	ref, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return ""
	}
	if d, ok := ref.(reference.Digested); ok {
		return d.Digest()
	}
	return ""
}

// repository returns a full name without tag and digest.
func repository(name string) string {
	ref, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return name
	}
	return ref.Name()
}

var containerName = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}$`)
})

// CheckContainerName says whether a name can be a container's: letters, digits and,
// not in front, "_", "." and "-", at most 128. 64 hexadecimal digits would pass for
// an ID.
func CheckContainerName(name string) error {
	if !containerName().MatchString(name) || isHex(name, 64) {
		return fmt.Errorf("name %.200q: %w: want %s", name, ErrInvalid, containerName())
	}
	return nil
}

// checkID says whether id is a container's.
func checkID(id string) error {
	if !isHex(id, 64) {
		return fmt.Errorf("container ID %.100q: %w", id, ErrInvalid)
	}
	return nil
}
