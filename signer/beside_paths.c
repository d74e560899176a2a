/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Certificates that the person keeps for keys on cards and in agents: read once, keys are left
 * alone. */
#include <config.h>

#include <dirent.h>
#include <errno.h>
#include <string.h>

#include "lib/base/file.h"
#include "signer/beside_paths.h"

struct adding {
	struct beside *beside;
	const struct source_args *args;
	beside_say *say;
	void *say_ctx;
	size_t files;
};

static int add_file(struct adding *adding, const char *path)
{
	const struct mtls_file_trust trust = { .owner = adding->args->owner };
	_cleanup_buf_ struct mtls_buf raw = MTLS_BUF_SECRET(LEAF_FILE_MAX);
	struct mtls_diag diag = { 0 };

	if (adding->files++ >= BESIDE_FILES_MAX)
		return 0;
	int r = mtls_file_read(path, &trust, &raw, &diag);
	/* A person's folder holds keys as well; those are source file's. */
	if (r >= 0 && !leaf_is_public(raw.data, raw.len))
		return 0;
	if (r >= 0)
		r = beside_add(adding->beside, path, raw.data, raw.len, &diag);
	if (r < 0 && r != -ENOENT && r != -ENOMEM)
		adding->say(adding->say_ctx, path, mtls_diag_text(&diag, r));
	return r == -ENOMEM ? r : 0;
}

static int filter(const struct dirent *entry)
{
	return source_is_certificate(entry->d_name);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int add_folder(struct adding *adding, const char *folder)
{
	struct dirent **names = NULL;
	int r = 0, count = scandir(folder, &names, filter, by_name);

	if (count < 0 && errno != ENOENT)
		adding->say(adding->say_ctx, folder, mtls_strerror(-errno));
	for (int i = 0; i < count; i++) {
		char *path = NULL;
		if (r >= 0 && asprintf(&path, "%s/%s", folder, names[i]->d_name) < 0) {
			path = NULL;
			r = -ENOMEM;
		}
		if (r >= 0)
			r = add_file(adding, path);
		free(path);
		free(names[i]);
	}
	free(names);
	return r;
}

int beside_add_paths(struct beside *beside, const struct source_args *args, beside_say *say,
		     void *say_ctx)
{
	struct adding adding = { .beside = beside, .args = args, .say = say, .say_ctx = say_ctx };
	int r = 0;

	for (size_t i = 0; i < args->path_count && r >= 0; i++)
		r = args->paths[i].folder ? add_folder(&adding, args->paths[i].path)
					  : add_file(&adding, args->paths[i].path);
	return r;
}
