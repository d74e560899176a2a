/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Items of `status` and `bind-list`. Holds no state. */
#include <config.h>

#include <stdio.h>

#include "accountd/source_files.h"
#include "accountd/status.h"
#include "lib/base/str.h"
#include "lib/control/item.h"

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

static int tell(struct conn *conn, const char *kind, const struct mtls_control_pair *pairs,
		size_t count)
{
	_cleanup_(mtls_msg_freep) struct mtls_msg *msg = NULL;
	int r = mtls_control_item_new(kind, pairs, count, &msg);

	return r < 0 ? r : conn_item(conn, msg);
}

static int tell_status(struct telling *t, struct mtls_diag *diag)
{
	const struct feed_state *state = feed_state(t->keeper->feed);
	struct store_counts c;
	struct mtls_control_number n[8];

	int r = store_counts(t->keeper->store, &c, diag);
	if (r < 0)
		return r;
	const struct mtls_control_pair pairs[] = {
		{ "generation", mtls_control_number(&n[0], c.generation) },
		{ "published", mtls_control_number(&n[1], state->published) },
		{ "users", mtls_control_number(&n[2], c.users) },
		{ "groups", mtls_control_number(&n[3], c.groups) },
		{ "bindings", mtls_control_number(&n[4], c.bindings) },
		{ "tombstones", mtls_control_number(&n[5], c.tombstones) },
		{ "next-uid", mtls_control_number(&n[6], c.next.uid) },
		{ "next-gid", mtls_control_number(&n[7], c.next.gid) },
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
	struct mtls_control_number n[2];
	const struct mtls_control_pair pairs[] = {
		{ "name", info->name },
		{ "users", mtls_control_number(&n[0], found.users) },
		{ "groups", mtls_control_number(&n[1], found.groups) },
		{ "state", states[info->state] },
		{ "error", info->error[0] ? info->error : NULL },
	};

	return tell(t->conn, "source", pairs, MTLS_COUNT(pairs));
}

static int tell_conflict(void *ctx, const char *source, unsigned int line, const char *sentence)
{
	struct telling *t = ctx;
	struct mtls_control_number n;
	const struct mtls_control_pair pairs[] = {
		{ "source", source },
		{ "line", mtls_control_number(&n, line) },
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
	const struct mtls_control_pair pairs[] = { { "source", "-" },
						   { "line", "0" },
						   { "text", text } };

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
		const struct mtls_control_pair pair = { "text", state->dropped[i] };
		r = tell(t->conn, "dropped", &pair, 1);
	}
	if (r >= 0 && state->left_out > state->dropped_count) {
		char text[64];
		const struct mtls_control_pair pair = { "text", text };
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

struct telling_bindings {
	struct conn *conn;
	size_t count;
};

static int tell_binding(void *ctx, const char *key, uint32_t owner, bool holds)
{
	struct telling_bindings *t = ctx;
	struct mtls_control_number n;
	const struct mtls_control_pair pairs[] = {
		{ "key", key },
		{ "holds", holds ? "yes" : "no" },
		{ "owner", mtls_control_number(&n, owner) },
	};

	if (++t->count > STATUS_BINDINGS_MAX)
		return MTLS_E_LIMIT;
	return tell(t->conn, "binding", pairs, MTLS_COUNT(pairs));
}

int status_bindings(struct conn *conn, const char *name, struct mtls_diag *diag)
{
	struct telling_bindings t = { .conn = conn };

	return store_bindings_of(server_keeper(conn->server)->store, name, tell_binding, &t, diag);
}
