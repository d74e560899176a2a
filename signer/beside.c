/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Certificates without a key. Owns what it has parsed; reads files of the administrator only. What
 * is said of them are remarks: somebody else's file must not make a person's key unusable.
 */
#include <config.h>

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "lib/base/str.h"
#include "signer/beside.h"
#include "signer/source.h"

#define DIGEST_NAME_LEN (2 * LEAF_KEY_ID_LEN)
#define ASKED_MAX       1024 /* keys that were looked for in certs.d */

struct found {
	struct leaf *leaf; /* owned */
	size_t file;
};

struct beside {
	char *folder; /* owned; NULL: none */
	uid_t owner;
	beside_say *say;
	void *say_ctx;
	struct found *certs; /* owned */
	size_t cert_count;
	char **files; /* owned paths */
	bool *used;   /* for each */
	size_t file_count;
	bool by_digest; /* there are files that are opened when they are looked for */
	uint8_t asked[ASKED_MAX][LEAF_KEY_ID_LEN];
	size_t asked_count;
};

void beside_free(struct beside *beside)
{
	if (!beside)
		return;
	for (size_t i = 0; i < beside->cert_count; i++)
		leaf_free(beside->certs[i].leaf);
	for (size_t i = 0; i < beside->file_count; i++)
		free(beside->files[i]);
	free(beside->certs);
	free(beside->files);
	free(beside->used);
	free(beside->folder);
	free(beside);
}

/* Room for one file more. */
static int grow_files(struct beside *beside)
{
	size_t count = beside->file_count + 1;
	char **files = reallocarray(beside->files, count, sizeof(*files));
	if (!files)
		return -ENOMEM;
	beside->files = files;
	bool *used = reallocarray(beside->used, count, sizeof(*used));
	if (!used)
		return -ENOMEM;
	beside->used = used;
	return 0;
}

/* All certificates of @list, or none. */
static int take_certs(struct beside *beside, const char *path, struct leaf_list *list,
		      struct mtls_diag *diag)
{
	size_t count = beside->cert_count + list->count;
	if (count > BESIDE_CERTS_MAX)
		return mtls_diag_set(diag, MTLS_E_LIMIT,
				     "there are more than %d certificates beside the keys",
				     BESIDE_CERTS_MAX);
	struct found *certs = reallocarray(beside->certs, count, sizeof(*certs));
	if (!certs)
		return -ENOMEM;
	beside->certs = certs;
	if (grow_files(beside) < 0)
		return -ENOMEM;
	_cleanup_free_ char *copy = strdup(path);
	if (!copy)
		return -ENOMEM;
	for (size_t i = 0; i < list->count; i++)
		certs[beside->cert_count + i] =
			(struct found){ .leaf = list->leaf[i], .file = beside->file_count };
	beside->used[beside->file_count] = false;
	beside->files[beside->file_count++] = MTLS_TAKE(copy);
	beside->cert_count = count;
	list->count = 0; /* ours now */
	return 0;
}

int beside_add(struct beside *beside, const char *path, const uint8_t *data, size_t len,
	       struct mtls_diag *diag)
{
	_cleanup_(leaf_list_done) struct leaf_list list = { .count = 0 };

	if (len == 0)
		return mtls_diag_set(diag, MTLS_E_SYNTAX, "it is empty");
	if (!leaf_is_public(data, len))
		return mtls_diag_set(diag, MTLS_E_UNTRUSTED,
				     "it holds a private key, or no certificate at all");
	int r = leaf_list_read(data, len, &list, diag);
	if (r >= 0 && !list.count)
		return mtls_diag_set(diag, MTLS_E_SYNTAX, "no certificate in it");
	return r < 0 ? r : take_certs(beside, path, &list, diag);
}

/* --- the administrator's folder --- */

static void remark(const struct beside *beside, const char *path, int err,
		   const struct mtls_diag *diag)
{
	beside->say(beside->say_ctx, path, mtls_diag_text(diag, err));
}

/* -ENOMEM, -ENOENT, else 0: what is wrong with the file was said. */
static int read_file(struct beside *beside, const char *name)
{
	const struct mtls_file_trust trust = { .owner = beside->owner };
	_cleanup_buf_ struct mtls_buf data = MTLS_BUF(LEAF_FILE_MAX);
	struct mtls_diag diag = { 0 };
	char path[PATH_MAX];

	int n = snprintf(path, sizeof(path), "%s/%s", beside->folder, name);
	if (n < 0 || (size_t)n >= sizeof(path))
		return 0;
	int r = mtls_file_read(path, &trust, &data, &diag);
	if (r == -ENOENT)
		return r;
	if (r >= 0)
		r = beside_add(beside, path, data.data, data.len, &diag);
	if (r < 0 && r != -ENOMEM)
		remark(beside, path, r, &diag);
	return r == -ENOMEM ? r : 0;
}

bool beside_named_by_digest(const char *name)
{
	static const char digits[] = "0123456789abcdef";

	return strspn(name, digits) == DIGEST_NAME_LEN &&
	       strcmp(name + DIGEST_NAME_LEN, ".crt") == 0;
}

static int filter(const struct dirent *entry)
{
	return source_is_certificate(entry->d_name);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int read_folder(struct beside *beside)
{
	struct dirent **names = NULL;
	int count = scandir(beside->folder, &names, filter, by_name);
	size_t named = 0;
	int r = 0;

	if (count < 0) {
		if (errno == ENOMEM)
			return -ENOMEM;
		if (errno != ENOENT)
			beside->say(beside->say_ctx, beside->folder, mtls_strerror(-errno));
		return 0;
	}
	for (int i = 0; i < count; i++) {
		if (beside_named_by_digest(names[i]->d_name))
			beside->by_digest = true;
		else if (named++ < BESIDE_NAMED_MAX && r >= 0)
			r = read_file(beside, names[i]->d_name);
		r = r == -ENOENT ? 0 : r; /* removed meanwhile */
		free(names[i]);
	}
	free(names);
	if (named > BESIDE_NAMED_MAX)
		beside->say(beside->say_ctx, beside->folder,
			    "more than 64 files without a key's digest as their name: the others "
			    "are not read");
	return r;
}

int beside_new(const char *folder, uid_t owner, beside_say *say, void *say_ctx, struct beside **ret)
{
	_cleanup_(beside_freep) struct beside *beside = calloc(1, sizeof(*beside));
	if (!beside)
		return -ENOMEM;
	beside->owner = owner;
	beside->say = say;
	beside->say_ctx = say_ctx;
	if (folder) {
		beside->folder = strdup(folder);
		int r = beside->folder ? read_folder(beside) : -ENOMEM;
		if (r < 0)
			return r;
	}
	*ret = MTLS_TAKE(beside);
	return 0;
}

/* Opens the file of this key, once: what was offered does not change any more. */
static void look_up(struct beside *beside, const uint8_t *key_id)
{
	char name[DIGEST_NAME_LEN + sizeof(".crt")];

	for (size_t i = 0; i < beside->asked_count; i++)
		if (memcmp(beside->asked[i], key_id, LEAF_KEY_ID_LEN) == 0)
			return;
	if (beside->asked_count >= ASKED_MAX)
		return;
	memcpy(beside->asked[beside->asked_count++], key_id, LEAF_KEY_ID_LEN);
	mtls_hex_encode(key_id, LEAF_KEY_ID_LEN, name);
	memcpy(name + DIGEST_NAME_LEN, ".crt", sizeof(".crt"));
	(void)read_file(beside, name); /* short of memory: as if it were not there */
}

/* --- looking for one key --- */

bool beside_any(const struct beside *beside)
{
	return beside->cert_count || beside->by_digest;
}

static bool is_of_key(const struct found *found, const uint8_t *key_id)
{
	return memcmp(found->leaf->key_id, key_id, LEAF_KEY_ID_LEN) == 0;
}

static const struct found *best_of(const struct beside *beside, const uint8_t *key_id, int64_t now)
{
	const struct found *best = NULL;

	for (size_t i = 0; i < beside->cert_count; i++) {
		const struct found *found = &beside->certs[i];
		if (is_of_key(found, key_id) && leaf_usable(found->leaf) &&
		    (!best || leaf_better(found->leaf, best->leaf, now)))
			best = found;
	}
	return best;
}

size_t beside_find(void *ctx, const uint8_t *key_id, int64_t now, const struct leaf **certs,
		   size_t room)
{
	struct beside *beside = ctx;
	size_t count = 0;

	if (beside->by_digest)
		look_up(beside, key_id);
	const struct found *best = best_of(beside, key_id, now);
	if (!best || !room)
		return 0;
	certs[count++] = best->leaf;
	for (size_t i = 0; i < beside->cert_count; i++) {
		const struct found *found = &beside->certs[i];
		/* An older certificate of the key is not one without a key. */
		if (is_of_key(found, key_id))
			beside->used[found->file] = true;
		/* With what lies in the same file: the issuers. */
		if (found->file == best->file && found != best && count < room)
			certs[count++] = found->leaf;
	}
	return count;
}

bool beside_used(const struct beside *beside, const char *path)
{
	for (size_t i = 0; i < beside->file_count; i++)
		if (beside->used[i] && mtls_streq(beside->files[i], path))
			return true;
	return false;
}
