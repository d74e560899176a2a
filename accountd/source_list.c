/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The folder of the source files as it is now: which sources have which files, told apart by what
 * stat(2) says. Nothing is read here.
 */
#include <config.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "accountd/source_files_impl.h"
#include "lib/base/str.h"

#define STORE_NAME "store" /* what the store itself is called where sources are named */

static const char *const suffixes[PARTS] = {
	[PART_PASSWD] = ".passwd",
	[PART_GROUP] = ".group",
};

static void closedirp(DIR **dir)
{
	if (*dir)
		(void)closedir(*dir);
}

void identity_of(const struct stat *st, struct identity *ret)
{
	*ret = (struct identity){
		.dev = st->st_dev,
		.ino = st->st_ino,
		.size = st->st_size,
		.mtime = st->st_mtim,
		.ctime = st->st_ctim,
	};
}

bool identity_same(const struct identity *a, const struct identity *b)
{
	return a->dev == b->dev && a->ino == b->ino && a->size == b->size &&
	       a->mtime.tv_sec == b->mtime.tv_sec && a->mtime.tv_nsec == b->mtime.tv_nsec &&
	       a->ctime.tv_sec == b->ctime.tv_sec && a->ctime.tv_nsec == b->ctime.tv_nsec;
}

bool identity_none(const struct identity *identity)
{
	const struct identity none = { 0 };

	return identity_same(identity, &none);
}

char *source_path(const struct source_files *files, const char *name, enum source_part part)
{
	char *path = NULL;

	return asprintf(&path, "%s/%s%s", files->folder, name, suffixes[part]) < 0 ? NULL : path;
}

/* The grammar of a source: it stands in the snapshot, in messages, and is a file's name. */
static bool name_valid(const char *name, size_t len)
{
	if (len == 0 || len > SOURCE_NAME_MAX || name[0] < 'a' || name[0] > 'z')
		return false;
	for (size_t i = 1; i < len; i++) {
		char c = name[i];
		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-')
			return false;
	}
	return len != strlen(STORE_NAME) || memcmp(name, STORE_NAME, len) != 0;
}

/* NAME.passwd or NAME.group: the part and the name; false for anything else. */
static bool split_name(const char *file, char ret_name[SOURCE_NAME_MAX + 1],
		       enum source_part *ret_part)
{
	size_t len = strlen(file);

	for (int part = 0; part < PARTS; part++) {
		size_t n = strlen(suffixes[part]);
		if (len <= n || strcmp(file + len - n, suffixes[part]) != 0)
			continue;
		if (!name_valid(file, len - n))
			return false;
		memcpy(ret_name, file, len - n);
		ret_name[len - n] = '\0';
		*ret_part = (enum source_part)part;
		return true;
	}
	return false;
}

/* Each name once: the folder is listed every minute. */
static void report_stranger(struct source_files *files, const char *file, const char *why)
{
	for (size_t i = 0; files->strangers && files->strangers[i]; i++)
		if (mtls_streq(files->strangers[i], file))
			return;
	if (files->strangers_full)
		return;
	if (mtls_strv_count(files->strangers) >= STRANGERS_MAX) {
		files->strangers_full = true;
		source_report(files, true, "'%s': more files are passed over", files->folder);
		return;
	}
	if (mtls_strv_add(&files->strangers, file) == 0)
		source_report(files, true, "'%s/%s' is passed over: %s", files->folder, file, why);
}

static void remove_source(struct source_files *files, size_t i)
{
	memmove(&files->sources[i], &files->sources[i + 1],
		(files->source_count - i - 1) * sizeof(files->sources[0]));
	files->source_count--;
}

/* Sources that are gone are kept for `status`, but not where their place is needed. */
static bool make_place(struct source_files *files)
{
	for (size_t i = 0; files->source_count == SOURCES_MAX && i < files->source_count; i++)
		if (files->sources[i].state == SOURCE_GONE)
			remove_source(files, i);
	return files->source_count < SOURCES_MAX;
}

static struct source *find_source(struct source_files *files, const char *name)
{
	for (size_t i = 0; i < files->source_count; i++)
		if (strcmp(files->sources[i].name, name) == 0)
			return &files->sources[i];
	return NULL;
}

/* NULL: there are too many. */
static struct source *add_source(struct source_files *files, const char *name)
{
	struct source *source = find_source(files, name);
	size_t at = 0;

	if (source)
		return source;
	if (!make_place(files))
		return NULL;
	while (at < files->source_count && strcmp(files->sources[at].name, name) < 0)
		at++;
	source = &files->sources[at];
	memmove(source + 1, source, (files->source_count - at) * sizeof(*source));
	files->source_count++;
	*source = (struct source){ .state = SOURCE_BROKEN, .error = { "not read yet" } };
	(void)mtls_strcopy(source->name, sizeof(source->name), name);
	return source;
}

int source_files_known(struct source_files *files, const char *name, struct mtls_diag *diag)
{
	if (!name_valid(name, strlen(name)))
		return mtls_diag_set(diag, MTLS_E_SYNTAX, "'%s' is no name of a source", name);
	struct source *source = add_source(files, name);
	if (!source)
		return mtls_diag_set(diag, MTLS_E_LIMIT, "source '%s': more than %d sources", name,
				     SOURCES_MAX);
	/* What the store has is good, until the files say otherwise. */
	source->held = true;
	source->state = SOURCE_GOOD;
	source->error.text[0] = '\0';
	return 0;
}

static int open_folder(struct source_files *files, DIR **ret, struct mtls_diag *diag)
{
	struct stat st;
	_cleanup_close_ int fd = open(files->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st) < 0)
		return mtls_diag_set(diag, -errno, "cannot open the folder '%s': %s", files->folder,
				     strerrordesc_np(errno));
	if (st.st_uid != 0 && st.st_uid != files->trust.owner)
		return mtls_diag_set(diag, MTLS_E_UNTRUSTED,
				     "the folder '%s' is owned by uid %u, expected root",
				     files->folder, (unsigned int)st.st_uid);
	if (st.st_mode & (S_IWGRP | S_IWOTH))
		return mtls_diag_set(diag, MTLS_E_UNTRUSTED,
				     "the folder '%s' is writable by group or others (mode %04o): "
				     "chmod go-w",
				     files->folder, (unsigned int)st.st_mode & 07777);
	*ret = fdopendir(fd);
	if (!*ret)
		return mtls_diag_set(diag, -errno, "cannot list '%s': %s", files->folder,
				     strerrordesc_np(errno));
	(void)MTLS_TAKE_FD(fd);
	files->modified = st.st_mtim;
	return 0;
}

struct entry {
	char name[SOURCE_NAME_MAX + 1];
	enum source_part part;
	struct identity identity;
};

struct listing {
	struct entry *entries;
	size_t count, room;
};

static int list_file(struct source_files *files, int fd, const char *file, struct listing *listing)
{
	struct entry entry;
	struct stat st;

	if (file[0] == '.') /* ".", "..", and what editors hide */
		return 0;
	if (!split_name(file, entry.name, &entry.part)) {
		report_stranger(files, file,
				"expected NAME.passwd or NAME.group, with a NAME of a-z, 0-9 and "
				"'-' that begins with a letter and is not 'store'");
		return 0;
	}
	if (fstatat(fd, file, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno; /* removed meanwhile */
	if (listing->count == LISTING_MAX)
		return MTLS_E_LIMIT;
	if (listing->count == listing->room) {
		size_t room = listing->room ? listing->room * 2 : PARTS * SOURCES_MAX;
		void *grown = reallocarray(listing->entries, room, sizeof(entry));
		if (!grown)
			return -ENOMEM;
		listing->entries = grown;
		listing->room = room;
	}
	identity_of(&st, &entry.identity);
	listing->entries[listing->count++] = entry;
	return 0;
}

static int compare_entries(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	int r = strcmp(x->name, y->name);

	return r ? r : (int)x->part - (int)y->part;
}

/* All or nothing: a list that ended early would look like removed files. */
static int list_all(struct source_files *files, struct listing *listing, struct mtls_diag *diag)
{
	_cleanup_(closedirp) DIR *dir = NULL;
	int r = open_folder(files, &dir, diag);

	while (r >= 0) {
		errno = 0;
		const struct dirent *entry = readdir(dir);
		if (!entry) {
			r = -errno;
			break;
		}
		r = list_file(files, dirfd(dir), entry->d_name, listing);
	}
	if (r < 0 && dir)
		return mtls_diag_set(diag, r, "cannot list '%s': %s", files->folder,
				     mtls_strerror(r));
	return r;
}

int source_list(struct source_files *files, struct mtls_diag *diag)
{
	struct listing listing = { 0 };

	int r = list_all(files, &listing, diag);
	if (r >= 0 && listing.count)
		qsort(listing.entries, listing.count, sizeof(*listing.entries), compare_entries);
	for (size_t i = 0; r >= 0 && i < files->source_count; i++)
		memset(files->sources[i].now, 0, sizeof(files->sources[i].now));
	for (size_t i = 0; r >= 0 && i < listing.count; i++) {
		const struct entry *entry = &listing.entries[i];
		struct source *source = add_source(files, entry->name);
		if (source)
			source->now[entry->part] = entry->identity;
		else
			report_stranger(files, entry->name, "there are too many sources already");
	}
	free(listing.entries);
	return r;
}
