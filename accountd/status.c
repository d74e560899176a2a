/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Items of `status`. Holds no state. */
#include <config.h>

#include <errno.h>
#include <stdio.h>

#include "accountd/source_files.h"
#include "accountd/status.h"
#include "lib/base/str.h"

struct in_effect {
	char name[MTLS_ACCTDB_SOURCE_MAX + 1];
	uint64_t users, groups;
};

struct telling {
	struct conn *conn;
	struct keeper *keeper;
	struct in_effect sources[MTLS_ACCTDB_SOURCES_MAX];
	size_t source_count;
	size_t conflicts;
};

struct pair {
	const char *name, *value; /* value NULL: left out */
};

static int tell(struct conn *conn, const char *kind, const struct pair *pairs, size_t count)
{
	_cleanup_(mtls_msg_freep) struct mtls_msg *msg = mtls_msg_new(MTLS_MSG_CONTROL_ITEM);
	if (!msg)
		return -ENOMEM;
	struct mtls_control_item *item = &msg->u.control_item;
	int r = mtls_msg_set_text(&item->kind, kind);
	for (size_t i = 0; r >= 0 && i < count; i++)
		if (pairs[i].value)
			r = mtls_control_add(&item->fields, pairs[i].name, pairs[i].value);
	return r < 0 ? r : conn_item(conn, msg);
}

struct number {
	char text[24];
};

static const char *number(struct number *out, uint64_t value)
{
	(void)snprintf(out->text, sizeof(out->text), "%llu", (unsigned long long)value);
	return out->text;
}

static int tell_status(struct telling *t, struct mtls_diag *diag)
{
	const struct feed_state *state = feed_state(t->keeper->feed);
	struct store_counts c;
	struct number n[8];

	int r = store_counts(t->keeper->store, &c, diag);
	if (r < 0)
		return r;
	const struct pair pairs[] = {
		{ "generation", number(&n[0], c.generation) },
		{ "published", number(&n[1], state->published) },
		{ "users", number(&n[2], c.users) },
		{ "groups", number(&n[3], c.groups) },
		{ "bindings", number(&n[4], c.bindings) },
		{ "tombstones", number(&n[5], c.tombstones) },
		{ "next-uid", number(&n[6], c.next.uid) },
		{ "next-gid", number(&n[7], c.next.gid) },
		{ "publisher", t->keeper->stopping ? "stopped" : "running" },
		{ "error", state->error },
		{ "store", t->keeper->settings->store },
	};
	return tell(t->conn, "status", pairs, MTLS_COUNT(pairs));
}

/* What a source gives, for all of them at once: the store counts by looking at everything. */
static int take_source(void *ctx, const char *name, uint64_t users, uint64_t groups)
{
	struct telling *t = ctx;

	if (t->source_count == MTLS_COUNT(t->sources))
		return 0;
	struct in_effect *source = &t->sources[t->source_count++];
	(void)mtls_strcopy(source->name, sizeof(source->name), name);
	source->users = users;
	source->groups = groups;
	return 0;
}

static struct in_effect in_effect(const struct telling *t, const char *name)
{
	for (size_t i = 0; i < t->source_count; i++)
		if (mtls_streq(t->sources[i].name, name))
			return t->sources[i];
	return (struct in_effect){ 0 };
}

/* With what it gives, which is not what its files hold while they are broken or lose. */
static int tell_source(void *ctx, const struct source_info *info)
{
	static const char *const states[] = {
		[SOURCE_GOOD] = "good", [SOURCE_BROKEN] = "broken", [SOURCE_GONE] = "gone"
	};
	struct telling *t = ctx;
	const struct in_effect found = in_effect(t, info->name);
	struct number n[2];
	const struct pair pairs[] = {
		{ "name", info->name },
		{ "users", number(&n[0], found.users) },
		{ "groups", number(&n[1], found.groups) },
		{ "state", states[info->state] },
		{ "error", info->error[0] ? info->error : NULL },
	};

	return tell(t->conn, "source", pairs, MTLS_COUNT(pairs));
}

static int tell_conflict(void *ctx, const char *source, unsigned int line, const char *sentence)
{
	struct telling *t = ctx;
	struct number n;
	const struct pair pairs[] = {
		{ "source", source },
		{ "line", number(&n, line) },
		{ "text", sentence },
	};

	if (++t->conflicts > STATUS_CONFLICTS_MAX)
		return 0;
	return tell(t->conn, "conflict", pairs, MTLS_COUNT(pairs));
}

/* What was not told one by one. */
static int tell_more(struct telling *t)
{
	char text[64];
	const struct pair pairs[] = { { "source", "-" }, { "line", "0" }, { "text", text } };

	if (t->conflicts <= STATUS_CONFLICTS_MAX)
		return 0;
	(void)snprintf(text, sizeof(text), "%zu more conflicts",
		       t->conflicts - STATUS_CONFLICTS_MAX);
	return tell(t->conn, "conflict", pairs, MTLS_COUNT(pairs));
}

static int tell_dropped(struct telling *t)
{
	const struct feed_state *state = feed_state(t->keeper->feed);
	int r = 0;

	for (size_t i = 0; r >= 0 && i < state->dropped_count; i++) {
		const struct pair pair = { "text", state->dropped[i] };
		r = tell(t->conn, "dropped", &pair, 1);
	}
	if (r >= 0 && state->left_out > state->dropped_count) {
		char text[64];
		const struct pair pair = { "text", text };
		(void)snprintf(text, sizeof(text), "%zu more: see the log",
			       state->left_out - state->dropped_count);
		r = tell(t->conn, "dropped", &pair, 1);
	}
	return r;
}

int status_items(struct conn *conn, struct mtls_diag *diag)
{
	struct telling t = { .conn = conn, .keeper = server_keeper(conn->server) };

	int r = tell_status(&t, diag);
	if (r < 0 || conn->authd)
		return r;
	r = store_sources(t.keeper->store, take_source, &t, diag);
	if (r >= 0)
		r = source_files_each(t.keeper->sources, tell_source, &t);
	if (r >= 0)
		r = store_conflicts(t.keeper->store, tell_conflict, &t, diag);
	if (r >= 0)
		r = tell_more(&t);
	return r < 0 ? r : tell_dropped(&t);
}
