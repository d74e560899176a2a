/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The builder's frame: which item may follow which, and the items that stand for themselves. Users
 * and groups are judged in build_accounts.c, lists of names in build_lists.c. Runs as root on what
 * an unprivileged process sent: whatever a correct store cannot send ends the build, and an error
 * sticks. One thread.
 */
#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "lib/acctdb/build_impl.h"
#include "lib/acctdb/record_impl.h"

#define ID_FIRST 1000 /* what lies below is never ours */

bool mtls_acctbuild_in_order(struct mtls_acctbuild *build, struct mtls_acct_str name)
{
	const struct mtls_acct_str last = { (const char *)build->last, build->last_len };
	if (name.len > sizeof(build->last) || mtls_acct_str_compare(last, name) >= 0)
		return false;
	memcpy(build->last, name.data, name.len);
	build->last_len = name.len;
	return true;
}

int mtls_acctbuild_refuse(const char *what, struct mtls_acct_str name, const char *why,
			  struct mtls_diag *diag)
{
	return mtls_diag_set(
		diag, MTLS_E_DENIED, "refused: %s '%.*s' %s", what,
		(int)(name.len > MTLS_ACCTDB_FIELD_MAX ? MTLS_ACCTDB_FIELD_MAX : name.len),
		name.data, why);
}

void mtls_acctbuild_report(struct mtls_acctbuild *build, const char *format, ...)
{
	char sentence[MTLS_DIAG_MAX];
	if (!build->options.dropped)
		return;
	va_list ap;
	va_start(ap, format);
	(void)vsnprintf(sentence, sizeof(sentence), format, ap);
	va_end(ap);
	build->options.dropped(build->options.ctx, sentence);
}

int mtls_acctbuild_claim(struct mtls_idset *alive, const struct mtls_idset *dead, uint32_t id,
			 const char *what, struct mtls_acct_str name, struct mtls_diag *diag)
{
	/* Ids of 2^31 and more are never published, so that they need not be unique. */
	if (id > MTLS_IDSET_ID_MAX)
		return 0;
	int r = mtls_idset_add(alive, id);
	if (r < 0)
		return mtls_diag_set(diag, r, "out of memory");
	if (r)
		return mtls_acctbuild_refuse(what, name, "has an id that another one has", diag);
	if (mtls_idset_has(dead, id))
		return mtls_acctbuild_refuse(what, name, "has the id of one that was removed",
					     diag);
	return 0;
}

static int take_begin(struct mtls_acctbuild *build, const struct mtls_acct_item *item,
		      struct mtls_diag *diag)
{
	uint64_t generation = item->u.begin.generation;
	if (!generation || generation > MTLS_ACCTDB_SERIAL_MAX)
		return mtls_diag_set(diag, MTLS_E_DENIED, "refused: generation %" PRIu64,
				     generation);
	build->header.serial = generation;
	build->header.no_enumeration = item->u.begin.no_enumeration;
	return 0;
}

/* One behind the last id is where a store ends that has given out all of them. */
static bool is_next(uint32_t id)
{
	return id >= ID_FIRST && id <= MTLS_IDSET_ID_MAX + 1U;
}

static int take_next(struct mtls_acctbuild *build, const struct mtls_acct_item *item,
		     struct mtls_diag *diag)
{
	if (!is_next(item->u.next.uid) || !is_next(item->u.next.gid))
		return mtls_diag_set(diag, MTLS_E_DENIED, "refused: next ids %u and %u",
				     item->u.next.uid, item->u.next.gid);
	build->next = item->u.next;
	return 0;
}

static int take_source(struct mtls_acctbuild *build, const struct mtls_acct_item *item,
		       struct mtls_diag *diag)
{
	struct mtls_acct_str name = item->u.source.name;
	size_t index = item->u.source.index;
	if (index != build->source_count || index >= MTLS_ACCTDB_SOURCES_MAX)
		return mtls_acctbuild_refuse("source", name, "is out of order", diag);
	if (name.len > MTLS_ACCTDB_SOURCE_MAX || !mtls_account_name_valid(name.data, name.len))
		return mtls_acctbuild_refuse("source", name, "has a malformed name", diag);
	for (size_t i = 0; i < index; i++)
		if (mtls_acct_str_compare(build->sources[i], name) == 0)
			return mtls_acctbuild_refuse("source", name, "is there twice", diag);
	memcpy(build->source_text[index], name.data, name.len);
	build->sources[index] =
		(struct mtls_acct_str){ .data = build->source_text[index], .len = name.len };
	build->source_count++;
	return 0;
}

static int take_tombstone(struct mtls_acctbuild *build, const struct mtls_acct_item *item,
			  struct mtls_diag *diag)
{
	const struct mtls_acct_tombstone *stone = &item->u.tombstone;
	const struct mtls_acct_tombstone *last = &build->last_stone;
	bool first = build->kind != MTLS_ACCT_ITEM_TOMBSTONE;
	bool behind = stone->group != last->group ? stone->group : stone->id > last->id;
	if (!first && !behind)
		return mtls_acctbuild_refuse("tombstone", stone->name, "is out of order", diag);
	if (mtls_id_reserved(stone->id))
		return mtls_acctbuild_refuse("tombstone", stone->name, "has an id never given out",
					     diag);
	if (!mtls_account_name_ownable(stone->name.data, stone->name.len))
		return mtls_acctbuild_refuse("tombstone", stone->name, "has a malformed name",
					     diag);
	build->last_stone = *stone;
	int r = mtls_idset_add(stone->group ? &build->dead_gids : &build->dead_uids, stone->id);
	if (r < 0)
		return mtls_diag_set(diag, r, "out of memory");
	return mtls_acctbuild_put_tombstone(build, stone, diag);
}

static int take_end(struct mtls_acctbuild *build, const struct mtls_acct_item *item,
		    struct mtls_diag *diag)
{
	if (item->u.end.items != build->items + 1)
		return mtls_diag_set(diag, MTLS_E_DENIED,
				     "refused: there are not as many items as were sent");
	if (build->group_at != build->group_names.count)
		return mtls_diag_set(diag, MTLS_E_DENIED,
				     "refused: a group has no list of members");
	if (build->said_by_users != build->said_by_groups)
		return mtls_diag_set(diag, MTLS_E_DENIED,
				     "refused: the groups of the users and the members of the "
				     "groups do not say the same");
	return 0;
}

typedef int take_fn(struct mtls_acctbuild *build, const struct mtls_acct_item *item,
		    struct mtls_diag *diag);

/* In the order of the stream, which is that of their numbers. */
static const struct {
	take_fn *take;
	bool once;
	unsigned int after; /* the last item is of this kind at least */
} kinds[] = {
	[MTLS_ACCT_ITEM_BEGIN] = { take_begin, true, 0 },
	[MTLS_ACCT_ITEM_NEXT] = { take_next, true, MTLS_ACCT_ITEM_BEGIN },
	[MTLS_ACCT_ITEM_SOURCE] = { take_source, false, MTLS_ACCT_ITEM_NEXT },
	[MTLS_ACCT_ITEM_TOMBSTONE] = { take_tombstone, false, MTLS_ACCT_ITEM_NEXT },
	[MTLS_ACCT_ITEM_GROUP] = { mtls_acctbuild_group, false, MTLS_ACCT_ITEM_NEXT },
	[MTLS_ACCT_ITEM_USER] = { mtls_acctbuild_user, false, MTLS_ACCT_ITEM_NEXT },
	[MTLS_ACCT_ITEM_MEMBERS] = { mtls_acctbuild_members, false, MTLS_ACCT_ITEM_NEXT },
	[MTLS_ACCT_ITEM_BINDING] = { mtls_acctbuild_binding, false, MTLS_ACCT_ITEM_NEXT },
	[MTLS_ACCT_ITEM_END] = { take_end, true, MTLS_ACCT_ITEM_NEXT },
};

static int take(struct mtls_acctbuild *build, const struct mtls_acct_item *item,
		struct mtls_diag *diag)
{
	unsigned int kind = item->kind;
	if (kind >= MTLS_COUNT(kinds) || !kinds[kind].take)
		return mtls_diag_set(diag, MTLS_E_DENIED, "refused: an item of no known kind");
	if (build->kind < kinds[kind].after || kind < build->kind ||
	    (kind == build->kind && kinds[kind].once))
		return mtls_diag_set(diag, MTLS_E_DENIED,
				     "refused: an item of kind %u behind one of kind %u", kind,
				     build->kind);
	if (kind != build->kind)
		build->last_len = 0;
	int r = kinds[kind].take(build, item, diag);
	if (r < 0)
		return r;
	build->kind = kind;
	build->items++;
	return 0;
}

int mtls_acctbuild_add(struct mtls_acctbuild *build, const struct mtls_acct_item *item,
		       struct mtls_diag *diag)
{
	if (build->failed)
		return mtls_diag_set(diag, build->failed, "this build has failed before");
	int r = take(build, item, diag);
	if (r < 0)
		build->failed = r;
	return r;
}

int mtls_acctbuild_finish(struct mtls_acctbuild *build, struct mtls_acct_header *ret_header,
			  struct mtls_diag *diag)
{
	if (build->failed)
		return mtls_diag_set(diag, build->failed, "this build has failed before");
	/* Whatever happens now, there is nothing to add to it. */
	build->failed = MTLS_E_DENIED;
	if (build->kind != MTLS_ACCT_ITEM_END)
		return mtls_diag_set(diag, MTLS_E_DENIED, "refused: the stream has no end");
	int r = mtls_acctbuild_put_rest(build, diag);
	if (r < 0)
		return r;
	*ret_header = build->header;
	return 0;
}

uint32_t mtls_acctbuild_dropped(const struct mtls_acctbuild *build)
{
	return build->dropped;
}

static int check_options(const struct mtls_acctbuild_options *options, struct mtls_diag *diag)
{
	struct stat st;
	if (options->ids.window.min > options->ids.window.max ||
	    options->ids.foreign_count > MTLS_ID_FOREIGN_MAX)
		return mtls_diag_set(diag, -EINVAL, "the rules for ids make no sense");
	if (fstat(options->fd, &st) < 0)
		return mtls_diag_set(diag, -errno, "cannot write the snapshot: %s",
				     mtls_strerror(-errno));
	if (st.st_size)
		return mtls_diag_set(diag, -EINVAL, "the file of the snapshot is not empty");
	return 0;
}

int mtls_acctbuild_new(const struct mtls_acctbuild_options *options, struct mtls_acctbuild **ret,
		       struct mtls_diag *diag)
{
	int r = check_options(options, diag);
	if (r < 0)
		return r;
	_cleanup_(mtls_acctbuild_freep) struct mtls_acctbuild *build = calloc(1, sizeof(*build));
	if (!build)
		return mtls_diag_set(diag, -ENOMEM, "out of memory");
	build->options = *options;
	build->header = (struct mtls_acct_header){ .format = MTLS_ACCTDB_FORMAT,
						   .ids = options->ids,
						   .created = options->created };
	build->sources[0] = (struct mtls_acct_str){ .data = MTLS_ACCT_SOURCE_STORE,
						    .len = strlen(MTLS_ACCT_SOURCE_STORE) };
	build->source_count = 1;
	mtls_buf_init(&build->value, MTLS_ACCTDB_VALUE_MAX, false);
	mtls_buf_init(&build->list, MTLS_ACCTDB_VALUE_MAX, false);
	if (getrandom(&build->secret, sizeof(build->secret), 0) != sizeof(build->secret))
		return mtls_diag_set(diag, -errno, "no random numbers");
	if (cdb_make_start(&build->cdb, options->fd) < 0)
		return mtls_diag_set(diag, -errno, "cannot write the snapshot: %s",
				     mtls_strerror(-errno));
	build->cdb_open = true;
	*ret = MTLS_TAKE(build);
	return 0;
}

void mtls_acctbuild_free(struct mtls_acctbuild *build)
{
	if (!build)
		return;
	if (build->cdb_open) {
		/* Nothing else frees what cdb_make holds; without a file, it writes nothing. */
		build->cdb.cdb_fd = -1;
		(void)cdb_make_finish(&build->cdb);
	}
	mtls_idset_done(&build->uids);
	mtls_idset_done(&build->gids);
	mtls_idset_done(&build->dead_uids);
	mtls_idset_done(&build->dead_gids);
	mtls_idset_done(&build->kept_groups);
	mtls_idset_done(&build->dropped_groups);
	mtls_namelist_done(&build->group_names);
	mtls_namelist_done(&build->dropped_users);
	mtls_buf_done(&build->value);
	mtls_buf_done(&build->list);
	free(build->groups);
	free(build);
}
