/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The verbs as a table; each is a small function within one change of the store. What it has found
 * goes into the end of the answer, which is sent when the change is stored and published.
 */
#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "accountd/import.h"
#include "accountd/sources.h"
#include "accountd/status.h"
#include "accountd/verbs.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "lib/control/accounts.h"
#include "lib/name/key.h"

#define FIELDS_MAX 9
#define GROUPS_MAX 4096 /* names in a list of groups */

/* One request while it is carried out. */
struct work {
	struct keeper *keeper;
	struct store *store;
	const struct mtls_control_fields *in;
	struct mtls_control_fields *out; /* of the end */
	struct mtls_diag *diag;
};

struct verb {
	const char *name;
	/* NULL: no change of the store */
	int (*change)(struct work *work);
	const char *fields[FIELDS_MAX]; /* "?x" may be missing */
};

static const char *get(const struct work *work, const char *name)
{
	return mtls_control_get(work->in, name);
}

static int put(struct work *work, const char *name, const char *value)
{
	int r = mtls_control_add(work->out, name, value);

	return r < 0 ? mtls_diag_set(work->diag, r, "answer: %s", mtls_strerror(r)) : 0;
}

static int put_number(struct work *work, const char *name, uint64_t value)
{
	char text[32];

	(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	return put(work, name, text);
}

/* Copies a field of the request to the end. */
static int put_same(struct work *work, const char *name)
{
	return put(work, name, get(work, name));
}

/* An optional id: 0 where there is none. */
static int get_id(struct work *work, const char *name, uint32_t *ret)
{
	const char *text = get(work, name);
	uint32_t id = 0;

	if (text && (mtls_parse_u32(text, &id) < 0 || id == 0))
		return mtls_diag_set(work->diag, MTLS_E_SYNTAX,
				     "%s: found '%s', expected a number from 1", name, text);
	*ret = id;
	return 0;
}

/* -------------------------------------------------------------------------------- groups */

typedef int group_fn(struct work *work, const char *group, const char *user);

/* A list of groups, names with ',' between them. */
static int each_group(struct work *work, const char *list, const char *user, group_fn *one)
{
	size_t len = 0, count = 0;

	while (list && *list) {
		char name[MTLS_ACCOUNT_NAME_MAX + 1];
		const char *item = mtls_split_next(&list, ',', &len);
		if (len == 0 || len >= sizeof(name) || ++count > GROUPS_MAX)
			return mtls_diag_set(work->diag, MTLS_E_SYNTAX,
					     "'%.64s' is not a list of groups", item);
		memcpy(name, item, len);
		name[len] = '\0';
		int r = one(work, name, user);
		if (r < 0)
			return r;
	}
	return 0;
}

static int join(struct work *work, const char *group, const char *user)
{
	uint32_t gid = 0;
	int r = 0;

	if (!store_has_group(work->store, group))
		r = store_add_group(work->store, group, 0, &gid, work->diag);
	return r < 0 ? r : store_add_member(work->store, group, user, work->diag);
}

static int leave(struct work *work, const char *group, const char *user)
{
	return store_remove_member(work->store, group, user, work->diag);
}

/* --------------------------------------------------------------------------------- users */

static int user_put(struct work *work, const char *name)
{
	_cleanup_free_ char *home = NULL, *shell = NULL;
	uint32_t uid = 0, gid = 0;

	int r = store_get_user(work->store, name, &uid, &gid, &home, &shell);
	if (r < 0)
		return mtls_diag_set(work->diag, r, "user '%s': %s", name, mtls_strerror(r));
	r = put(work, "name", name);
	if (r >= 0)
		r = put_number(work, "uid", uid);
	if (r >= 0)
		r = put_number(work, "gid", gid);
	if (r >= 0)
		r = put(work, "home", home);
	return r < 0 ? r : put(work, "shell", shell);
}

static int user_add(struct work *work)
{
	struct store_user_spec spec = {
		.name = get(work, "name"),
		.gecos = get(work, "gecos"),
		.home = get(work, "home"),
		.shell = get(work, "shell"),
	};
	uint32_t uid = 0, former = 0;
	bool had = store_former_user(work->store, spec.name, &former);

	int r = get_id(work, "uid", &spec.uid);
	if (r >= 0)
		r = get_id(work, "gid", &spec.gid);
	if (r >= 0)
		r = store_add_user(work->store, &spec, &uid, work->diag);
	if (r >= 0)
		r = each_group(work, get(work, "groups"), spec.name, join);
	if (r >= 0)
		r = user_put(work, spec.name);
	if (r >= 0 && had)
		r = put_number(work, "former-uid", former);
	return r;
}

static int user_change(struct work *work)
{
	const struct store_user_spec spec = {
		.name = get(work, "name"),
		.gecos = get(work, "gecos"),
		.home = get(work, "home"),
		.shell = get(work, "shell"),
	};

	int r = store_change_user(work->store, &spec, work->diag);
	if (r >= 0)
		r = each_group(work, get(work, "join"), spec.name, join);
	if (r >= 0)
		r = each_group(work, get(work, "leave"), spec.name, leave);
	return r < 0 ? r : put_same(work, "name");
}

static uint64_t now(void)
{
	time_t t = time(NULL);
	return t < 0 ? 0 : (uint64_t)t;
}

static int user_remove(struct work *work)
{
	uint32_t uid = 0;

	int r = store_remove_user(work->store, get(work, "name"), now(), &uid, work->diag);
	if (r >= 0)
		r = put_same(work, "name");
	return r < 0 ? r : put_number(work, "uid", uid);
}

static int group_add(struct work *work)
{
	uint32_t wanted = 0, gid = 0;

	int r = get_id(work, "gid", &wanted);
	if (r >= 0)
		r = store_add_group(work->store, get(work, "name"), wanted, &gid, work->diag);
	if (r >= 0)
		r = put_same(work, "name");
	return r < 0 ? r : put_number(work, "gid", gid);
}

static int group_remove(struct work *work)
{
	uint32_t gid = 0;

	int r = store_remove_group(work->store, get(work, "name"), now(), &gid, work->diag);
	if (r >= 0)
		r = put_same(work, "name");
	return r < 0 ? r : put_number(work, "gid", gid);
}

/* ------------------------------------------------------------------------------ bindings */

typedef int bind_fn(struct store *store, const char *key, const char *name, struct mtls_diag *diag);

static int change_binding(struct work *work, bind_fn *change)
{
	_cleanup_buf_ struct mtls_buf canonical = MTLS_BUF(MTLS_KEY_MAX + 1);
	const char *text = get(work, "key");
	enum mtls_key_kind kind;

	int r = mtls_key_parse(text, strlen(text), &kind, &canonical, work->diag);
	if (r < 0)
		return r;
	const char *key = mtls_buf_cstr(&canonical);
	if (!key)
		return mtls_diag_set(work->diag, -ENOMEM, "out of memory");
	r = change(work->store, key, get(work, "name"), work->diag);
	if (r >= 0)
		r = put(work, "key", key);
	return r < 0 ? r : put_same(work, "name");
}

static int bind_add(struct work *work)
{
	return change_binding(work, store_bind);
}

static int bind_remove(struct work *work)
{
	return change_binding(work, store_unbind);
}

/* --------------------------------------------------------------------------------- table */

static const struct verb verbs[] = {
	{ MTLS_ACCT_VERB_STATUS, NULL, { NULL } },
	{ MTLS_ACCT_VERB_USER_ADD,
	  user_add,
	  { "name", "home", "shell", "?gecos", "?uid", "?gid", "?groups", "?dry-run" } },
	{ MTLS_ACCT_VERB_USER_CHANGE,
	  user_change,
	  { "name", "?gecos", "?home", "?shell", "?join", "?leave", "?dry-run" } },
	{ MTLS_ACCT_VERB_USER_REMOVE, user_remove, { "name", "?dry-run" } },
	{ MTLS_ACCT_VERB_GROUP_ADD, group_add, { "name", "?gid", "?dry-run" } },
	{ MTLS_ACCT_VERB_GROUP_REMOVE, group_remove, { "name", "?dry-run" } },
	{ MTLS_ACCT_VERB_BIND_ADD, bind_add, { "key", "name", "?dry-run" } },
	{ MTLS_ACCT_VERB_BIND_REMOVE, bind_remove, { "key", "name", "?dry-run" } },
	{ MTLS_ACCT_VERB_BIND_LIST, NULL, { "name" } },
	{ MTLS_ACCT_VERB_IMPORT, NULL, { "?keep-ids", "?dry-run" } },
	{ MTLS_ACCT_VERB_PUBLISH, NULL, { NULL } },
};

static const struct verb *find_verb(const char *name)
{
	for (size_t i = 0; i < MTLS_COUNT(verbs); i++)
		if (mtls_streq(verbs[i].name, name))
			return &verbs[i];
	return NULL;
}

static bool verb_has(const struct verb *verb, const char *field)
{
	for (size_t i = 0; i < FIELDS_MAX && verb->fields[i]; i++)
		if (mtls_streq(verb->fields[i] + (verb->fields[i][0] == '?'), field))
			return true;
	return false;
}

/* Every field is one of the verb's, and none that it needs is missing. */
static int check_fields(const struct verb *verb, const struct mtls_control_fields *fields,
			struct mtls_diag *diag)
{
	for (size_t i = 0; i < fields->count; i++)
		if (!verb_has(verb, fields->field[i].name))
			return mtls_diag_set(diag, MTLS_E_SYNTAX, "%s has no field '%s'",
					     verb->name, fields->field[i].name);
	for (size_t i = 0; i < FIELDS_MAX && verb->fields[i]; i++)
		if (verb->fields[i][0] != '?' && !mtls_control_get(fields, verb->fields[i]))
			return mtls_diag_set(diag, MTLS_E_SYNTAX, "%s needs the field '%s'",
					     verb->name, verb->fields[i]);
	const char *dry = mtls_control_get(fields, "dry-run");
	if (dry && !mtls_streq(dry, "yes"))
		return mtls_diag_set(diag, MTLS_E_SYNTAX, "dry-run: found '%s', expected 'yes'",
				     dry);
	return 0;
}

/* -------------------------------------------------------------------------------- answer */

int verbs_fail(struct mtls_msg *msg, int err, const struct mtls_diag *diag)
{
	static const struct {
		int err;
		enum mtls_control_code code;
	} rows[] = {
		{ MTLS_E_SYNTAX, MTLS_CONTROL_USAGE },   { MTLS_E_UNSUPPORTED, MTLS_CONTROL_USAGE },
		{ MTLS_E_DENIED, MTLS_CONTROL_REFUSED }, { MTLS_E_LIMIT, MTLS_CONTROL_REFUSED },
		{ MTLS_E_EXISTS, MTLS_CONTROL_EXISTS },  { MTLS_E_NOTFOUND, MTLS_CONTROL_NOTFOUND },
		{ MTLS_E_BUSY, MTLS_CONTROL_BUSY },      { MTLS_E_VERSION, MTLS_CONTROL_USAGE },
	};
	struct mtls_control_end *end = &msg->u.control_end;

	end->code = MTLS_CONTROL_FAILED;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++)
		if (rows[i].err == err)
			end->code = rows[i].code;
	return mtls_msg_set_text(&end->text, mtls_diag_text(diag, err));
}

static int answer(struct conn *conn, int err, const struct mtls_diag *diag)
{
	conn->phase = CONN_SEND;
	return err < 0 ? verbs_fail(conn->end, err, diag) : 0;
}

/* One line for whoever wants to know who changed what. */
static void log_change(const struct conn *conn, const char *verb,
		       const struct mtls_control_fields *end)
{
	const char *name = mtls_control_get(end, "name");
	const char *generation = mtls_control_get(end, "generation");

	mtls_log(MTLS_LOG_NOTICE, "%s '%s' by uid %u, process %ld: generation %s", verb,
		 name ? name : "", conn->uid, (long)conn->pid, generation);
}

/* The answer waits for the next stream: the one under way began before this request. */
static int publish(struct conn *conn)
{
	struct feed *feed = server_keeper(conn->server)->feed;

	if (feed_closed(feed)) {
		struct mtls_control_end *end = &conn->end->u.control_end;
		conn->phase = CONN_SEND;
		end->code = MTLS_CONTROL_UNPUBLISHED;
		return mtls_msg_set_text(&end->text, "the publisher has ended");
	}
	conn->stream = feed_next(feed);
	conn->phase = CONN_PUBLISH;
	feed_publish(feed);
	return 0;
}

/* Stores what was done and waits until it is published. @err: how the verb ended. */
static int settle(struct conn *conn, const char *verb, bool dry, int err, struct mtls_diag *diag)
{
	struct keeper *keeper = server_keeper(conn->server);
	struct mtls_control_fields *fields = &conn->end->u.control_end.fields;
	uint64_t generation = 0;
	char text[32];

	if (err < 0 || dry) {
		store_rollback(keeper->store);
		return answer(conn, err, diag);
	}
	err = store_commit(keeper->store, &generation, diag);
	if (err < 0)
		return answer(conn, err, diag);
	(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)generation);
	int r = mtls_control_add(fields, "generation", text);
	if (r < 0)
		return r;
	log_change(conn, verb, fields);
	if (strstr(verb, "-remove"))
		sources_recheck(keeper); /* what a source lost by may be free now */
	return publish(conn);
}

static int run_change(struct conn *conn, const struct verb *verb,
		      const struct mtls_control_request *request)
{
	struct keeper *keeper = server_keeper(conn->server);
	struct mtls_diag diag = { 0 };
	struct work work = {
		.keeper = keeper,
		.store = keeper->store,
		.in = &request->fields,
		.out = &conn->end->u.control_end.fields,
		.diag = &diag,
	};
	bool dry = mtls_control_get(&request->fields, "dry-run") != NULL;

	int r = keeper_refresh_local(keeper, &diag);
	if (r >= 0)
		r = store_begin(keeper->store, &diag);
	if (r < 0)
		return answer(conn, r, &diag);
	r = verb->change(&work);
	return settle(conn, verb->name, dry, r, &diag);
}

static int run_status(struct conn *conn)
{
	struct mtls_diag diag = { 0 };
	int r = status_items(conn, &diag);

	return answer(conn, r, &diag);
}

static int run_bindings(struct conn *conn, const struct mtls_control_request *request)
{
	struct mtls_diag diag = { 0 };
	int r = status_bindings(conn, mtls_control_get(&request->fields, "name"), &diag);

	return answer(conn, r, &diag);
}

static int run_publish(struct conn *conn)
{
	struct keeper *keeper = server_keeper(conn->server);
	struct mtls_diag diag = { 0 };

	int r = keeper_refresh_local(keeper, &diag);
	return r < 0 ? answer(conn, r, &diag) : publish(conn);
}

static int run_import(struct conn *conn, const struct mtls_control_request *request)
{
	struct mtls_diag diag = { 0 };

	int r = import_new(&request->fields, &conn->import, &diag);
	if (r < 0)
		return answer(conn, r, &diag);
	conn->phase = CONN_ITEMS;
	return 0;
}

static int run(struct conn *conn, const struct mtls_control_request *request)
{
	const struct verb *verb = find_verb(request->verb);
	struct mtls_diag diag = { 0 };

	int r = 0;
	if (request->version != MTLS_CONTROL_VERSION)
		r = mtls_diag_set(&diag, MTLS_E_VERSION, "version %u is not understood, only %d",
				  request->version, MTLS_CONTROL_VERSION);
	else if (!verb)
		r = mtls_diag_set(&diag, MTLS_E_SYNTAX, "there is no verb '%s'", request->verb);
	else if (conn->authd && !mtls_streq(verb->name, MTLS_ACCT_VERB_STATUS))
		r = mtls_diag_set(&diag, MTLS_E_DENIED, "only status can be asked here");
	else
		r = check_fields(verb, &request->fields, &diag);
	if (r < 0)
		return answer(conn, r, &diag);
	if (verb->change)
		return run_change(conn, verb, request);
	if (mtls_streq(verb->name, MTLS_ACCT_VERB_STATUS))
		return run_status(conn);
	if (mtls_streq(verb->name, MTLS_ACCT_VERB_BIND_LIST))
		return run_bindings(conn, request);
	if (mtls_streq(verb->name, MTLS_ACCT_VERB_PUBLISH))
		return run_publish(conn);
	return run_import(conn, request);
}

int verbs_run(struct conn *conn, const struct mtls_control_request *request)
{
	conn->end = mtls_msg_new(MTLS_MSG_CONTROL_END);
	return conn->end ? run(conn, request) : -ENOMEM;
}

int verbs_import(struct conn *conn, const struct mtls_control_end *end)
{
	struct keeper *keeper = server_keeper(conn->server);
	struct mtls_diag diag = { 0 };

	if (end->code != MTLS_CONTROL_OK) {
		import_free(MTLS_TAKE(conn->import));
		return answer(conn, mtls_diag_set(&diag, MTLS_E_DENIED, "taken back"), &diag);
	}
	int r = keeper_refresh_local(keeper, &diag);
	if (r >= 0)
		r = store_begin(keeper->store, &diag);
	if (r < 0) {
		import_free(MTLS_TAKE(conn->import));
		return answer(conn, r, &diag);
	}
	r = import_make(conn->import, keeper, &conn->end->u.control_end.fields, &diag);
	if (r < 0)
		import_free(MTLS_TAKE(conn->import));
	return settle(conn, MTLS_ACCT_VERB_IMPORT, import_is_dry(conn->import), r, &diag);
}
