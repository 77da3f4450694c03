package sys

import "syscall"

// Linux error numbers, the same on every architecture that Coracle runs on. On
// Linux they are the values of package syscall.
const (
	EPERM           syscall.Errno = 1
	ENOENT          syscall.Errno = 2
	ESRCH           syscall.Errno = 3
	EINTR           syscall.Errno = 4
	EIO             syscall.Errno = 5
	ENXIO           syscall.Errno = 6
	E2BIG           syscall.Errno = 7
	ENOEXEC         syscall.Errno = 8
	EBADF           syscall.Errno = 9
	ECHILD          syscall.Errno = 10
	EAGAIN          syscall.Errno = 11
	EWOULDBLOCK     syscall.Errno = 11
	ENOMEM          syscall.Errno = 12
	EACCES          syscall.Errno = 13
	EFAULT          syscall.Errno = 14
	ENOTBLK         syscall.Errno = 15
	EBUSY           syscall.Errno = 16
	EEXIST          syscall.Errno = 17
	EXDEV           syscall.Errno = 18
	ENODEV          syscall.Errno = 19
	ENOTDIR         syscall.Errno = 20
	EISDIR          syscall.Errno = 21
	EINVAL          syscall.Errno = 22
	ENFILE          syscall.Errno = 23
	EMFILE          syscall.Errno = 24
	ENOTTY          syscall.Errno = 25
	ETXTBSY         syscall.Errno = 26
	EFBIG           syscall.Errno = 27
	ENOSPC          syscall.Errno = 28
	ESPIPE          syscall.Errno = 29
	EROFS           syscall.Errno = 30
	EMLINK          syscall.Errno = 31
	EPIPE           syscall.Errno = 32
	EDOM            syscall.Errno = 33
	ERANGE          syscall.Errno = 34
	EDEADLK         syscall.Errno = 35
	EDEADLOCK       syscall.Errno = 35
	ENAMETOOLONG    syscall.Errno = 36
	ENOLCK          syscall.Errno = 37
	ENOSYS          syscall.Errno = 38
	ENOTEMPTY       syscall.Errno = 39
	ELOOP           syscall.Errno = 40
	ENOMSG          syscall.Errno = 42
	EIDRM           syscall.Errno = 43
	ECHRNG          syscall.Errno = 44
	EL2NSYNC        syscall.Errno = 45
	EL3HLT          syscall.Errno = 46
	EL3RST          syscall.Errno = 47
	ELNRNG          syscall.Errno = 48
	EUNATCH         syscall.Errno = 49
	ENOCSI          syscall.Errno = 50
	EL2HLT          syscall.Errno = 51
	EBADE           syscall.Errno = 52
	EBADR           syscall.Errno = 53
	EXFULL          syscall.Errno = 54
	ENOANO          syscall.Errno = 55
	EBADRQC         syscall.Errno = 56
	EBADSLT         syscall.Errno = 57
	EBFONT          syscall.Errno = 59
	ENOSTR          syscall.Errno = 60
	ENODATA         syscall.Errno = 61
	ETIME           syscall.Errno = 62
	ENOSR           syscall.Errno = 63
	ENONET          syscall.Errno = 64
	ENOPKG          syscall.Errno = 65
	EREMOTE         syscall.Errno = 66
	ENOLINK         syscall.Errno = 67
	EADV            syscall.Errno = 68
	ESRMNT          syscall.Errno = 69
	ECOMM           syscall.Errno = 70
	EPROTO          syscall.Errno = 71
	EMULTIHOP       syscall.Errno = 72
	EDOTDOT         syscall.Errno = 73
	EBADMSG         syscall.Errno = 74
	EOVERFLOW       syscall.Errno = 75
	ENOTUNIQ        syscall.Errno = 76
	EBADFD          syscall.Errno = 77
	EREMCHG         syscall.Errno = 78
	ELIBACC         syscall.Errno = 79
	ELIBBAD         syscall.Errno = 80
	ELIBSCN         syscall.Errno = 81
	ELIBMAX         syscall.Errno = 82
	ELIBEXEC        syscall.Errno = 83
	EILSEQ          syscall.Errno = 84
	ERESTART        syscall.Errno = 85
	ESTRPIPE        syscall.Errno = 86
	EUSERS          syscall.Errno = 87
	ENOTSOCK        syscall.Errno = 88
	EDESTADDRREQ    syscall.Errno = 89
	EMSGSIZE        syscall.Errno = 90
	EPROTOTYPE      syscall.Errno = 91
	ENOPROTOOPT     syscall.Errno = 92
	EPROTONOSUPPORT syscall.Errno = 93
	ESOCKTNOSUPPORT syscall.Errno = 94
	ENOTSUP         syscall.Errno = 95
	EOPNOTSUPP      syscall.Errno = 95
	EPFNOSUPPORT    syscall.Errno = 96
	EAFNOSUPPORT    syscall.Errno = 97
	EADDRINUSE      syscall.Errno = 98
	EADDRNOTAVAIL   syscall.Errno = 99
	ENETDOWN        syscall.Errno = 100
	ENETUNREACH     syscall.Errno = 101
	ENETRESET       syscall.Errno = 102
	ECONNABORTED    syscall.Errno = 103
	ECONNRESET      syscall.Errno = 104
	ENOBUFS         syscall.Errno = 105
	EISCONN         syscall.Errno = 106
	ENOTCONN        syscall.Errno = 107
	ESHUTDOWN       syscall.Errno = 108
	ETOOMANYREFS    syscall.Errno = 109
	ETIMEDOUT       syscall.Errno = 110
	ECONNREFUSED    syscall.Errno = 111
	EHOSTDOWN       syscall.Errno = 112
	EHOSTUNREACH    syscall.Errno = 113
	EALREADY        syscall.Errno = 114
	EINPROGRESS     syscall.Errno = 115
	ESTALE          syscall.Errno = 116
	EUCLEAN         syscall.Errno = 117
	ENOTNAM         syscall.Errno = 118
	ENAVAIL         syscall.Errno = 119
	EISNAM          syscall.Errno = 120
	EREMOTEIO       syscall.Errno = 121
	EDQUOT          syscall.Errno = 122
	ENOMEDIUM       syscall.Errno = 123
	EMEDIUMTYPE     syscall.Errno = 124
	ECANCELED       syscall.Errno = 125
	ENOKEY          syscall.Errno = 126
	EKEYEXPIRED     syscall.Errno = 127
	EKEYREVOKED     syscall.Errno = 128
	EKEYREJECTED    syscall.Errno = 129
	EOWNERDEAD      syscall.Errno = 130
	ENOTRECOVERABLE syscall.Errno = 131
	ERFKILL         syscall.Errno = 132
	EHWPOISON       syscall.Errno = 133
)

func errnoNames() []numbered {
	return []numbered{
		{1, "EPERM"},
		{2, "ENOENT"},
		{3, "ESRCH"},
		{4, "EINTR"},
		{5, "EIO"},
		{6, "ENXIO"},
		{7, "E2BIG"},
		{8, "ENOEXEC"},
		{9, "EBADF"},
		{10, "ECHILD"},
		{11, "EAGAIN"},
		{12, "ENOMEM"},
		{13, "EACCES"},
		{14, "EFAULT"},
		{15, "ENOTBLK"},
		{16, "EBUSY"},
		{17, "EEXIST"},
		{18, "EXDEV"},
		{19, "ENODEV"},
		{20, "ENOTDIR"},
		{21, "EISDIR"},
		{22, "EINVAL"},
		{23, "ENFILE"},
		{24, "EMFILE"},
		{25, "ENOTTY"},
		{26, "ETXTBSY"},
		{27, "EFBIG"},
		{28, "ENOSPC"},
		{29, "ESPIPE"},
		{30, "EROFS"},
		{31, "EMLINK"},
		{32, "EPIPE"},
		{33, "EDOM"},
		{34, "ERANGE"},
		{35, "EDEADLK"},
		{36, "ENAMETOOLONG"},
		{37, "ENOLCK"},
		{38, "ENOSYS"},
		{39, "ENOTEMPTY"},
		{40, "ELOOP"},
		{42, "ENOMSG"},
		{43, "EIDRM"},
		{44, "ECHRNG"},
		{45, "EL2NSYNC"},
		{46, "EL3HLT"},
		{47, "EL3RST"},
		{48, "ELNRNG"},
		{49, "EUNATCH"},
		{50, "ENOCSI"},
		{51, "EL2HLT"},
		{52, "EBADE"},
		{53, "EBADR"},
		{54, "EXFULL"},
		{55, "ENOANO"},
		{56, "EBADRQC"},
		{57, "EBADSLT"},
		{59, "EBFONT"},
		{60, "ENOSTR"},
		{61, "ENODATA"},
		{62, "ETIME"},
		{63, "ENOSR"},
		{64, "ENONET"},
		{65, "ENOPKG"},
		{66, "EREMOTE"},
		{67, "ENOLINK"},
		{68, "EADV"},
		{69, "ESRMNT"},
		{70, "ECOMM"},
		{71, "EPROTO"},
		{72, "EMULTIHOP"},
		{73, "EDOTDOT"},
		{74, "EBADMSG"},
		{75, "EOVERFLOW"},
		{76, "ENOTUNIQ"},
		{77, "EBADFD"},
		{78, "EREMCHG"},
		{79, "ELIBACC"},
		{80, "ELIBBAD"},
		{81, "ELIBSCN"},
		{82, "ELIBMAX"},
		{83, "ELIBEXEC"},
		{84, "EILSEQ"},
		{85, "ERESTART"},
		{86, "ESTRPIPE"},
		{87, "EUSERS"},
		{88, "ENOTSOCK"},
		{89, "EDESTADDRREQ"},
		{90, "EMSGSIZE"},
		{91, "EPROTOTYPE"},
		{92, "ENOPROTOOPT"},
		{93, "EPROTONOSUPPORT"},
		{94, "ESOCKTNOSUPPORT"},
		{95, "EOPNOTSUPP"},
		{96, "EPFNOSUPPORT"},
		{97, "EAFNOSUPPORT"},
		{98, "EADDRINUSE"},
		{99, "EADDRNOTAVAIL"},
		{100, "ENETDOWN"},
		{101, "ENETUNREACH"},
		{102, "ENETRESET"},
		{103, "ECONNABORTED"},
		{104, "ECONNRESET"},
		{105, "ENOBUFS"},
		{106, "EISCONN"},
		{107, "ENOTCONN"},
		{108, "ESHUTDOWN"},
		{109, "ETOOMANYREFS"},
		{110, "ETIMEDOUT"},
		{111, "ECONNREFUSED"},
		{112, "EHOSTDOWN"},
		{113, "EHOSTUNREACH"},
		{114, "EALREADY"},
		{115, "EINPROGRESS"},
		{116, "ESTALE"},
		{117, "EUCLEAN"},
		{118, "ENOTNAM"},
		{119, "ENAVAIL"},
		{120, "EISNAM"},
		{121, "EREMOTEIO"},
		{122, "EDQUOT"},
		{123, "ENOMEDIUM"},
		{124, "EMEDIUMTYPE"},
		{125, "ECANCELED"},
		{126, "ENOKEY"},
		{127, "EKEYEXPIRED"},
		{128, "EKEYREVOKED"},
		{129, "EKEYREJECTED"},
		{130, "EOWNERDEAD"},
		{131, "ENOTRECOVERABLE"},
		{132, "ERFKILL"},
		{133, "EHWPOISON"},
	}
}
