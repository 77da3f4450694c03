package seccomp

import (
	"maps"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/coraclehq/coracle/internal/sys"
)

// abi is one way into the kernel: an architecture as profiles name it, with its
// numbers.
type abi struct {
	name   specs.Arch
	arch   sys.Arch
	x32    bool // the x32 calls of arch, which is then AMD64
	narrow bool // arguments have 32 bits
}

// abisOf returns the ways into the kernel of a host, the native one first.
func abisOf(host sys.Arch) []abi {
	x86 := abi{name: specs.ArchX86, arch: sys.I386, narrow: true}
	arm := abi{name: specs.ArchARM, arch: sys.ARM, narrow: true}
	switch host {
	case sys.AMD64:
		return []abi{{name: specs.ArchX86_64, arch: sys.AMD64}, x86, {name: specs.ArchX32, arch: sys.AMD64, x32: true}}
	case sys.ARM64:
		return []abi{{name: specs.ArchAARCH64, arch: sys.ARM64}, arm}
	case sys.I386:
		return []abi{x86}
	case sys.ARM:
		return []abi{arm}
	}
	return nil
}

// knownArch says whether libseccomp has an architecture of that name. The ones
// that a host lacks are legal in a profile and mean nothing there.
func knownArch(a specs.Arch) bool {
	switch a {
	case specs.ArchX86, specs.ArchX86_64, specs.ArchX32, specs.ArchARM, specs.ArchAARCH64,
		specs.ArchMIPS, specs.ArchMIPS64, specs.ArchMIPS64N32, specs.ArchMIPSEL, specs.ArchMIPSEL64, specs.ArchMIPSEL64N32,
		specs.ArchPPC, specs.ArchPPC64, specs.ArchPPC64LE, specs.ArchS390, specs.ArchS390X,
		specs.ArchPARISC, specs.ArchPARISC64, specs.ArchRISCV64,
		specs.ArchLOONGARCH64, specs.ArchM68K, specs.ArchSH, specs.ArchSHEB:
		return true
	}
	return false
}

// number returns the number of a call, and whether the ABI has it.
func (a abi) number(name string) (uint32, bool) {
	if a.x32 {
		return x32Number(name)
	}
	if nr, ok := a.arch.Number(name); ok {
		return uint32(nr), true
	}
	if a.arch == sys.ARM {
		return armNumber(name)
	}
	return 0, false
}

// numbers returns all numbers that the ABI has, in ascending order.
func (a abi) numbers() []uint32 {
	set := make(map[uint32]bool)
	for _, name := range a.arch.Calls() {
		if nr, ok := a.number(name); ok {
			set[nr] = true
		}
	}
	if a.arch == sys.ARM {
		for nr := range uint32(armLast - armFirst + 1) {
			set[armFirst+nr] = true
		}
	}
	return slices.Sorted(maps.Keys(set))
}

// x32Bit marks the numbers of x32 calls, __X32_SYSCALL_BIT of asm/unistd.h.
const x32Bit = 0x40000000

// x32First is the first of the numbers that x32 has for itself, in the order of
// arch/x86/entry/syscalls/syscall_64.tbl. The list is closed: its last line is
// "This is the end of the legacy x32 range".
const x32First = 512

const x32Own = " rt_sigaction rt_sigreturn ioctl readv writev recvfrom sendmsg recvmsg execve ptrace" +
	" rt_sigpending rt_sigtimedwait rt_sigqueueinfo sigaltstack timer_create mq_notify kexec_load waitid" +
	" set_robust_list get_robust_list vmsplice move_pages preadv pwritev rt_tgsigqueueinfo recvmmsg sendmmsg" +
	" process_vm_readv process_vm_writev setsockopt getsockopt io_setup io_submit execveat preadv2 pwritev2 "

// x32Lacks are the calls of x86-64 that x32 has not, "64" in the same table.
const x32Lacks = " _sysctl create_module epoll_ctl_old epoll_wait_old get_kernel_syms get_thread_area" +
	" map_shadow_stack nfsservctl query_module set_thread_area uretprobe uselib vserver "

func x32Number(name string) (uint32, bool) {
	word := " " + name + " "
	if at := strings.Index(x32Own, word); at >= 0 {
		return x32Bit | x32First + uint32(strings.Count(x32Own[:at], " ")), true
	}
	nr, ok := sys.AMD64.Number(name)
	if !ok || strings.Contains(x32Lacks, word) {
		return 0, false
	}
	return x32Bit | uint32(nr), true
}

// The private calls of 32-bit ARM, __ARM_NR_* of asm/unistd.h, which no table of
// system calls contains.
const (
	armFirst = 0xf0001
	armLast  = 0xf0006
)

func armNumber(name string) (uint32, bool) {
	switch name {
	case "breakpoint":
		return armFirst, true
	case "cacheflush":
		return armFirst + 1, true
	case "usr26":
		return armFirst + 2, true
	case "usr32":
		return armFirst + 3, true
	case "set_tls":
		return armFirst + 4, true
	case "get_tls":
		return armLast, true
	case "sync_file_range2":
		// Two names of one call: asm/unistd.h defines this one as the other.
		nr, ok := sys.ARM.Number("arm_sync_file_range")
		return uint32(nr), ok
	}
	return 0, false
}

// foreignCalls are names of calls that only architectures have for which there
// is no table here. Profiles for many architectures list them.
const foreignCalls = " cachectl cacheflush execv getdomainname getpagesize kern_features memory_ordering" +
	" multiplexer perfctr riscv_flush_icache riscv_hwprobe rtas s390_guarded_storage s390_pci_mmio_read" +
	" s390_pci_mmio_write s390_runtime_instr s390_sthyi sched_get_affinity sched_set_affinity spu_create spu_run" +
	" subpage_prot swapcontext switch_endian sync_file_range2 sys_debug_setcontext syscall sysmips timerfd utrap_install "

// knownCall says whether any architecture has a call of that name.
func knownCall(name string) bool {
	for _, a := range []sys.Arch{sys.AMD64, sys.I386, sys.ARM64, sys.ARM} {
		if _, ok := a.Number(name); ok {
			return true
		}
	}
	if _, ok := armNumber(name); ok {
		return true
	}
	return !strings.Contains(name, " ") && strings.Contains(foreignCalls, " "+name+" ")
}
