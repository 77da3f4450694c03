package sys

// This file and its neighbours hold the numbers of the Linux ABI, under the
// kernel's own names, so that packages which only compute (compile, seccomp,
// union) build and are tested on every system. A test compares each with
// golang.org/x/sys/unix. What differs between architectures stands in
// abi_amd64.go and abi_arm64.go for the code that runs here, and in [Arch] for
// code that compiles for another machine.

// Access modes and flags of open(2), openat2(2).
const (
	O_RDONLY    = 0x0
	O_WRONLY    = 0x1
	O_RDWR      = 0x2
	O_ACCMODE   = 0x3
	O_APPEND    = 0x400
	O_CLOEXEC   = 0x80000
	O_CREAT     = 0x40
	O_DSYNC     = 0x1000
	O_EXCL      = 0x80
	O_LARGEFILE = 0x0
	O_NDELAY    = 0x800
	O_NOATIME   = 0x40000
	O_NOCTTY    = 0x100
	O_NONBLOCK  = 0x800
	O_PATH      = 0x200000
	O_SYNC      = 0x101000
	O_TRUNC     = 0x200
)

// Resolution flags of openat2(2).
const (
	RESOLVE_NO_XDEV       = 0x1
	RESOLVE_NO_MAGICLINKS = 0x2
	RESOLVE_NO_SYMLINKS   = 0x4
	RESOLVE_BENEATH       = 0x8
	RESOLVE_IN_ROOT       = 0x10
	RESOLVE_CACHED        = 0x20
)

// Flags of the *at(2) calls.
const (
	AT_FDCWD              = -100
	AT_EACCESS            = 0x200
	AT_EMPTY_PATH         = 0x1000
	AT_EXECVE_CHECK       = 0x10000
	AT_NO_AUTOMOUNT       = 0x800
	AT_RECURSIVE          = 0x8000
	AT_REMOVEDIR          = 0x200
	AT_STATX_SYNC_AS_STAT = 0x0
	AT_SYMLINK_FOLLOW     = 0x400
	AT_SYMLINK_NOFOLLOW   = 0x100
)

// Flags of renameat2(2).
const (
	RENAME_NOREPLACE = 0x1
	RENAME_EXCHANGE  = 0x2
	RENAME_WHITEOUT  = 0x4
)

// File types and permission bits of st_mode.
const (
	S_IFMT   = 0xf000
	S_IFBLK  = 0x6000
	S_IFCHR  = 0x2000
	S_IFDIR  = 0x4000
	S_IFIFO  = 0x1000
	S_IFLNK  = 0xa000
	S_IFREG  = 0x8000
	S_IFSOCK = 0xc000
	S_ISUID  = 0x800
	S_ISGID  = 0x400
	S_ISVTX  = 0x200
)

// Flags of mount(2) and umount2(2).
const (
	MS_RDONLY       = 0x1
	MS_NOSUID       = 0x2
	MS_NODEV        = 0x4
	MS_NOEXEC       = 0x8
	MS_SYNCHRONOUS  = 0x10
	MS_REMOUNT      = 0x20
	MS_MANDLOCK     = 0x40
	MS_DIRSYNC      = 0x80
	MS_NOSYMFOLLOW  = 0x100
	MS_NOATIME      = 0x400
	MS_NODIRATIME   = 0x800
	MS_BIND         = 0x1000
	MS_MOVE         = 0x2000
	MS_REC          = 0x4000
	MS_SILENT       = 0x8000
	MS_POSIXACL     = 0x10000
	MS_UNBINDABLE   = 0x20000
	MS_PRIVATE      = 0x40000
	MS_SLAVE        = 0x80000
	MS_SHARED       = 0x100000
	MS_RELATIME     = 0x200000
	MS_STRICTATIME  = 0x1000000
	MS_LAZYTIME     = 0x2000000
	MNT_FORCE       = 0x1
	MNT_DETACH      = 0x2
	MNT_EXPIRE      = 0x4
	UMOUNT_NOFOLLOW = 0x8
)

// The mount API of Linux 5.2: fsopen(2), fsconfig(2), fsmount(2), open_tree(2), move_mount(2), mount_setattr(2).
const (
	FSOPEN_CLOEXEC           = 0x1
	FSPICK_CLOEXEC           = 0x1
	FSPICK_SYMLINK_NOFOLLOW  = 0x2
	FSPICK_NO_AUTOMOUNT      = 0x4
	FSPICK_EMPTY_PATH        = 0x8
	FSCONFIG_SET_FLAG        = 0
	FSCONFIG_SET_STRING      = 1
	FSCONFIG_SET_BINARY      = 2
	FSCONFIG_SET_PATH        = 3
	FSCONFIG_SET_PATH_EMPTY  = 4
	FSCONFIG_SET_FD          = 5
	FSCONFIG_CMD_CREATE      = 6
	FSCONFIG_CMD_RECONFIGURE = 7
	FSMOUNT_CLOEXEC          = 0x1
	OPEN_TREE_CLONE          = 0x1
	OPEN_TREE_CLOEXEC        = 0x80000
	MOVE_MOUNT_F_SYMLINKS    = 0x1
	MOVE_MOUNT_F_AUTOMOUNTS  = 0x2
	MOVE_MOUNT_F_EMPTY_PATH  = 0x4
	MOVE_MOUNT_T_SYMLINKS    = 0x10
	MOVE_MOUNT_T_AUTOMOUNTS  = 0x20
	MOVE_MOUNT_T_EMPTY_PATH  = 0x40
	MOVE_MOUNT_SET_GROUP     = 0x100
	MOUNT_ATTR_RELATIME      = 0x0
	MOUNT_ATTR_RDONLY        = 0x1
	MOUNT_ATTR_NOSUID        = 0x2
	MOUNT_ATTR_NODEV         = 0x4
	MOUNT_ATTR_NOEXEC        = 0x8
	MOUNT_ATTR_NOATIME       = 0x10
	MOUNT_ATTR_SIZE_VER0     = 0x20
	MOUNT_ATTR_STRICTATIME   = 0x20
	MOUNT_ATTR__ATIME        = 0x70
	MOUNT_ATTR_NODIRATIME    = 0x80
	MOUNT_ATTR_IDMAP         = 0x100000
	MOUNT_ATTR_NOSYMFOLLOW   = 0x200000
)

// Fields asked of statx(2).
const (
	STATX_TYPE              = 0x1
	STATX_MODE              = 0x2
	STATX_ATTR_COMPRESSED   = 0x4
	STATX_NLINK             = 0x4
	STATX_UID               = 0x8
	STATX_ATTR_IMMUTABLE    = 0x10
	STATX_GID               = 0x10
	STATX_ATIME             = 0x20
	STATX_ATTR_APPEND       = 0x20
	STATX_ATTR_NODUMP       = 0x40
	STATX_MTIME             = 0x40
	STATX_CTIME             = 0x80
	STATX_INO               = 0x100
	STATX_SIZE              = 0x200
	STATX_BLOCKS            = 0x400
	STATX_BASIC_STATS       = 0x7ff
	STATX_ATTR_ENCRYPTED    = 0x800
	STATX_BTIME             = 0x800
	STATX_ALL               = 0xfff
	STATX_ATTR_AUTOMOUNT    = 0x1000
	STATX_MNT_ID            = 0x1000
	STATX_ATTR_MOUNT_ROOT   = 0x2000
	STATX_DIOALIGN          = 0x2000
	STATX_MNT_ID_UNIQUE     = 0x4000
	STATX_SUBVOL            = 0x8000
	STATX_WRITE_ATOMIC      = 0x10000
	STATX_DIO_READ_ALIGN    = 0x20000
	STATX_ATTR_VERITY       = 0x100000
	STATX_ATTR_DAX          = 0x200000
	STATX_ATTR_WRITE_ATOMIC = 0x400000
	STATX__RESERVED         = 0x80000000
)

// Flags of clone(2), clone3(2), unshare(2) and setns(2).
const (
	CLONE_ARGS_SIZE_VER0 = 0x40
	CLONE_ARGS_SIZE_VER1 = 0x50
	CLONE_ARGS_SIZE_VER2 = 0x58
	CLONE_NEWTIME        = 0x80
	CLONE_VM             = 0x100
	CLONE_FS             = 0x200
	CLONE_FILES          = 0x400
	CLONE_SIGHAND        = 0x800
	CLONE_PIDFD          = 0x1000
	CLONE_PTRACE         = 0x2000
	CLONE_VFORK          = 0x4000
	CLONE_PARENT         = 0x8000
	CLONE_THREAD         = 0x10000
	CLONE_NEWNS          = 0x20000
	CLONE_SYSVSEM        = 0x40000
	CLONE_SETTLS         = 0x80000
	CLONE_PARENT_SETTID  = 0x100000
	CLONE_CHILD_CLEARTID = 0x200000
	CLONE_DETACHED       = 0x400000
	CLONE_UNTRACED       = 0x800000
	CLONE_CHILD_SETTID   = 0x1000000
	CLONE_NEWCGROUP      = 0x2000000
	CLONE_NEWUTS         = 0x4000000
	CLONE_NEWIPC         = 0x8000000
	CLONE_NEWUSER        = 0x10000000
	CLONE_NEWPID         = 0x20000000
	CLONE_NEWNET         = 0x40000000
	CLONE_IO             = 0x80000000
	CLONE_CLEAR_SIGHAND  = 0x100000000
	CLONE_INTO_CGROUP    = 0x200000000
)

// Operations of prctl(2).
const (
	PR_SET_PDEATHSIG         = 1
	PR_GET_PDEATHSIG         = 2
	PR_GET_DUMPABLE          = 3
	PR_SET_DUMPABLE          = 4
	PR_GET_KEEPCAPS          = 7
	PR_SET_KEEPCAPS          = 8
	PR_SET_NAME              = 15
	PR_GET_NAME              = 16
	PR_GET_SECCOMP           = 21
	PR_SET_SECCOMP           = 22
	PR_CAPBSET_READ          = 23
	PR_CAPBSET_DROP          = 24
	PR_GET_SECUREBITS        = 27
	PR_SET_SECUREBITS        = 28
	PR_SET_TIMERSLACK        = 29
	PR_SET_CHILD_SUBREAPER   = 36
	PR_GET_CHILD_SUBREAPER   = 37
	PR_SET_NO_NEW_PRIVS      = 38
	PR_GET_NO_NEW_PRIVS      = 39
	PR_CAP_AMBIENT           = 47
	PR_CAP_AMBIENT_IS_SET    = 1
	PR_CAP_AMBIENT_RAISE     = 2
	PR_CAP_AMBIENT_LOWER     = 3
	PR_CAP_AMBIENT_CLEAR_ALL = 4
	PR_SET_MM                = 35
	PR_SET_VMA               = 1398164801
	PR_SET_VMA_ANON_NAME     = 0
	PR_SET_IO_FLUSHER        = 57
	PR_SET_THP_DISABLE       = 41
	PR_SET_MDWE              = 65
)

// Operations of fcntl(2), and the lease, lock and seal values they take.
const (
	F_DUPFD             = 0
	F_DUPFD_CLOEXEC     = 1030
	F_GETFD             = 1
	F_SETFD             = 2
	F_GETFL             = 3
	F_SETFL             = 4
	F_GETLK             = 5
	F_SETLK             = 6
	F_SETLKW            = 7
	F_OFD_GETLK         = 36
	F_OFD_SETLK         = 37
	F_OFD_SETLKW        = 38
	F_RDLCK             = 0
	F_WRLCK             = 1
	F_UNLCK             = 2
	F_SETPIPE_SZ        = 1031
	F_GETPIPE_SZ        = 1032
	F_ADD_SEALS         = 1033
	F_GET_SEALS         = 1034
	FD_CLOEXEC          = 0x1
	F_SEAL_SEAL         = 1
	F_SEAL_SHRINK       = 2
	F_SEAL_GROW         = 4
	F_SEAL_WRITE        = 8
	F_SEAL_FUTURE_WRITE = 16
	F_SEAL_EXEC         = 32
)

// Operations of flock(2).
const (
	LOCK_SH = 0x1
	LOCK_EX = 0x2
	LOCK_NB = 0x4
	LOCK_UN = 0x8
)

// Flags of memfd_create(2), Linux 3.17; MFD_NOEXEC_SEAL and MFD_EXEC, Linux 6.3.
const (
	MFD_CLOEXEC       = 0x1
	MFD_ALLOW_SEALING = 0x2
	MFD_HUGETLB       = 0x4
	MFD_NOEXEC_SEAL   = 0x8
	MFD_EXEC          = 0x10
)

// Flags of close_range(2): CLOSE_RANGE_UNSHARE Linux 5.9, CLOSE_RANGE_CLOEXEC 5.11.
const (
	CLOSE_RANGE_UNSHARE = 0x2
	CLOSE_RANGE_CLOEXEC = 0x4
)

// Flags of pidfd_open(2), and what waitid(2) is asked for and answers.
const (
	PIDFD_NONBLOCK = 0x800
	PIDFD_THREAD   = 0x80
	P_ALL          = 0
	P_PID          = 1
	P_PGID         = 2
	P_PIDFD        = 3
	WNOHANG        = 0x1
	WUNTRACED      = 0x2
	WSTOPPED       = 0x2
	WEXITED        = 0x4
	WCONTINUED     = 0x8
	WNOWAIT        = 0x1000000
	WNOTHREAD      = 0x20000000
	WALL           = 0x40000000
	WCLONE         = 0x80000000
	CLD_EXITED     = 1
	CLD_KILLED     = 2
	CLD_DUMPED     = 3
	CLD_TRAPPED    = 4
	CLD_STOPPED    = 5
	CLD_CONTINUED  = 6
)

// Signals. SIGRTMIN is the kernel's; libc keeps the first two for itself.
const (
	SIGHUP      = 1
	SIGINT      = 2
	SIGQUIT     = 3
	SIGILL      = 4
	SIGTRAP     = 5
	SIGABRT     = 6
	SIGBUS      = 7
	SIGFPE      = 8
	SIGKILL     = 9
	SIGUSR1     = 10
	SIGSEGV     = 11
	SIGUSR2     = 12
	SIGPIPE     = 13
	SIGALRM     = 14
	SIGTERM     = 15
	SIGSTKFLT   = 16
	SIGCHLD     = 17
	SIGCONT     = 18
	SIGSTOP     = 19
	SIGTSTP     = 20
	SIGTTIN     = 21
	SIGTTOU     = 22
	SIGURG      = 23
	SIGXCPU     = 24
	SIGXFSZ     = 25
	SIGVTALRM   = 26
	SIGPROF     = 27
	SIGWINCH    = 28
	SIGIO       = 29
	SIGPWR      = 30
	SIGSYS      = 31
	SIGRTMIN    = 32
	SIGRTMAX    = 64
	SIG_BLOCK   = 0
	SIG_UNBLOCK = 1
	SIG_SETMASK = 2
	SIG_DFL     = 0
	SIG_IGN     = 1
)

// Resources of prlimit(2). RLIM_INFINITY is no limit.
const (
	RLIMIT_CPU        = 0
	RLIMIT_FSIZE      = 1
	RLIMIT_DATA       = 2
	RLIMIT_STACK      = 3
	RLIMIT_CORE       = 4
	RLIMIT_RSS        = 5
	RLIMIT_NPROC      = 6
	RLIMIT_NOFILE     = 7
	RLIMIT_MEMLOCK    = 8
	RLIMIT_AS         = 9
	RLIMIT_LOCKS      = 10
	RLIMIT_SIGPENDING = 11
	RLIMIT_MSGQUEUE   = 12
	RLIMIT_NICE       = 13
	RLIMIT_RTPRIO     = 14
	RLIMIT_RTTIME     = 15
	RLIM_INFINITY     = 0xffffffffffffffff
)

// seccomp(2), its filter's return values, and the AUDIT_ARCH_* values of struct seccomp_data.
const (
	SECCOMP_MODE_STRICT                    = 1
	SECCOMP_MODE_FILTER                    = 2
	SECCOMP_SET_MODE_STRICT                = 0
	SECCOMP_SET_MODE_FILTER                = 1
	SECCOMP_GET_ACTION_AVAIL               = 2
	SECCOMP_GET_NOTIF_SIZES                = 3
	SECCOMP_FILTER_FLAG_TSYNC              = 0x1
	SECCOMP_FILTER_FLAG_LOG                = 0x2
	SECCOMP_FILTER_FLAG_SPEC_ALLOW         = 0x4
	SECCOMP_FILTER_FLAG_NEW_LISTENER       = 0x8
	SECCOMP_FILTER_FLAG_TSYNC_ESRCH        = 0x10
	SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV = 0x20
	SECCOMP_RET_KILL_PROCESS               = 0x80000000
	SECCOMP_RET_KILL_THREAD                = 0x0
	SECCOMP_RET_KILL                       = 0x0
	SECCOMP_RET_TRAP                       = 0x30000
	SECCOMP_RET_ERRNO                      = 0x50000
	SECCOMP_RET_USER_NOTIF                 = 0x7fc00000
	SECCOMP_RET_TRACE                      = 0x7ff00000
	SECCOMP_RET_LOG                        = 0x7ffc0000
	SECCOMP_RET_ALLOW                      = 0x7fff0000
	SECCOMP_RET_ACTION_FULL                = 0xffff0000
	SECCOMP_RET_ACTION                     = 0x7fff0000
	SECCOMP_RET_DATA                       = 0xffff
	AUDIT_ARCH_X86_64                      = 3221225534
	AUDIT_ARCH_I386                        = 1073741827
	AUDIT_ARCH_AARCH64                     = 3221225655
	AUDIT_ARCH_ARM                         = 1073741864
	X32_SYSCALL_BIT                        = 0x40000000
)

// Classic BPF, as seccomp(2) takes it: classes, sizes, modes, jumps, operations.
const (
	BPF_LD       = 0x0
	BPF_LDX      = 0x1
	BPF_ST       = 0x2
	BPF_STX      = 0x3
	BPF_ALU      = 0x4
	BPF_JMP      = 0x5
	BPF_RET      = 0x6
	BPF_MISC     = 0x7
	BPF_W        = 0x0
	BPF_H        = 0x8
	BPF_B        = 0x10
	BPF_IMM      = 0x0
	BPF_ABS      = 0x20
	BPF_IND      = 0x40
	BPF_MEM      = 0x60
	BPF_LEN      = 0x80
	BPF_MSH      = 0xa0
	BPF_ADD      = 0x0
	BPF_SUB      = 0x10
	BPF_MUL      = 0x20
	BPF_DIV      = 0x30
	BPF_OR       = 0x40
	BPF_AND      = 0x50
	BPF_LSH      = 0x60
	BPF_RSH      = 0x70
	BPF_NEG      = 0x80
	BPF_MOD      = 0x90
	BPF_XOR      = 0xa0
	BPF_JA       = 0x0
	BPF_JEQ      = 0x10
	BPF_JGT      = 0x20
	BPF_JGE      = 0x30
	BPF_JSET     = 0x40
	BPF_K        = 0x0
	BPF_X        = 0x8
	BPF_A        = 0x10
	BPF_TAX      = 0x0
	BPF_TXA      = 0x80
	BPF_MAXINSNS = 0x1000
)

// Address families and protocols of socket(2).
const (
	AF_UNSPEC              = 0
	AF_UNIX                = 1
	AF_INET                = 2
	AF_AX25                = 3
	AF_IPX                 = 4
	AF_APPLETALK           = 5
	AF_NETROM              = 6
	AF_BRIDGE              = 7
	AF_ATMPVC              = 8
	AF_X25                 = 9
	AF_INET6               = 10
	AF_ROSE                = 11
	AF_DECnet              = 12
	AF_NETBEUI             = 13
	AF_SECURITY            = 14
	AF_KEY                 = 15
	AF_NETLINK             = 16
	AF_PACKET              = 17
	AF_ASH                 = 18
	AF_ECONET              = 19
	AF_ATMSVC              = 20
	AF_RDS                 = 21
	AF_SNA                 = 22
	AF_IRDA                = 23
	AF_PPPOX               = 24
	AF_WANPIPE             = 25
	AF_LLC                 = 26
	AF_IB                  = 27
	AF_MPLS                = 28
	AF_CAN                 = 29
	AF_TIPC                = 30
	AF_BLUETOOTH           = 31
	AF_IUCV                = 32
	AF_RXRPC               = 33
	AF_ISDN                = 34
	AF_PHONET              = 35
	AF_IEEE802154          = 36
	AF_CAIF                = 37
	AF_ALG                 = 38
	AF_NFC                 = 39
	AF_VSOCK               = 40
	AF_KCM                 = 41
	AF_QIPCRTR             = 42
	AF_SMC                 = 43
	AF_XDP                 = 44
	AF_MCTP                = 45
	AF_MAX                 = 46
	IPPROTO_IP             = 0
	IPPROTO_ICMP           = 1
	IPPROTO_TCP            = 6
	IPPROTO_UDP            = 17
	IPPROTO_IPV6           = 41
	IPPROTO_ICMPV6         = 58
	IPPROTO_RAW            = 255
	NETLINK_ROUTE          = 0
	NETLINK_AUDIT          = 9
	NETLINK_NETFILTER      = 12
	NETLINK_KOBJECT_UEVENT = 15
	NETLINK_GENERIC        = 16
)

// Socket types, flags, options and shutdown(2).
const (
	SOCK_STREAM      = 1
	SOCK_DGRAM       = 2
	SOCK_RAW         = 3
	SOCK_RDM         = 4
	SOCK_SEQPACKET   = 5
	SOCK_PACKET      = 10
	SOCK_CLOEXEC     = 524288
	SOCK_NONBLOCK    = 2048
	SOL_SOCKET       = 1
	SCM_RIGHTS       = 1
	SCM_CREDENTIALS  = 2
	SO_REUSEADDR     = 2
	SO_TYPE          = 3
	SO_ERROR         = 4
	SO_BROADCAST     = 6
	SO_SNDBUF        = 7
	SO_RCVBUF        = 8
	SO_KEEPALIVE     = 9
	SO_REUSEPORT     = 15
	SO_PASSCRED      = 16
	SO_PEERCRED      = 17
	SO_DOMAIN        = 39
	SO_PROTOCOL      = 38
	MSG_PEEK         = 0x2
	MSG_CTRUNC       = 0x8
	MSG_TRUNC        = 0x20
	MSG_DONTWAIT     = 0x40
	MSG_NOSIGNAL     = 0x4000
	MSG_CMSG_CLOEXEC = 0x40000000
	SHUT_RD          = 0x0
	SHUT_WR          = 0x1
	SHUT_RDWR        = 0x2
	SOMAXCONN        = 0x1000
)

// Interface ioctls and flags (netdevice(7)).
const (
	SIOCGIFFLAGS    = 0x8913
	SIOCSIFFLAGS    = 0x8914
	SIOCGIFADDR     = 0x8915
	SIOCGIFINDEX    = 0x8933
	SIOCGIFNAME     = 0x8910
	IFF_UP          = 0x1
	IFF_BROADCAST   = 0x2
	IFF_DEBUG       = 0x4
	IFF_LOOPBACK    = 0x8
	IFF_POINTOPOINT = 0x10
	IFF_RUNNING     = 0x40
	IFF_NOARP       = 0x80
	IFF_PROMISC     = 0x100
	IFF_ALLMULTI    = 0x200
	IFF_MULTICAST   = 0x1000
	IFNAMSIZ        = 0x10
)

// Terminals (ioctl_tty(2), termios(3)).
const (
	TCGETS      = 0x5401
	TCSETS      = 0x5402
	TCSETSW     = 0x5403
	TCSETSF     = 0x5404
	TCSBRK      = 0x5409
	TCFLSH      = 0x540b
	TIOCSCTTY   = 0x540e
	TIOCNOTTY   = 0x5422
	TIOCGPGRP   = 0x540f
	TIOCSPGRP   = 0x5410
	TIOCGSID    = 0x5429
	TIOCGWINSZ  = 0x5413
	TIOCSWINSZ  = 0x5414
	TIOCGPTN    = 0x80045430
	TIOCSPTLCK  = 0x40045431
	TIOCGPTPEER = 0x5441
	TIOCSTI     = 0x5412
	FIONREAD    = 0x541b
	FIONBIO     = 0x5421
	FIOCLEX     = 0x5451
	BRKINT      = 0x2
	ICRNL       = 0x100
	IGNBRK      = 0x1
	IGNCR       = 0x80
	INLCR       = 0x40
	INPCK       = 0x10
	ISTRIP      = 0x20
	IXOFF       = 0x1000
	IXON        = 0x400
	IXANY       = 0x800
	IUTF8       = 0x4000
	PARMRK      = 0x8
	OPOST       = 0x1
	ONLCR       = 0x4
	OCRNL       = 0x8
	CSIZE       = 0x30
	CS8         = 0x30
	PARENB      = 0x100
	ECHO        = 8
	ECHOE       = 16
	ECHOK       = 32
	ECHONL      = 64
	ICANON      = 0x2
	IEXTEN      = 0x8000
	ISIG        = 0x1
	TOSTOP      = 0x100
	VINTR       = 0x0
	VQUIT       = 0x1
	VERASE      = 0x2
	VKILL       = 0x3
	VEOF        = 0x4
	VTIME       = 0x5
	VMIN        = 0x6
	VSTART      = 0x8
	VSTOP       = 0x9
	VSUSP       = 0xa
)

// Namespace ioctls (ioctl_nsfs(2)).
const (
	NS_GET_USERNS    = 0xb701
	NS_GET_PARENT    = 0xb702
	NS_GET_NSTYPE    = 0xb703
	NS_GET_OWNER_UID = 0xb704
)

// File system ioctls.
const (
	FICLONE         = 0x40049409
	FICLONERANGE    = 0x4020940d
	FS_IOC_GETFLAGS = 0x80086601
	FS_IOC_SETFLAGS = 0x40086602
	FS_IOC_SHUTDOWN = 0x8004587d
	FS_IMMUTABLE_FL = 0x10
	FS_APPEND_FL    = 0x20
)

// Kinds of file system as fstatfs(2) names them.
const (
	OVERLAYFS_SUPER_MAGIC = 0x794c7630
	PROC_SUPER_MAGIC      = 0x9fa0
	SYSFS_MAGIC           = 0x62656572
	TMPFS_MAGIC           = 0x1021994
	DEVPTS_SUPER_MAGIC    = 0x1cd1
	CGROUP_SUPER_MAGIC    = 0x27e0eb
	CGROUP2_SUPER_MAGIC   = 0x63677270
	EXT4_SUPER_MAGIC      = 61267
	XFS_SUPER_MAGIC       = 0x58465342
	BTRFS_SUPER_MAGIC     = 0x9123683e
	NFS_SUPER_MAGIC       = 0x6969
	FUSE_SUPER_MAGIC      = 0x65735546
	RAMFS_MAGIC           = 0x858458f6
	SQUASHFS_MAGIC        = 0x73717368
	EROFS_SUPER_MAGIC_V1  = 3774210530
	NSFS_MAGIC            = 0x6e736673
	PID_FS_MAGIC          = 0x50494446
	SMB_SUPER_MAGIC       = 0x517b
	CIFS_SUPER_MAGIC      = 0xff534d42
	SMB2_SUPER_MAGIC      = 0xfe534d42
	V9FS_MAGIC            = 0x1021997
	TRACEFS_MAGIC         = 0x74726163
	DEBUGFS_MAGIC         = 0x64626720
	SECURITYFS_MAGIC      = 0x73636673
	SELINUX_MAGIC         = 0xf97cff8c
	BPF_FS_MAGIC          = 0xcafe4a11
	ECRYPTFS_SUPER_MAGIC  = 61791
	F2FS_SUPER_MAGIC      = 0xf2f52010
	ZFS_SUPER_MAGIC       = 0x2fc12fc1
	BCACHEFS_SUPER_MAGIC  = 0xca451a4e
)

// Flags that fstatfs(2) gives of a mount.
const (
	ST_RDONLY      = 0x1
	ST_NOSUID      = 0x2
	ST_NODEV       = 0x4
	ST_NOEXEC      = 0x8
	ST_SYNCHRONOUS = 0x10
	ST_MANDLOCK    = 0x40
	ST_NOATIME     = 0x400
	ST_NODIRATIME  = 0x800
	ST_RELATIME    = 0x1000
)

// Seeking and allocating: lseek(2), fallocate(2).
const (
	SEEK_SET             = 0
	SEEK_CUR             = 1
	SEEK_END             = 2
	SEEK_DATA            = 3
	SEEK_HOLE            = 4
	FALLOC_FL_KEEP_SIZE  = 0x1
	FALLOC_FL_PUNCH_HOLE = 0x2
	FALLOC_FL_ZERO_RANGE = 0x10
)

// Flags of setxattr(2).
const (
	XATTR_CREATE  = 0x1
	XATTR_REPLACE = 0x2
)

// Events and flags of inotify(7).
const (
	IN_ACCESS        = 0x1
	IN_MODIFY        = 0x2
	IN_ATTRIB        = 0x4
	IN_CLASSC_NSHIFT = 0x8
	IN_CLOSE_WRITE   = 0x8
	IN_CLASSB_NSHIFT = 0x10
	IN_CLOSE_NOWRITE = 0x10
	IN_CLASSA_NSHIFT = 0x18
	IN_CLOSE         = 0x18
	IN_OPEN          = 0x20
	IN_MOVED_FROM    = 0x40
	IN_LOOPBACKNET   = 0x7f
	IN_CLASSA_MAX    = 0x80
	IN_MOVED_TO      = 0x80
	IN_MOVE          = 0xc0
	IN_CLASSC_HOST   = 0xff
	IN_CREATE        = 0x100
	IN_DELETE        = 0x200
	IN_DELETE_SELF   = 0x400
	IN_MOVE_SELF     = 0x800
	IN_NONBLOCK      = 0x800
	IN_ALL_EVENTS    = 0xfff
	IN_UNMOUNT       = 0x2000
	IN_Q_OVERFLOW    = 0x4000
	IN_IGNORED       = 0x8000
	IN_CLASSB_HOST   = 0xffff
	IN_CLASSB_MAX    = 0x10000
	IN_CLOEXEC       = 0x80000
	IN_CLASSA_HOST   = 0xffffff
	IN_ONLYDIR       = 0x1000000
	IN_DONT_FOLLOW   = 0x2000000
	IN_EXCL_UNLINK   = 0x4000000
	IN_MASK_CREATE   = 0x10000000
	IN_MASK_ADD      = 0x20000000
	IN_ISDIR         = 0x40000000
	IN_ONESHOT       = 0x80000000
	IN_CLASSA_NET    = 0xff000000
	IN_CLASSB_NET    = 0xffff0000
	IN_CLASSC_NET    = 0xffffff00
)

// Events of poll(2).
const (
	POLLIN    = 0x1
	POLLPRI   = 0x2
	POLLOUT   = 0x4
	POLLERR   = 0x8
	POLLHUP   = 0x10
	POLLNVAL  = 0x20
	POLLRDHUP = 0x2000
)

// Operations of keyctl(2) and its special keyrings.
const (
	KEYCTL_GET_KEYRING_ID            = 0
	KEYCTL_CAPS0_CAPABILITIES        = 1
	KEYCTL_CAPS1_NS_KEYRING_NAME     = 1
	KEYCTL_JOIN_SESSION_KEYRING      = 1
	KEYCTL_MOVE_EXCL                 = 1
	KEYCTL_SUPPORTS_ENCRYPT          = 1
	KEYCTL_CAPS0_PERSISTENT_KEYRINGS = 2
	KEYCTL_CAPS1_NS_KEY_TAG          = 2
	KEYCTL_SUPPORTS_DECRYPT          = 2
	KEYCTL_UPDATE                    = 2
	KEYCTL_REVOKE                    = 3
	KEYCTL_CAPS0_DIFFIE_HELLMAN      = 4
	KEYCTL_CAPS1_NOTIFICATIONS       = 4
	KEYCTL_CHOWN                     = 4
	KEYCTL_SUPPORTS_SIGN             = 4
	KEYCTL_SETPERM                   = 5
	KEYCTL_DESCRIBE                  = 6
	KEYCTL_CLEAR                     = 7
	KEYCTL_CAPS0_PUBLIC_KEY          = 8
	KEYCTL_LINK                      = 8
	KEYCTL_SUPPORTS_VERIFY           = 8
	KEYCTL_UNLINK                    = 9
	KEYCTL_SEARCH                    = 10
	KEYCTL_READ                      = 11
	KEYCTL_INSTANTIATE               = 12
	KEYCTL_NEGATE                    = 13
	KEYCTL_SET_REQKEY_KEYRING        = 14
	KEYCTL_SET_TIMEOUT               = 15
	KEYCTL_ASSUME_AUTHORITY          = 16
	KEYCTL_CAPS0_BIG_KEY             = 16
	KEYCTL_GET_SECURITY              = 17
	KEYCTL_SESSION_TO_PARENT         = 18
	KEYCTL_REJECT                    = 19
	KEYCTL_INSTANTIATE_IOV           = 20
	KEYCTL_INVALIDATE                = 21
	KEYCTL_GET_PERSISTENT            = 22
	KEYCTL_DH_COMPUTE                = 23
	KEYCTL_PKEY_QUERY                = 24
	KEYCTL_PKEY_ENCRYPT              = 25
	KEYCTL_PKEY_DECRYPT              = 26
	KEYCTL_PKEY_SIGN                 = 27
	KEYCTL_PKEY_VERIFY               = 28
	KEYCTL_RESTRICT_KEYRING          = 29
	KEYCTL_MOVE                      = 30
	KEYCTL_CAPABILITIES              = 31
	KEYCTL_CAPS0_INVALIDATE          = 32
	KEYCTL_WATCH_KEY                 = 32
	KEYCTL_CAPS0_RESTRICT_KEYRING    = 64
	KEYCTL_CAPS0_MOVE                = 128
	KEY_SPEC_THREAD_KEYRING          = -1
	KEY_SPEC_PROCESS_KEYRING         = -2
	KEY_SPEC_SESSION_KEYRING         = -3
	KEY_SPEC_USER_KEYRING            = -4
	KEY_SPEC_USER_SESSION_KEYRING    = -5
)

// Memory mapping: mmap(2), mprotect(2).
const (
	PROT_NONE           = 0x0
	PROT_READ           = 0x1
	PROT_WRITE          = 0x2
	PROT_EXEC           = 0x4
	MAP_SHARED          = 0x1
	MAP_PRIVATE         = 0x2
	MAP_FIXED           = 0x10
	MAP_FIXED_NOREPLACE = 0x100000
	MAP_ANONYMOUS       = 0x20
	MAP_GROWSDOWN       = 0x100
	MAP_STACK           = 0x20000
	MAP_NORESERVE       = 0x4000
	MAP_LOCKED          = 0x2000
	MAP_POPULATE        = 0x8000
	MADV_DONTFORK       = 0xa
	MADV_WIPEONFORK     = 0x12
	MADV_DONTNEED       = 0x4
)

// capget(2), capset(2) and the secure bits of capabilities(7).
const (
	LINUX_CAPABILITY_VERSION_3         = 0x20080522
	SECBIT_NOROOT                      = 0x1
	SECBIT_NOROOT_LOCKED               = 0x2
	SECBIT_NO_SETUID_FIXUP             = 0x4
	SECBIT_NO_SETUID_FIXUP_LOCKED      = 0x8
	SECBIT_KEEP_CAPS                   = 0x10
	SECBIT_KEEP_CAPS_LOCKED            = 0x20
	SECBIT_NO_CAP_AMBIENT_RAISE        = 0x40
	SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED = 0x80
)

// Capabilities (capabilities(7)): bit numbers, not masks.
const (
	CAP_CHOWN              = 0x0
	CAP_DAC_OVERRIDE       = 0x1
	CAP_DAC_READ_SEARCH    = 0x2
	CAP_FOWNER             = 0x3
	CAP_FSETID             = 0x4
	CAP_KILL               = 0x5
	CAP_SETGID             = 0x6
	CAP_SETUID             = 0x7
	CAP_SETPCAP            = 0x8
	CAP_LINUX_IMMUTABLE    = 0x9
	CAP_NET_BIND_SERVICE   = 0xa
	CAP_NET_BROADCAST      = 0xb
	CAP_NET_ADMIN          = 0xc
	CAP_NET_RAW            = 0xd
	CAP_IPC_LOCK           = 0xe
	CAP_IPC_OWNER          = 0xf
	CAP_SYS_MODULE         = 0x10
	CAP_SYS_RAWIO          = 0x11
	CAP_SYS_CHROOT         = 0x12
	CAP_SYS_PTRACE         = 0x13
	CAP_SYS_PACCT          = 0x14
	CAP_SYS_ADMIN          = 0x15
	CAP_SYS_BOOT           = 0x16
	CAP_SYS_NICE           = 0x17
	CAP_SYS_RESOURCE       = 0x18
	CAP_SYS_TIME           = 0x19
	CAP_SYS_TTY_CONFIG     = 0x1a
	CAP_MKNOD              = 0x1b
	CAP_LEASE              = 0x1c
	CAP_AUDIT_WRITE        = 0x1d
	CAP_AUDIT_CONTROL      = 0x1e
	CAP_SETFCAP            = 0x1f
	CAP_MAC_OVERRIDE       = 0x20
	CAP_MAC_ADMIN          = 0x21
	CAP_SYSLOG             = 0x22
	CAP_WAKE_ALARM         = 0x23
	CAP_BLOCK_SUSPEND      = 0x24
	CAP_AUDIT_READ         = 0x25
	CAP_PERFMON            = 0x26
	CAP_BPF                = 0x27
	CAP_CHECKPOINT_RESTORE = 0x28
	CAP_LAST_CAP           = 0x28
)

// Machines of an ELF header (elf(5)).
const (
	EM_386     = 0x3
	EM_ARM     = 0x28
	EM_X86_64  = 0x3e
	EM_AARCH64 = 0xb7
	EM_RISCV   = 0xf3
)

// Scheduling policies and I/O priorities.
const (
	SCHED_NORMAL       = 0x0
	SCHED_FIFO         = 0x1
	SCHED_RR           = 0x2
	SCHED_BATCH        = 0x3
	SCHED_IDLE         = 0x5
	SCHED_DEADLINE     = 0x6
	IOPRIO_WHO_PROCESS = 1
	IOPRIO_CLASS_SHIFT = 13
)

// Limits of the kernel: one argument and all of them to execve(2), a path, a name, a mount option page.
const (
	MAX_ARG_STRLEN = 131072
	PATH_MAX       = 4096
	NAME_MAX       = 255
	MOUNT_DATA_MAX = 4095
	XATTR_NAME_MAX = 255
	XATTR_SIZE_MAX = 65536
)
