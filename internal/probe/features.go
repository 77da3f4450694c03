package probe

// The features. What needs privileges in the initial user namespace says so in
// its hint: a user without them is told the same as one whose kernel lacks the
// thing.
var (
	// Clone3 is clone3(2), which sandboxes with old filters answer with ENOSYS.
	Clone3 = feature("clone3", "5.3", "a sandbox's seccomp filter may hide it", probeClone3)

	// CloneIntoCgroup is CLONE_INTO_CGROUP of clone3(2), for cgroup v2.
	CloneIntoCgroup = feature("clone3 CLONE_INTO_CGROUP", "5.7", "", probeCloneIntoCgroup)

	// CloseRange is close_range(2) with CLOSE_RANGE_CLOEXEC.
	CloseRange = feature("close_range CLOSE_RANGE_CLOEXEC", "5.11", "", probeCloseRange)

	// PidFD is pidfd_open(2), pidfd_send_signal(2) and waitid(2) with P_PIDFD.
	PidFD = feature("pidfd", "5.4", "", probePidFD)

	// PidFDSetns is setns(2) with a pidfd, into several namespaces at once.
	PidFDSetns = feature("setns with a pidfd", "5.8", "", probePidFDSetns)

	// MemfdExec is the flag MFD_EXEC of memfd_create(2). Where it is known, a file
	// that shall be executed needs it; whether it may be is another matter, see
	// [ExecutableMemfd].
	MemfdExec = feature("memfd_create MFD_EXEC", "6.3", "", probeMemfdExec)

	// Openat2 is openat2(2) with RESOLVE_IN_ROOT.
	Openat2 = feature("openat2", "5.6", "", probeOpenat2)

	// MountAPI is fsopen(2), fsconfig(2), fsmount(2), open_tree(2) and
	// move_mount(2).
	MountAPI = feature("the mount API (fsopen, move_mount)", "5.2", "needs CAP_SYS_ADMIN", probeMountAPI)

	// MountSetattr is mount_setattr(2).
	MountSetattr = feature("mount_setattr", "5.12", "", probeMountSetattr)

	// IDMappedMounts is MOUNT_ATTR_IDMAP of mount_setattr(2). Whether a file system
	// can be mounted so is known only from trying: ext4 and xfs can from the start,
	// layers of an overlay from 5.19, tmpfs from 6.3.
	IDMappedMounts = feature("idmapped mounts", "5.12", "", probeIDMappedMounts)

	// Overlay is the file system overlay.
	Overlay = feature("overlay file system", "3.18", "load the module: modprobe overlay; needs CAP_SYS_ADMIN", probeOverlay)

	// OverlayLowerdirAppend is the parameter lowerdir+ of overlay, one layer at a
	// time and any number of them.
	OverlayLowerdirAppend = feature("overlay lowerdir+", "6.7", "", probeOverlayLowerdirAppend)

	// OverlayLayerFD is overlay's lowerdir+ given as a descriptor.
	OverlayLayerFD = feature("overlay layers as descriptors", "6.13", "", probeOverlayLayerFD)

	// TimeNamespace is CLONE_NEWTIME.
	TimeNamespace = feature("time namespaces", "5.6", "CONFIG_TIME_NS", probeTimeNamespace)

	// CgroupNamespace is CLONE_NEWCGROUP.
	CgroupNamespace = feature("cgroup namespaces", "4.6", "CONFIG_CGROUPS", probeCgroupNamespace)

	// CgroupKill is the file cgroup.kill of cgroup v2. On hosts where no group is
	// there to look at, Check cannot tell.
	CgroupKill = feature("cgroup.kill", "5.14", "needs cgroup v2", probeCgroupKill)

	// SeccompFilter is seccomp(2) with SECCOMP_RET_KILL_PROCESS.
	SeccompFilter = feature("seccomp filters", "4.14", "CONFIG_SECCOMP_FILTER", probeSeccompFilter)

	// UserNamespaces says that this user may make a user namespace and map itself
	// into it.
	UserNamespaces = feature("user namespaces", "3.8",
		"look at sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns",
		probeUserNamespaces)
)

// All returns every feature, for a table of what a host can do.
func All() []Feature {
	return []Feature{
		Clone3, CloneIntoCgroup, CloseRange, PidFD, PidFDSetns, MemfdExec, Openat2, MountAPI, MountSetattr,
		IDMappedMounts, Overlay, OverlayLowerdirAppend, OverlayLayerFD, TimeNamespace, CgroupNamespace,
		CgroupKill, SeccompFilter, UserNamespaces,
	}
}
