/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * main() of a fuzz target where libFuzzer is not linked: runs the target over the files named on
 * the command line, or over its corpus $top_srcdir/tests/fuzz/NAME.in/. TAP, one result a file; a
 * crash or a sanitizer report ends the program, which the harness counts as a failure.
 */
#include <config.h>

#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define INPUT_MAX (1 << 20)

static int run_file(const char *path, int number)
{
	FILE *f = fopen(path, "rbe");
	if (!f) {
		printf("not ok %d - %s: %s\n", number, path, strerror(errno));
		return 1;
	}
	/* Exactly as large as the content, so that a read past the end is seen by ASan. */
	uint8_t *whole = malloc(INPUT_MAX);
	if (!whole)
		abort();
	size_t size = fread(whole, 1, INPUT_MAX, f);
	(void)fclose(f);
	uint8_t *data = malloc(size ? size : 1);
	if (!data)
		abort();
	memcpy(data, whole, size);
	free(whole);
	(void)LLVMFuzzerTestOneInput(data, size);
	free(data);
	const char *base = strrchr(path, '/');
	printf("ok %d - %s\n", number, base ? base + 1 : path);
	(void)fflush(stdout);
	return 0;
}

static int run_corpus(const char *program)
{
	const char *srcdir = getenv("top_srcdir");
	const char *name = strrchr(program, '/');
	char folder[4096], path[4096 + 512];
	int count = 0, failed = 0;

	(void)snprintf(folder, sizeof(folder), "%s/tests/fuzz/%s.in", srcdir ? srcdir : ".",
		       name ? name + 1 : program);
	DIR *dir = opendir(folder);
	if (!dir) {
		printf("Bail out! no corpus %s\n", folder);
		return 99;
	}
	for (struct dirent *entry; (entry = readdir(dir));) {
		if (entry->d_name[0] == '.')
			continue;
		(void)snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		failed |= run_file(path, ++count);
	}
	(void)closedir(dir);
	printf("1..%d\n", count);
	return failed || !count;
}

int main(int argc, char **argv)
{
	int failed = 0;

	if (argc < 2)
		return run_corpus(argv[0]);
	for (int i = 1; i < argc; i++)
		failed |= run_file(argv[i], i);
	printf("1..%d\n", argc - 1);
	return failed;
}
