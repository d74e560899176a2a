/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A tiny program that looks one name up, if it is given one, and ends: what a first lookup costs is
 * the difference. With "--memory PATH" it then prints how much of the file at PATH is in its
 * memory: "RSS OWN" in KiB; its own is what it does not share with the page cache.
 */
#include <config.h>

#include <pwd.h>
#include <stdio.h>
#include <string.h>

static int memory(const char *path)
{
	char line[512];
	unsigned int rss = 0, own = 0, kib;
	int within = 0;
	FILE *maps = fopen("/proc/self/smaps", "re");
	while (maps && fgets(line, sizeof(line), maps)) {
		if (strchr(line, '-') && strchr(line, '-') < strchr(line, ' '))
			within = strstr(line, path) != NULL;
		else if (within && sscanf(line, "Rss: %u kB", &kib) == 1)
			rss += kib;
		else if (within && sscanf(line, "Private_Dirty: %u kB", &kib) == 1)
			own += kib;
	}
	if (!maps || fclose(maps) != 0 || rss == 0)
		return 1;
	(void)printf("%u %u\n", rss, own);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc > 1 && !getpwnam(argv[1]))
		return 1;
	return argc > 3 && strcmp(argv[2], "--memory") == 0 ? memory(argv[3]) : 0;
}
