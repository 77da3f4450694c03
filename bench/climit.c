//go:build ignore

// The C limit: what a start costs when nothing but the kernel takes part. A
// resident process that makes the container's cgroups, clones a child that shares
// its memory, and waits for it; the child carries out the very list of system calls
// that the library's helper carries out, read from the helper's own file, in a loop
// of twenty lines. See doc.go for what it has and has not.
//
// The first line on stdin says what to do, each further line is one start: the
// container's ID. The answer is one line: nanoseconds of CLOCK_MONOTONIC at the
// beginning, when the program was executed, and when it had ended.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sched.h>
#include <time.h>
#include <unistd.h>

enum { MOST = 64, ID = 64 };

// An op as package script lays it out.
struct op {
	uint16_t nr;
	uint8_t errno_ok, flags;
	int16_t on_result, on_errno;
	uint64_t arg[6];
	uint64_t store;
};

static char *image, *memory;
static long base, size, space, entry, flags, joins, container;
static long ids[MOST], nids;
static struct { long at; char role; int which; } fds[MOST];
static long nfds;
static struct { char version; char parent[512], path[600]; int fd; } groups[MOST];
static long ngroups;
static char pids_max[64];
static int out[2][2], null, gate, target = -1, own = -1;
static struct op *volatile failed;
static volatile int why;
static char stack[1 << 16] __attribute__((aligned(16)));

// child carries out the list. It never returns.
static void child(void)
{
	for (int i = 0; i < joins; i++)
		if (write(groups[i].fd, "0", 1) < 0)
			_exit(126);
	for (struct op *o = (struct op *)entry;; o++) {
		long r;
		if (o->nr == 0xffff) {
			r = o->arg[0] + o->arg[1] + (o->arg[2] ? *(uint32_t *)o->arg[2] : 0);
		} else if ((r = syscall(o->nr, o->arg[0], o->arg[1], o->arg[2], o->arg[3], o->arg[4], o->arg[5])) == -1) {
			if (o->errno_ok != 255 && o->errno_ok != errno) {
				failed = o;
				why = errno;
				_exit(127);
			}
			o += o->on_errno;
			continue;
		}
		if (o->store && o->flags & 4)
			*(uint64_t *)o->store = r;
		else if (o->store)
			*(uint32_t *)o->store = r;
		int when = o->flags & 3;
		if ((when == 1 && r == 0) || (when == 2 && r > 0) || (when == 3 && r == (long)o->arg[5]))
			o += o->on_result;
	}
}

static long clone3(struct clone_args *a, void (*f)(void))
{
	long r;
	register void (*fn)(void) asm("r12") = f;
	asm volatile("syscall\n\ttest %%rax, %%rax\n\tjnz 1f\n\txor %%ebp, %%ebp\n\tcall *%%r12\n\thlt\n1:"
		     : "=a"(r)
		     : "0"(SYS_clone3), "D"(a), "S"(sizeof *a), "r"(fn)
		     : "rcx", "r11", "memory");
	return r;
}

static long now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000L + t.tv_nsec;
}

static void die(const char *what)
{
	printf("error %s: %s\n", what, strerror(errno));
	fflush(stdout);
	exit(1);
}

static void write_file(const char *dir, const char *name, const char *text)
{
	char path[700];
	snprintf(path, sizeof path, "%s/%s", dir, name);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		die(path);
	close(fd);
}

// enter makes the groups, or opens those of the running container.
static int enter(const char *id)
{
	char path[700];
	int into = -1;
	for (int i = 0; i < ngroups; i++) {
		if (container)
			snprintf(groups[i].path, sizeof groups[i].path, "%s", groups[i].parent);
		else
			snprintf(groups[i].path, sizeof groups[i].path, "%s/%s", groups[i].parent, id);
		if (!container && mkdir(groups[i].path, 0755) < 0)
			die(groups[i].path);
		if (groups[i].version == 'p' || groups[i].version == 'P')
			if (!container)
				write_file(groups[i].path, "pids.max", pids_max);
		int v2 = groups[i].version == '2' || groups[i].version == 'P';
		snprintf(path, sizeof path, v2 ? "%s" : "%s/tasks", groups[i].path);
		groups[i].fd = open(path, (v2 ? O_RDONLY | O_DIRECTORY : O_WRONLY) | O_CLOEXEC);
		if (groups[i].fd < 0)
			die(path);
		if (v2)
			into = groups[i].fd;
	}
	return into;
}

static void fill(const char *id)
{
	memcpy(memory, image, size);
	memset(memory + size, 0, space - size);
	for (int i = 0; i < nids; i++)
		memcpy(memory + ids[i], id, ID);
	for (int i = 0; i < nfds; i++) {
		int fd = -1;
		switch (fds[i].role) {
		case 'g': fd = groups[fds[i].which].fd; break;
		case 'o': fd = out[fds[i].which][1]; break;
		case 'n': fd = null; break;
		case 'c': fd = target; break;
		}
		*(uint64_t *)(memory + fds[i].at) = (int64_t)fd;
	}
}

static void start(const char *id)
{
	int pidfd = -1;
	sigset_t all, old;
	siginfo_t info = {0};
	struct clone_args a = {
		.flags = CLONE_VM | CLONE_VFORK | CLONE_PIDFD | CLONE_CLEAR_SIGHAND | flags,
		.pidfd = (uintptr_t)&pidfd,
		.exit_signal = SIGCHLD,
		.stack = (uintptr_t)stack,
		.stack_size = sizeof stack,
	};
	long t0 = now();
	int into = enter(id);
	fill(id);
	if (into >= 0) {
		a.flags |= CLONE_INTO_CGROUP;
		a.cgroup = into;
	}
	if (target >= 0 && setns(target, CLONE_NEWPID) < 0)
		die("setns");
	failed = 0;
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &old);
	long pid = clone3(&a, child);
	sigprocmask(SIG_SETMASK, &old, 0);
	long t1 = now();
	if (pid < 0) {
		errno = -pid;
		die("clone3");
	}
	if (waitid(P_PIDFD, pidfd, &info, WEXITED) < 0)
		die("waitid");
	long t2 = now();
	if (target >= 0 && setns(own, CLONE_NEWPID) < 0)
		die("setns back");
	close(pidfd);
	for (int i = 0; i < ngroups; i++) {
		close(groups[i].fd);
		if (!container && rmdir(groups[i].path) < 0)
			die(groups[i].path);
	}
	if (failed)
		printf("error system call %d, op %ld: %s\n", failed->nr, (long)(failed - (struct op *)entry), strerror(why));
	else if (info.si_status)
		printf("error exit status %d\n", info.si_status);
	else
		printf("%ld %ld %ld\n", t0, t1, t2);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	char line[256], byte;
	if (argc != 3)
		return 2;
	// argv: the image; the number of the descriptor that the start waits on.
	gate = atoi(argv[2]);
	fcntl(gate, F_SETFD, FD_CLOEXEC);
	if (scanf("%ld %ld %ld %ld %ld %ld %63s", &base, &space, &entry, &flags, &joins, &container, pids_max) != 7)
		return 2;
	if (scanf("%ld", &nids) != 1 || nids > MOST)
		return 2;
	for (int i = 0; i < nids; i++)
		if (scanf("%ld", &ids[i]) != 1)
			return 2;
	if (scanf("%ld", &nfds) != 1 || nfds > MOST)
		return 2;
	for (int i = 0; i < nfds; i++)
		if (scanf("%ld %c %d", &fds[i].at, &fds[i].role, &fds[i].which) != 3)
			return 2;
	if (scanf("%ld", &ngroups) != 1 || ngroups > MOST)
		return 2;
	for (int i = 0; i < ngroups; i++)
		if (scanf(" %c %511s", &groups[i].version, groups[i].parent) != 2)
			return 2;

	int fd = open(argv[1], O_RDONLY | O_CLOEXEC);
	struct stat st;
	if (fd < 0 || fstat(fd, &st) < 0)
		die(argv[1]);
	size = st.st_size;
	image = mmap(0, size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
	memory = mmap((void *)base, space, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE | MAP_POPULATE, -1, 0);
	if (image == MAP_FAILED || memory != (void *)base)
		die("map the list");
	close(fd);
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int i = 0; i < 2; i++)
		if (pipe2(out[i], O_CLOEXEC) < 0)
			die("pipe");
	if (container) {
		target = syscall(SYS_pidfd_open, container, 0);
		own = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
		if (target < 0 || own < 0)
			die("open the container");
	}
	printf("ready\n");
	fflush(stdout);
	while (scanf("%255s", line) == 1 && read(gate, &byte, 1) == 1)
		start(line);
	return 0;
}
