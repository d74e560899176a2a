/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The roster itself: checks an entry's texts and keeps them. One block of memory an entry, because
 * a roster can have millions. Any thread, no state of its own.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "lib/base/err.h"
#include "lib/name/account.h"
#include "lib/roster/roster_impl.h"

#define ROOM_FIRST 64

/* A reserved name is kept: who may have which name is not for the reader of a file to say. */
static bool name_valid(const char *name, size_t len)
{
	if (mtls_account_name_ownable(name, len))
		return true;
	return len <= MTLS_OWNED_NAME_MAX && mtls_account_name_valid(name, len) &&
	       mtls_account_name_reserved(name, len);
}

#define EXPECTED_NAME                                                                              \
	"a letter a-z or '_', then letters a-z, digits, '_', '-', at most 32 bytes in all"
#define EXPECTED_PATH                                                                              \
	"an absolute path of at most 255 bytes without '..', '//' and control characters"

static const struct rule {
	const char *what, *expected;
	bool (*valid)(const char *text, size_t len);
} rules[MTLS_ROSTER_FIELDS] = {
	[MTLS_ROSTER_NAME] = { "the name", EXPECTED_NAME, name_valid },
	[MTLS_ROSTER_GECOS] = { "the gecos field",
				"at most 255 bytes of UTF-8 without ':' and control characters",
				mtls_account_gecos_valid },
	[MTLS_ROSTER_HOME] = { "the home", EXPECTED_PATH, mtls_account_path_valid },
	[MTLS_ROSTER_SHELL] = { "the shell", EXPECTED_PATH, mtls_account_path_valid },
};

static int compare_spans(const void *a, const void *b)
{
	const struct mtls_roster_span *x = a, *y = b;
	int r = memcmp(x->data, y->data, x->len < y->len ? x->len : y->len);

	return r ? r : (x->len > y->len) - (x->len < y->len);
}

/* By a sorted copy: a group with two million members must not cost their square. */
static int check_twice(const struct mtls_roster_place *place, const char *what,
		       const struct mtls_roster_list *list)
{
	if (list->count < 2)
		return 0;
	_cleanup_free_ struct mtls_roster_span *sorted = calloc(list->count, sizeof(*sorted));
	if (!sorted)
		return mtls_roster_nomem(place);
	memcpy(sorted, list->items, list->count * sizeof(*sorted));
	qsort(sorted, list->count, sizeof(*sorted), compare_spans);
	for (size_t i = 1; i < list->count; i++)
		if (compare_spans(&sorted[i - 1], &sorted[i]) == 0)
			return mtls_roster_wrong(place, what, sorted[i], "it once, not twice");
	return 0;
}

static int check_draft(const struct mtls_roster_place *place, const struct mtls_roster_draft *draft,
		       const char *item)
{
	for (size_t i = 0; i < MTLS_ROSTER_FIELDS; i++) {
		struct mtls_roster_span text = draft->fields[i];
		if (i != MTLS_ROSTER_NAME && !text.data)
			continue;
		if (!rules[i].valid(text.data, text.len))
			return mtls_roster_wrong(place, rules[i].what, text, rules[i].expected);
	}
	for (size_t i = 0; i < draft->list.count; i++) {
		struct mtls_roster_span name = draft->list.items[i];
		if (!name_valid(name.data, name.len))
			return mtls_roster_wrong(place, item, name, EXPECTED_NAME);
	}
	return check_twice(place, item, &draft->list);
}

struct block {
	char **list; /* where the memory begins */
	char *fields[MTLS_ROSTER_FIELDS];
};

static size_t put(char *to, struct mtls_roster_span text)
{
	memcpy(to, text.data, text.len);
	to[text.len] = '\0';
	return text.len + 1;
}

/*
 * The list's pointers stand first in memory, for their alignment, then all texts. What is bounded
 * by lines and fields cannot overflow a size_t.
 */
static int make_block(const struct mtls_roster_place *place, const struct mtls_roster_draft *draft,
		      struct block *ret)
{
	const struct mtls_roster_list *list = &draft->list;
	size_t size = (list->count + 1) * sizeof(char *);

	for (size_t i = 0; i < MTLS_ROSTER_FIELDS; i++)
		size += draft->fields[i].data ? draft->fields[i].len + 1 : 0;
	for (size_t i = 0; i < list->count; i++)
		size += list->items[i].len + 1;
	ret->list = malloc(size);
	if (!ret->list)
		return mtls_roster_nomem(place);
	char *at = (char *)(ret->list + list->count + 1);
	for (size_t i = 0; i < MTLS_ROSTER_FIELDS; i++) {
		ret->fields[i] = draft->fields[i].data ? at : NULL;
		at += draft->fields[i].data ? put(at, draft->fields[i]) : 0;
	}
	for (size_t i = 0; i < list->count; i++) {
		ret->list[i] = at;
		at += put(at, list->items[i]);
	}
	ret->list[list->count] = NULL;
	return 0;
}

/* Room for one more of @size bytes in *@array, which holds @count. */
static int make_room(const struct mtls_roster_place *place, void **array, size_t size, size_t count,
		     size_t *room)
{
	if (count >= MTLS_ROSTER_ENTRIES_MAX)
		return mtls_diag_set(place->diag, MTLS_E_LIMIT,
				     "%s:%u: found more than %d entries, expected at most as many",
				     place->file, place->line, MTLS_ROSTER_ENTRIES_MAX);
	if (count < *room)
		return 0;
	size_t more = *room ? *room * 2 : ROOM_FIRST;
	void *grown = reallocarray(*array, more, size);
	if (!grown)
		return mtls_roster_nomem(place);
	*array = grown;
	*room = more;
	return 0;
}

int mtls_roster_put_user(const struct mtls_roster_place *place,
			 const struct mtls_roster_draft *draft, struct mtls_roster *roster)
{
	struct block block;
	void *array = roster->users;

	int r = check_draft(place, draft, "the group");
	if (r >= 0)
		r = make_room(place, &array, sizeof(*roster->users), roster->user_count,
			      &roster->user_room);
	roster->users = array;
	if (r >= 0)
		r = make_block(place, draft, &block);
	if (r < 0)
		return r;
	roster->users[roster->user_count++] = (struct mtls_roster_user){
		.name = block.fields[MTLS_ROSTER_NAME],
		.gecos = block.fields[MTLS_ROSTER_GECOS],
		.home = block.fields[MTLS_ROSTER_HOME],
		.shell = block.fields[MTLS_ROSTER_SHELL],
		.block = block.list,
		.groups = draft->list.count ? block.list : NULL,
		.uid = draft->uid,
		.gid = draft->gid,
		.line = place->line,
	};
	return 0;
}

int mtls_roster_put_group(const struct mtls_roster_place *place,
			  const struct mtls_roster_draft *draft, struct mtls_roster *roster)
{
	struct block block;
	void *array = roster->groups;

	int r = check_draft(place, draft, "the member");
	if (r >= 0)
		r = make_room(place, &array, sizeof(*roster->groups), roster->group_count,
			      &roster->group_room);
	roster->groups = array;
	if (r >= 0)
		r = make_block(place, draft, &block);
	if (r < 0)
		return r;
	roster->groups[roster->group_count++] = (struct mtls_roster_group){
		.name = block.fields[MTLS_ROSTER_NAME],
		.members = block.list,
		.member_count = draft->list.count,
		.gid = draft->gid,
		.line = place->line,
	};
	return 0;
}

int mtls_roster_list_add(const struct mtls_roster_place *place, struct mtls_roster_list *list,
			 struct mtls_roster_span item)
{
	if (list->count == list->room) {
		size_t room = list->room ? list->room * 2 : ROOM_FIRST;
		void *grown = reallocarray(list->items, room, sizeof(*list->items));
		if (!grown)
			return mtls_roster_nomem(place);
		list->items = grown;
		list->room = room;
	}
	list->items[list->count++] = item;
	return 0;
}

void mtls_roster_list_done(struct mtls_roster_list *list)
{
	free(list->items);
	*list = (struct mtls_roster_list){ 0 };
}

static struct mtls_roster_span span_of(const char *text)
{
	return (struct mtls_roster_span){ text, text ? strlen(text) : 0 };
}

static int list_of(const struct mtls_roster_place *place, char *const *names,
		   struct mtls_roster_list *list)
{
	int r = 0;
	for (size_t i = 0; r >= 0 && names && names[i]; i++)
		r = mtls_roster_list_add(place, list, span_of(names[i]));
	return r;
}

int mtls_roster_add_user(const char *file, const struct mtls_roster_user *user,
			 struct mtls_roster *roster, struct mtls_diag *diag)
{
	const struct mtls_roster_place place = { file, user->line, diag };
	struct mtls_roster_draft draft = {
		.fields = { [MTLS_ROSTER_NAME] = span_of(user->name),
			    [MTLS_ROSTER_GECOS] = span_of(user->gecos),
			    [MTLS_ROSTER_HOME] = span_of(user->home),
			    [MTLS_ROSTER_SHELL] = span_of(user->shell) },
		.uid = user->uid,
		.gid = user->gid,
	};

	int r = list_of(&place, user->groups, &draft.list);
	if (r >= 0)
		r = mtls_roster_put_user(&place, &draft, roster);
	mtls_roster_list_done(&draft.list);
	return r;
}

int mtls_roster_add_group(const char *file, const struct mtls_roster_group *group,
			  struct mtls_roster *roster, struct mtls_diag *diag)
{
	const struct mtls_roster_place place = { file, group->line, diag };
	struct mtls_roster_draft draft = {
		.fields = { [MTLS_ROSTER_NAME] = span_of(group->name) },
		.gid = group->gid,
	};

	int r = list_of(&place, group->members, &draft.list);
	if (r >= 0)
		r = mtls_roster_put_group(&place, &draft, roster);
	mtls_roster_list_done(&draft.list);
	return r;
}

void mtls_roster_done(struct mtls_roster *roster)
{
	for (size_t i = 0; i < roster->user_count; i++)
		free(roster->users[i].block);
	for (size_t i = 0; i < roster->group_count; i++)
		free(roster->groups[i].members);
	free(roster->users);
	free(roster->groups);
	*roster = (struct mtls_roster){ 0 };
}
