package cred

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/coraclehq/coracle/internal/sys"
)

// User is whom a process runs as.
type User struct {
	UID, GID uint32
	Groups   []uint32 // what setgroups(2) is given: the primary group, then the supplementary ones
	Home     string   // empty: unknown
	Name     string   // empty: the user has only a number
}

// Lookup resolves the USER of an image: "name|uid[:group|gid]"; empty is root.
// root is the root directory of the image, of which /etc/passwd and /etc/group
// are read. An image need not have them.
//
// A number needs no entry and is never taken for a name: CVE-2024-40635, a uid
// that wrapped to root; CVE-2026-46680, a number that the image's passwd named.
// Without a group it is that of the user's entry, else 0, and the user is also in
// the groups that /etc/group names it in. With a group there are no others (OCI
// image specification, config.md, "User").
//
// An unknown name is an error that wraps fs.ErrNotExist; what is no name and no
// number from 0 to 2^31-1, and files that cannot be used, wrap fs.ErrInvalid.
func Lookup(root *sys.FD, user string) (User, error) {
	passwd, err := readImageFile(root, "/etc/passwd")
	if err != nil {
		return User{}, err
	}
	return resolve(user, passwd, func() ([]byte, error) { return readImageFile(root, "/etc/group") })
}

// resolve is Lookup on what the files say. The second is read if it matters.
func resolve(user string, passwd []byte, groups func() ([]byte, error)) (User, error) {
	if user == "" {
		user = "0"
	}
	name, group, hasGroup := strings.Cut(user, ":")
	u, err := findUser(passwd, name)
	if err != nil {
		return User{}, err
	}
	if !hasGroup && u.Name == "" {
		u.Groups = []uint32{u.GID}
		return u, nil
	}
	if hasGroup {
		gid, isNumber, err := id("group", group)
		switch {
		case err != nil:
			return User{}, err
		case isNumber:
			u.GID, u.Groups = gid, []uint32{gid}
			return u, nil
		}
	}
	file, err := groups()
	if err != nil {
		return User{}, err
	}
	if hasGroup {
		if u.GID, err = findGroup(file, group); err != nil {
			return User{}, err
		}
		u.Groups = []uint32{u.GID}
		return u, nil
	}
	u.Groups, err = memberships(file, u.Name, u.GID)
	if err != nil {
		return User{}, err
	}
	return u, nil
}

// id reads a name or number: what begins like a number is one, or wrong.
func id(what, s string) (n uint32, isNumber bool, err error) {
	first, _ := utf8.DecodeRuneInString(s)
	switch {
	case s == "" || strings.ContainsRune(s, ':') || strings.ContainsFunc(s, blank):
		return 0, false, fmt.Errorf("%s %.100q: neither a name nor a number: %w", what, s, fs.ErrInvalid)
	case !unicode.IsNumber(first) && first != '+' && first != '-':
		return 0, false, nil
	}
	n, ok := number([]byte(s))
	if !ok {
		return 0, true, fmt.Errorf("%s %.100q: not a number from 0 to %d, and names begin with no digit or sign: %w",
			what, s, math.MaxInt32, fs.ErrInvalid)
	}
	return n, true, nil
}

// blank says whether no name has a character, and some readers of numbers pass over
// it: space, tab, NUL.
func blank(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }

// number reads a uid or gid: ASCII digits only, at most 2^31-1. Above lie -1,
// which means "unchanged" to setresuid(2), and what some interfaces take for
// negative.
func number(s []byte) (uint32, bool) {
	for _, c := range s {
		if c < '0' || c > '9' {
			return 0, false
		}
	}
	n, err := strconv.ParseUint(string(s), 10, 31)
	return uint32(n), err == nil
}

// findUser finds a user by name or number in /etc/passwd; the first entry counts.
// Lines that passwd(5) does not allow are passed over.
func findUser(passwd []byte, name string) (User, error) {
	uid, isNumber, err := id("user", name)
	if err != nil {
		return User{}, err
	}
	for line := range lines(passwd) {
		var f [7][]byte
		if split(line, f[:]) < 4 || !isNumber && string(f[0]) != name {
			continue
		}
		entryUID, ok := number(f[2])
		gid, okGID := number(f[3])
		if !ok || !okGID || isNumber && entryUID != uid {
			continue
		}
		u := User{UID: entryUID, GID: gid, Name: string(f[0])}
		// The kernel ends a variable at a NUL.
		if home := string(f[5]); !strings.ContainsRune(home, 0) {
			u.Home = home
		}
		return u, nil
	}
	if !isNumber {
		return User{}, fmt.Errorf("user %.100q is not in the image: %w", name, fs.ErrNotExist)
	}
	return User{UID: uid}, nil
}

// findGroup finds a group by name in /etc/group.
func findGroup(group []byte, name string) (uint32, error) {
	for line := range lines(group) {
		var f [4][]byte
		if split(line, f[:]) < 3 || string(f[0]) != name {
			continue
		}
		if gid, ok := number(f[2]); ok {
			return gid, nil
		}
	}
	return 0, fmt.Errorf("group %.100q is not in the image: %w", name, fs.ErrNotExist)
}

// maxGroups is NGROUPS_MAX, the most that setgroups(2) takes.
const maxGroups = 65536

// memberships returns the primary group and those that name the user as a member.
func memberships(group []byte, user string, primary uint32) ([]uint32, error) {
	all := []uint32{primary}
	seen := map[uint32]bool{primary: true}
	for line := range lines(group) {
		var f [4][]byte
		if split(line, f[:]) < 4 || !lists(f[3], user) {
			continue
		}
		gid, ok := number(f[2])
		if !ok || seen[gid] {
			continue
		}
		if len(all) == maxGroups {
			return nil, fmt.Errorf("user %.100q is in more than %d groups: %w", user, maxGroups, fs.ErrInvalid)
		}
		seen[gid] = true
		all = append(all, gid)
	}
	return all, nil
}

// lists says whether a comma-separated list of members has the user.
func lists(members []byte, user string) bool {
	for member := range bytes.SplitSeq(members, []byte(",")) {
		if string(member) == user {
			return true
		}
	}
	return false
}

// lines yields the lines of a file without their ends.
func lines(file []byte) func(yield func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for line := range bytes.Lines(file) {
			if !yield(bytes.TrimRight(line, "\r\n")) {
				return
			}
		}
	}
}

// split cuts a line at its colons into fields, the last of which takes the rest,
// and returns how many there are.
func split(line []byte, fields [][]byte) int {
	for i := range fields {
		at := bytes.IndexByte(line, ':')
		if at < 0 || i == len(fields)-1 {
			fields[i] = line
			return i + 1
		}
		fields[i], line = line[:at], line[at+1:]
	}
	return len(fields)
}

// readImageFile reads a file of the image that may be missing.
func readImageFile(root *sys.FD, path string) ([]byte, error) {
	data, err := readRegular(root, path, maxFile)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, sys.ENOTDIR) {
		return nil, nil
	}
	return data, err
}
