/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See store_help.h. The order checker knows lib/acctdb/item.h only, nothing of the store. */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/acctdb/build.h"
#include "lib/base/file.h"
#include "tests/unit/store_help.h"

struct mtls_diag help_diag;

void help_ok(const char *call, int r)
{
	if (r != 0)
		fail_msg("%s: %s", call, mtls_diag_text(WHY, r));
}

char *help_folder(void)
{
	char *folder = strdup("/tmp/mtls-store.XXXXXX");
	assert_non_null(folder);
	assert_non_null(mkdtemp(folder));
	return folder;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(path);
}

void help_remove(char *folder)
{
	(void)nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(folder);
}

const char *help_path(const char *folder, const char *name)
{
	static char paths[8][256];
	static unsigned int at;
	char *path = paths[at++ % 8];
	(void)snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
	return path;
}

struct store_options help_options(const char *path)
{
	return (struct store_options){
		.path = path,
		.ids = { .window = { HELP_MIN, HELP_MAX },
			 .foreign = { { 5000, 5999 } },
			 .foreign_count = 1 },
	};
}

struct store *help_open(const char *folder)
{
	const struct store_options options = help_options(help_path(folder, "store.db"));
	struct store *store = NULL;
	struct mtls_diag diag = { 0 };
	bool is_new;
	int r = store_open(&options, &store, &is_new, &diag);
	if (r < 0)
		fail_msg("%s", mtls_diag_text(&diag, r));
	return store;
}

/* One kind's key of the item before, so that neighbours can be compared. */
struct order {
	enum mtls_acct_item_kind kind;
	char key[MTLS_KEY_MAX + 1];
	uint64_t items;
};

static void put_str(FILE *f, struct mtls_acct_str text)
{
	(void)fprintf(f, " %.*s", (int)text.len, text.data);
}

static void put_names(FILE *f, const struct mtls_acct_names *names)
{
	char before[MTLS_ACCOUNT_NAME_MAX + 1] = "";
	struct mtls_acct_str name;
	uint32_t count = 0;
	for (size_t at = 0; mtls_acct_names_next(names, &at, &name); count++) {
		char text[MTLS_ACCOUNT_NAME_MAX + 1] = "";
		memcpy(text, name.data, name.len);
		assert_true(strcmp(before, text) < 0);
		(void)strcpy(before, text);
		(void)fprintf(f, " %s", text);
	}
	assert_int_equal(count, names->count);
}

static void put_user(FILE *f, const struct mtls_acct_item *item)
{
	const struct mtls_acct_user *user = &item->u.user.user;
	uint32_t before = 0;
	put_str(f, user->name);
	(void)fprintf(f, " %" PRIu32 ":%" PRIu32 " from %d", user->uid, user->gid, user->source);
	put_str(f, user->gecos);
	put_str(f, user->home);
	put_str(f, user->shell);
	for (uint32_t i = 0; i < item->u.user.gids.count; i++) {
		uint32_t gid = mtls_acct_ids_get(&item->u.user.gids, i);
		assert_true(gid > before);
		assert_int_not_equal(gid, user->gid);
		(void)fprintf(f, " +%" PRIu32, before = gid);
	}
}

/* What sorts among its kind, as text whose order is the one demanded. */
static void sort_key(const struct mtls_acct_item *item, char *out, size_t size)
{
	struct mtls_acct_str text = { .data = "", .len = 0 };
	switch (item->kind) {
	case MTLS_ACCT_ITEM_SOURCE:
		(void)snprintf(out, size, "%03d", item->u.source.index);
		return;
	case MTLS_ACCT_ITEM_TOMBSTONE:
		(void)snprintf(out, size, "%d%010" PRIu32, item->u.tombstone.group,
			       item->u.tombstone.id);
		return;
	case MTLS_ACCT_ITEM_GROUP:
		text = item->u.group.name;
		break;
	case MTLS_ACCT_ITEM_USER:
		text = item->u.user.user.name;
		break;
	case MTLS_ACCT_ITEM_BINDING:
		text = item->u.binding.key;
		break;
	default:
		*out = '\0';
		return;
	}
	(void)snprintf(out, size, "%.*s", (int)text.len, text.data);
}

static void check_order(struct order *order, const struct mtls_acct_item *item)
{
	char key[MTLS_KEY_MAX + 1];
	sort_key(item, key, sizeof(key));
	order->items++;
	if (order->items == 1)
		assert_int_equal(item->kind, MTLS_ACCT_ITEM_BEGIN);
	if (order->items == 2)
		assert_int_equal(item->kind, MTLS_ACCT_ITEM_NEXT);
	assert_true(item->kind >= order->kind);
	if (item->kind == order->kind && item->kind != MTLS_ACCT_ITEM_MEMBERS)
		assert_true(strcmp(order->key, key) < 0);
	if (item->kind == MTLS_ACCT_ITEM_END)
		assert_int_equal(item->u.end.items, order->items);
	order->kind = item->kind;
	(void)strcpy(order->key, key);
}

static void refuse_drop(void *ctx, const char *sentence)
{
	(void)ctx;
	fail_msg("dropped: %s", sentence);
}

/* The publisher's judgement on the same items: nothing is refused, nothing is dropped. */
static struct mtls_acctbuild *start_build(int *ret_fd)
{
	struct mtls_acctbuild *build = NULL;
	*ret_fd = memfd_create("snapshot", MFD_CLOEXEC);
	assert_true(*ret_fd >= 0);
	struct mtls_acctbuild_options options = { .ids = help_options("").ids,
						  .fd = *ret_fd,
						  .dropped = refuse_drop };
	/* What tests give by number lies anywhere. */
	options.ids.window.max = MTLS_ID_WINDOW_MAX;
	OK(mtls_acctbuild_new(&options, &build, WHY));
	return build;
}

static void finish_build(struct mtls_acctbuild *build, int fd)
{
	struct mtls_acct_header header;
	struct mtls_acctdb db;
	OK(mtls_acctbuild_finish(build, &header, WHY));
	assert_int_equal(mtls_acctbuild_dropped(build), 0);
	OK(mtls_acctdb_open_fd(&db, fd));
	assert_int_equal(db.header.users, header.users);
	mtls_acctdb_close(&db);
}

static void put_item(FILE *f, const struct mtls_acct_item *item)
{
	switch (item->kind) {
	case MTLS_ACCT_ITEM_BEGIN:
		(void)fprintf(f, "begin %" PRIu64 " %d", item->u.begin.generation,
			      item->u.begin.no_enumeration);
		break;
	case MTLS_ACCT_ITEM_NEXT:
		(void)fprintf(f, "next %" PRIu32 " %" PRIu32, item->u.next.uid, item->u.next.gid);
		break;
	case MTLS_ACCT_ITEM_SOURCE:
		(void)fprintf(f, "source %d", item->u.source.index);
		put_str(f, item->u.source.name);
		break;
	case MTLS_ACCT_ITEM_TOMBSTONE:
		(void)fprintf(f, "stone %c %" PRIu32, item->u.tombstone.group ? 'g' : 'u',
			      item->u.tombstone.id);
		put_str(f, item->u.tombstone.name);
		(void)fprintf(f, " %" PRIu64, item->u.tombstone.time);
		break;
	case MTLS_ACCT_ITEM_GROUP:
		(void)fprintf(f, "group");
		put_str(f, item->u.group.name);
		(void)fprintf(f, " %" PRIu32 " from %d", item->u.group.gid, item->u.group.source);
		break;
	case MTLS_ACCT_ITEM_USER:
		(void)fprintf(f, "user");
		put_user(f, item);
		break;
	case MTLS_ACCT_ITEM_MEMBERS:
		(void)fprintf(f, "members %" PRIu32, item->u.members.gid);
		put_names(f, &item->u.members.names);
		break;
	case MTLS_ACCT_ITEM_BINDING:
		(void)fprintf(f, "bind");
		put_str(f, item->u.binding.key);
		put_names(f, &item->u.binding.names);
		break;
	case MTLS_ACCT_ITEM_END:
		(void)fprintf(f, "end");
		break;
	}
	(void)fputc('\n', f);
}

char *help_dump(struct store *store, int *ret_error)
{
	_cleanup_(store_walk_freep) struct store_walk *walk = NULL;
	struct mtls_diag diag = { 0 };
	struct mtls_acct_item item;
	struct order order = { 0 };
	char *text = NULL;
	size_t len;
	int r = store_walk_new(store, &walk, &diag);
	int fd;
	_cleanup_(mtls_acctbuild_freep) struct mtls_acctbuild *build = start_build(&fd);
	FILE *f = open_memstream(&text, &len);
	assert_non_null(f);
	while (r >= 0 && (r = store_walk_next(walk, &item, &diag)) > 0) {
		check_order(&order, &item);
		put_item(f, &item);
		OK(mtls_acctbuild_add(build, &item, WHY));
	}
	(void)fclose(f);
	if (r >= 0) {
		assert_int_equal(order.kind, MTLS_ACCT_ITEM_END);
		finish_build(build, fd);
		(void)close(fd);
		return text;
	}
	assert_int_not_equal(diag.text[0], '\0');
	*ret_error = r;
	(void)close(fd);
	free(text);
	return NULL;
}

char *help_text(struct store *store, bool plain)
{
	int error = 0;
	char *text = help_dump(store, &error);
	if (!text)
		fail_msg("the walk failed: %s", mtls_strerror(error));
	if (plain) {
		const char *rest = strchr(text, '\n') + 1;
		memmove(text, rest, strlen(rest) + 1);
	}
	return text;
}

void help_snapshot(struct store *store, struct mtls_acctdb *ret)
{
	_cleanup_(store_walk_freep) struct store_walk *walk = NULL;
	struct mtls_acct_header header;
	struct mtls_acct_item item;
	int fd, r;
	_cleanup_(mtls_acctbuild_freep) struct mtls_acctbuild *build = start_build(&fd);
	OK(store_walk_new(store, &walk, WHY));
	while ((r = store_walk_next(walk, &item, WHY)) > 0)
		OK(mtls_acctbuild_add(build, &item, WHY));
	OK(r);
	OK(mtls_acctbuild_finish(build, &header, WHY));
	OK(mtls_acctdb_open_fd(ret, fd));
	(void)close(fd);
}

char *help_read(const char *path, size_t *ret_len)
{
	struct mtls_buf buf = MTLS_BUF(SIZE_MAX / 2);
	uint8_t *data = NULL;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	assert_int_equal(mtls_fd_read_all(fd, &buf), 0);
	(void)close(fd);
	assert_int_equal(mtls_buf_take(&buf, &data, ret_len), 0);
	return (char *)data;
}

void help_write(const char *path, const void *data, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(mtls_fd_write_all(fd, data, len), 0);
	(void)close(fd);
}

void help_copy(const char *from, const char *to)
{
	size_t len = 0;
	char *data = help_read(from, &len);
	assert_non_null(data);
	help_write(to, data, len);
	free(data);
}
