/*
 * Writes the filter that libseccomp makes of a list of rules, as an array of
 * struct sock_filter, for comparison with the one that Compile makes.
 *
 * Standard input, one item per line, numbers in C notation:
 *
 *	arch NAME                       another architecture (x86, x32, arm, ...)
 *	only NAME                       this architecture instead of the native one
 *	rule ACTION CALL N              followed by N conditions on the same line:
 *	    ... INDEX OP VALUE VALUE2   OP is 1 NE, 2 LT, 3 LE, 4 EQ, 5 GE, 6 GT, 7 MASKED_EQ
 *
 * The first argument is the default action. ACTION is a SCMP_ACT_* value. With
 * the argument "names", the lines are "ARCH CALL" and the output is numbers.
 */
#include <errno.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void die(const char *what, int rc)
{
	fprintf(stderr, "%s: %s\n", what, strerror(rc < 0 ? -rc : rc));
	exit(1);
}

static int names(void)
{
	char arch[32], call[64];
	while (scanf("%31s %63s", arch, call) == 2)
		printf("%d\n", seccomp_syscall_resolve_name_arch(seccomp_arch_resolve_name(arch), call));
	return 0;
}

int main(int argc, char **argv)
{
	char word[64], call[64], val[4][32];
	if (argc > 1 && strcmp(argv[1], "names") == 0)
		return names();
	scmp_filter_ctx c = seccomp_init(strtoul(argv[1], NULL, 0));
	if (c == NULL)
		die("seccomp_init", EINVAL);
	int native = 1;
	while (scanf("%63s", word) == 1) {
		if (strcmp(word, "arch") == 0 || strcmp(word, "only") == 0) {
			if (scanf("%63s", call) != 1)
				die("arch", EINVAL);
			int rc = seccomp_arch_add(c, seccomp_arch_resolve_name(call));
			if (rc != 0 && rc != -EEXIST)
				die(call, rc);
			if (strcmp(word, "only") == 0 && native && rc != -EEXIST) {
				rc = seccomp_arch_remove(c, SCMP_ARCH_NATIVE);
				if (rc != 0)
					die("remove", rc);
				native = 0;
			}
			continue;
		}
		unsigned n;
		if (scanf("%63s %63s %u", word, call, &n) != 3 || n > 6)
			die("rule", EINVAL);
		struct scmp_arg_cmp args[6];
		memset(args, 0, sizeof args);
		for (unsigned i = 0; i < n; i++) {
			if (scanf("%31s %31s %31s %31s", val[0], val[1], val[2], val[3]) != 4)
				die("condition", EINVAL);
			args[i].arg = strtoul(val[0], NULL, 0);
			args[i].op = strtoul(val[1], NULL, 0);
			args[i].datum_a = strtoull(val[2], NULL, 0);
			args[i].datum_b = strtoull(val[3], NULL, 0);
		}
		int nr = seccomp_syscall_resolve_name(call);
		if (nr == __NR_SCMP_ERROR)
			continue;
		int rc = seccomp_rule_add_array(c, strtoul(word, NULL, 0), nr, n, args);
		/* EACCES: the action is the default; EEXIST: it is in there already. */
		if (rc != 0 && rc != -EACCES && rc != -EEXIST)
			die(call, rc);
	}
	int rc = seccomp_export_bpf(c, STDOUT_FILENO);
	if (rc != 0)
		die("export", rc);
	return 0;
}
