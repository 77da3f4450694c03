package layer

import "strings"

// xattr is an extended attribute of an entry.
type xattr struct {
	name  string
	value string
}

const (
	xattrCapability  = "security.capability"
	opaqueXattr      = "trusted.overlay.opaque"
	opaqueUserXattr  = "user.overlay.opaque"
	overlayXattr     = "trusted.overlay."
	overlayUserXattr = "user.overlay."
	xattrNameMax     = 255
	xattrSizeMax     = 64 << 10
)

// allowed says whether an extended attribute passes between an image and a file
// of type typ. It is a list of what passes:
//
//   - security.capability, on regular files: the permissions of programs such as
//     ping;
//   - user.*, on regular files and directories (xattr(7) allows it on nothing
//     else), but not user.overlay.*, which a mount with userxattr obeys, and
//     user.containers.*, which fuse-overlayfs obeys.
//
// What does not pass: trusted.*, where overlayfs keeps its redirects;
// security.selinux, .ima, .evm, which are decisions of this machine's policy;
// system.*, ACLs among them, which name users of another machine.
func allowed(name string, typ byte) bool {
	switch {
	case len(name) > xattrNameMax || strings.IndexByte(name, 0) >= 0:
		return false
	case name == xattrCapability:
		return typ == typeReg
	case len(name) > len("user.") && strings.HasPrefix(name, "user."):
		return (typ == typeReg || typ == typeDir) &&
			!strings.HasPrefix(name, overlayUserXattr) && !strings.HasPrefix(name, "user.containers.")
	}
	return false
}

// capability returns the value of security.capability in the form that names no
// user namespace, or says that there is none (linux/capability.h,
// VFS_CAP_REVISION). Revision 3 with a root ID is valid only in the namespace of
// that root, and would be a grant to whoever owns it here.
func capability(v string) (string, bool) {
	const revision2, revision3 = 2, 3
	switch {
	case len(v) == 20 && v[3] == revision2:
		return v, true
	case len(v) == 24 && v[3] == revision3 && v[20:] == "\x00\x00\x00\x00":
		return v[:3] + string(rune(revision2)) + v[4:20], true
	}
	return "", false
}

// pick returns the extended attributes of an entry that are kept.
func (u *unpacker) pick(e *entry) ([]xattr, error) {
	var xs []xattr
	for _, x := range e.xattrs {
		ok := allowed(x.name, e.typ) && len(x.value) <= xattrSizeMax
		if ok && x.name == xattrCapability {
			x.value, ok = capability(x.value)
		}
		if !ok {
			u.skip(e.name, "the attribute "+quote(x.name))
			continue
		}
		if err := u.xattrs.take(int64(len(x.name) + len(x.value))); err != nil {
			return nil, err
		}
		xs = append(xs, x)
	}
	return xs, nil
}
