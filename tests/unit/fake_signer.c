/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Stands in for mtls-signer in test_signer_start.c. The first argument says what it does with its
 * socket, descriptor 0.
 */
#include <config.h>

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

extern char **environ;

/* The lines of /proc/self/status that tell what was inherited. */
static void print_status(FILE *out)
{
	static const char *const keys[] = { "Uid:",    "Gid:",    "Groups:", "NoNewPrivs:",
					    "SigBlk:", "SigIgn:", "CapPrm:", "CapAmb:" };
	char line[4096];
	FILE *f = fopen("/proc/self/status", "re");
	if (!f)
		exit(9);
	while (fgets(line, sizeof(line), f))
		for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
			if (strncmp(line, keys[i], strlen(keys[i])) == 0)
				(void)fputs(line, out);
	(void)fclose(f);
}

static void print_descriptors(FILE *out)
{
	DIR *dir = opendir("/proc/self/fd");
	if (!dir)
		exit(9);
	for (struct dirent *entry; (entry = readdir(dir));) {
		char link[64], target[256];
		if (entry->d_name[0] == '.' || atoi(entry->d_name) == dirfd(dir) ||
		    atoi(entry->d_name) == fileno(out))
			continue;
		(void)snprintf(link, sizeof(link), "/proc/self/fd/%.20s", entry->d_name);
		ssize_t n = readlink(link, target, sizeof(target) - 1);
		target[n < 0 ? 0 : n] = '\0';
		if (strncmp(target, "socket:", 7) == 0)
			target[7] = '\0';
		(void)fprintf(out, "fd %s %s\n", entry->d_name, target);
	}
	(void)closedir(dir);
}

static void report(int argc, char **argv)
{
	char cwd[256];
	struct rlimit core;
	FILE *out = fdopen(dup(0), "we");
	if (!out || !getcwd(cwd, sizeof(cwd)) || getrlimit(RLIMIT_CORE, &core) < 0)
		exit(9);
	print_status(out);
	print_descriptors(out);
	int variables = 0;
	while (environ && environ[variables])
		variables++;
	(void)fprintf(out, "env %d\ncwd %s\ncore %lu\n", variables, cwd,
		      (unsigned long)core.rlim_max);
	(void)fprintf(out, "leader %d\numask %03o\n", getsid(0) == getpid(), umask(0));
	for (int i = 0; i < argc; i++)
		(void)fprintf(out, "arg %s\n", argv[i]);
	(void)fprintf(out, "END\n");
	(void)fclose(out);
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";
	char byte;

	if (strcmp(mode, "report") == 0)
		report(argc, argv);
	if (strcmp(mode, "hang") == 0)
		for (;;)
			(void)pause();
	if (strcmp(mode, "die") == 0)
		return 3;
	while (read(0, &byte, 1) > 0)
		;
	_exit(0);
}
