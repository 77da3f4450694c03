package script

// Call names a system call, whatever its number on an architecture. The zero
// Call is the pseudo-op, which makes no system call.
type Call uint8

// Arch is an architecture that a program can be linked for.
type Arch uint8

const (
	AMD64 Arch = iota
	ARM64
)

// invalid is a system call number that no architecture has: the kernel answers
// ENOSYS.
const invalid = 0xfffe

// pseudo is the number of the pseudo-op.
const pseudo = 0xffff

// The system calls that a program may make. Only calls that both architectures
// have are here: mkdirat, say, but not mkdir, which arm64 lacks.
const (
	Add Call = iota // the pseudo-op: result = arg0 + arg1 + *(u32*)arg2
	Accept4
	Capset
	Chdir
	ClockGettime
	Clone
	Clone3
	Close
	CloseRange
	Dup3
	Execve
	Execveat
	Exit
	ExitGroup
	Fchdir
	Fchmodat
	Fchownat
	Fcntl
	Flock
	Fsconfig
	Fsetxattr
	Fsmount
	Fsopen
	Fstatfs
	Fsync
	Ftruncate
	Getcwd
	Getpid
	Ioctl
	Keyctl
	Kill
	Mkdirat
	Mknodat
	Mount
	MountSetattr
	MoveMount
	Nanosleep
	OpenTree
	Openat
	Openat2
	Personality
	PidfdOpen
	PidfdSendSignal
	PivotRoot
	Ppoll
	Prctl
	Pread64
	Prlimit64
	Pwrite64
	Read
	Recvmsg
	Renameat
	RtSigaction
	RtSigprocmask
	Seccomp
	Sendmsg
	Sendto
	Setdomainname
	Setgroups
	Sethostname
	Setns
	Setpriority
	Setresgid
	Setresuid
	Setsid
	Setxattr
	Socket
	Symlinkat
	Umask
	Umount2
	Unlinkat
	Unshare
	Utimensat
	Waitid
	Write
	Writev
)

// calls holds names and numbers, from arch/x86/entry/syscalls/syscall_64.tbl and
// include/uapi/asm-generic/unistd.h.
var calls = [...]struct {
	name   string
	number [2]uint16 // by Arch
}{
	Add:             {"add", [2]uint16{pseudo, pseudo}},
	Accept4:         {"accept4", [2]uint16{288, 242}},
	Capset:          {"capset", [2]uint16{126, 91}},
	Chdir:           {"chdir", [2]uint16{80, 49}},
	ClockGettime:    {"clock_gettime", [2]uint16{228, 113}},
	Clone:           {"clone", [2]uint16{56, 220}},
	Clone3:          {"clone3", [2]uint16{435, 435}},
	Close:           {"close", [2]uint16{3, 57}},
	CloseRange:      {"close_range", [2]uint16{436, 436}},
	Dup3:            {"dup3", [2]uint16{292, 24}},
	Execve:          {"execve", [2]uint16{59, 221}},
	Execveat:        {"execveat", [2]uint16{322, 281}},
	Exit:            {"exit", [2]uint16{60, 93}},
	ExitGroup:       {"exit_group", [2]uint16{231, 94}},
	Fchdir:          {"fchdir", [2]uint16{81, 50}},
	Fchmodat:        {"fchmodat", [2]uint16{268, 53}},
	Fchownat:        {"fchownat", [2]uint16{260, 54}},
	Fcntl:           {"fcntl", [2]uint16{72, 25}},
	Flock:           {"flock", [2]uint16{73, 32}},
	Fsconfig:        {"fsconfig", [2]uint16{431, 431}},
	Fsetxattr:       {"fsetxattr", [2]uint16{190, 7}},
	Fsmount:         {"fsmount", [2]uint16{432, 432}},
	Fsopen:          {"fsopen", [2]uint16{430, 430}},
	Fstatfs:         {"fstatfs", [2]uint16{138, 44}},
	Fsync:           {"fsync", [2]uint16{74, 82}},
	Ftruncate:       {"ftruncate", [2]uint16{77, 46}},
	Getcwd:          {"getcwd", [2]uint16{79, 17}},
	Getpid:          {"getpid", [2]uint16{39, 172}},
	Ioctl:           {"ioctl", [2]uint16{16, 29}},
	Keyctl:          {"keyctl", [2]uint16{250, 219}},
	Kill:            {"kill", [2]uint16{62, 129}},
	Mkdirat:         {"mkdirat", [2]uint16{258, 34}},
	Mknodat:         {"mknodat", [2]uint16{259, 33}},
	Mount:           {"mount", [2]uint16{165, 40}},
	MountSetattr:    {"mount_setattr", [2]uint16{442, 442}},
	MoveMount:       {"move_mount", [2]uint16{429, 429}},
	Nanosleep:       {"nanosleep", [2]uint16{35, 101}},
	OpenTree:        {"open_tree", [2]uint16{428, 428}},
	Openat:          {"openat", [2]uint16{257, 56}},
	Openat2:         {"openat2", [2]uint16{437, 437}},
	Personality:     {"personality", [2]uint16{135, 92}},
	PidfdOpen:       {"pidfd_open", [2]uint16{434, 434}},
	PidfdSendSignal: {"pidfd_send_signal", [2]uint16{424, 424}},
	PivotRoot:       {"pivot_root", [2]uint16{155, 41}},
	Ppoll:           {"ppoll", [2]uint16{271, 73}},
	Prctl:           {"prctl", [2]uint16{157, 167}},
	Pread64:         {"pread64", [2]uint16{17, 67}},
	Prlimit64:       {"prlimit64", [2]uint16{302, 261}},
	Pwrite64:        {"pwrite64", [2]uint16{18, 68}},
	Read:            {"read", [2]uint16{0, 63}},
	Recvmsg:         {"recvmsg", [2]uint16{47, 212}},
	Renameat:        {"renameat", [2]uint16{264, 38}},
	RtSigaction:     {"rt_sigaction", [2]uint16{13, 134}},
	RtSigprocmask:   {"rt_sigprocmask", [2]uint16{14, 135}},
	Seccomp:         {"seccomp", [2]uint16{317, 277}},
	Sendmsg:         {"sendmsg", [2]uint16{46, 211}},
	Sendto:          {"sendto", [2]uint16{44, 206}},
	Setdomainname:   {"setdomainname", [2]uint16{171, 162}},
	Setgroups:       {"setgroups", [2]uint16{116, 159}},
	Sethostname:     {"sethostname", [2]uint16{170, 161}},
	Setns:           {"setns", [2]uint16{308, 268}},
	Setpriority:     {"setpriority", [2]uint16{141, 140}},
	Setresgid:       {"setresgid", [2]uint16{119, 149}},
	Setresuid:       {"setresuid", [2]uint16{117, 147}},
	Setsid:          {"setsid", [2]uint16{112, 157}},
	Setxattr:        {"setxattr", [2]uint16{188, 5}},
	Socket:          {"socket", [2]uint16{41, 198}},
	Symlinkat:       {"symlinkat", [2]uint16{266, 36}},
	Umask:           {"umask", [2]uint16{95, 166}},
	Umount2:         {"umount2", [2]uint16{166, 39}},
	Unlinkat:        {"unlinkat", [2]uint16{263, 35}},
	Unshare:         {"unshare", [2]uint16{272, 97}},
	Utimensat:       {"utimensat", [2]uint16{280, 88}},
	Waitid:          {"waitid", [2]uint16{247, 95}},
	Write:           {"write", [2]uint16{1, 64}},
	Writev:          {"writev", [2]uint16{20, 66}},
}

// String is the call's name, as in its manual page.
func (c Call) String() string { return calls[c].name }

// Number is the call's number on an architecture.
func (a Arch) Number(c Call) uint16 { return calls[c].number[a] }
