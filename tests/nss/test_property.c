/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What goes in comes out: random accounts and groups, written in either format and by the builder,
 * then asked for in every way there is, with every length of buffer for some and a random one for
 * the rest.
 */
#include <config.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "nss_mtls/walk.h"
#include "tests/nss/fixture.h"
#include "tests/nss/model.h"

#define ROUNDS    60
#define LINE_ROOM 65536
#define ROOM      65536
#define EVERY     1100 /* where every length is tried: up to this, more than most need */

union entry {
	struct passwd pw;
	struct group gr;
	struct spwd sp;
};

struct ask {
	struct fixture *fix;
	uint32_t *seed;
	char *buffer; /* ROOM bytes */
	char *want, *got;
};

enum kind { OF_PASSWD, OF_GROUP, OF_SHADOW };

/* One call, of any kind, with what remains to be said: buffer and length. */
struct call {
	enum kind kind;
	const char *name; /* or NULL: by id */
	uint32_t id;
	struct nss_walk *walk; /* or the next of a list */
	bool x509;
};

static enum nss_status run(struct ask *a, const struct call *c, union entry *e, size_t len,
			   int *errnop)
{
	const struct nss_out out = { a->buffer, len, errnop };
	struct nss_db *db = &a->fix->db;
	if (c->x509)
		return c->kind == OF_PASSWD ? nss_x509_passwd(db, c->name, &e->pw, &out)
					    : nss_x509_group(db, c->name, &e->gr, &out);
	if (c->kind == OF_PASSWD)
		return c->walk   ? nss_passwd_next(db, c->walk, &e->pw, &out)
		       : c->name ? nss_passwd_by_name(db, c->name, &e->pw, &out)
				 : nss_passwd_by_uid(db, c->id, &e->pw, &out);
	if (c->kind == OF_GROUP)
		return c->walk   ? nss_group_next(db, c->walk, &e->gr, &out)
		       : c->name ? nss_group_by_name(db, c->name, &e->gr, &out)
				 : nss_group_by_gid(db, c->id, &e->gr, &out);
	return c->walk ? nss_shadow_next(db, c->walk, &e->sp, &out)
		       : nss_shadow_by_name(db, c->name, &e->sp, &out);
}

static void show(enum kind kind, const union entry *e, char *line)
{
	if (kind == OF_PASSWD) {
		(void)snprintf(line, LINE_ROOM, "%s:%s:%u:%u:%s:%s:%s", e->pw.pw_name,
			       e->pw.pw_passwd, e->pw.pw_uid, e->pw.pw_gid, e->pw.pw_gecos,
			       e->pw.pw_dir, e->pw.pw_shell);
		return;
	}
	if (kind == OF_SHADOW) {
		(void)snprintf(line, LINE_ROOM, "%s:%s:%ld:%ld:%ld:%ld:%ld:%ld:%lx", e->sp.sp_namp,
			       e->sp.sp_pwdp, e->sp.sp_lstchg, e->sp.sp_min, e->sp.sp_max,
			       e->sp.sp_warn, e->sp.sp_inact, e->sp.sp_expire, e->sp.sp_flag);
		return;
	}
	int n = snprintf(line, LINE_ROOM, "%s:%s:%u:", e->gr.gr_name, e->gr.gr_passwd,
			 e->gr.gr_gid);
	for (char **m = e->gr.gr_mem; *m; m++)
		n += snprintf(line + n, LINE_ROOM - (size_t)n, "%s%s", m == e->gr.gr_mem ? "" : ",",
			      *m);
}

static void want_passwd(const struct model_user *u, char *line)
{
	(void)snprintf(line, LINE_ROOM, "%s:*:%u:%u:%s:%s:%s", u->name, u->uid, u->gid, u->gecos,
		       u->home, u->shell);
}

static void want_shadow(const struct model_user *u, char *line)
{
	(void)snprintf(line, LINE_ROOM, "%s:*:-1:-1:-1:-1:-1:-1:%lx", u->name, ~0UL);
}

static void want_group(const struct model *m, const struct model_group *g, char *line)
{
	int n = snprintf(line, LINE_ROOM, "%s:*:%u:", g->name, g->gid);
	const char *comma = "";
	for (size_t i = 0; i < m->user_count; i++) {
		if (!g->member[i])
			continue;
		n += snprintf(line + n, LINE_ROOM - (size_t)n, "%s%s", comma, m->users[i].name);
		comma = ",";
	}
}

/* ERANGE below some length, the entry from there on: at every length, or at some. */
static void answers(struct ask *a, const struct call *c, bool every)
{
	union entry e;
	bool found = false;
	size_t step = every ? 1 : 1 + model_random(a->seed, 600);
	for (size_t len = every ? 0 : model_random(a->seed, 300); !found || (every && len < EVERY);
	     len += step) {
		int err = 0;
		assert_true(len < ROOM);
		errno = 4711;
		enum nss_status status = run(a, c, &e, len, &err);
		assert_int_equal(errno, 4711);
		if (status == NSS_STATUS_TRYAGAIN && err == ERANGE && !found)
			continue;
		if (status != NSS_STATUS_SUCCESS)
			fail_msg("%s %u: length %zu: status %d errno %d", c->name ? c->name : "id",
				 c->id, len, status, err);
		found = true;
		show(c->kind, &e, a->got);
		assert_string_equal(a->got, a->want);
	}
}

static void lacks(struct ask *a, const struct call *c)
{
	union entry e;
	int err = 0;
	if (run(a, c, &e, ROOM, &err) != NSS_STATUS_NOTFOUND || err != ENOENT)
		fail_msg("found: kind %d, '%s' %u", c->kind, c->name ? c->name : "", c->id);
}

static void check_users(struct ask *a, const struct model *m)
{
	for (size_t i = 0; i < m->user_count; i++) {
		const struct model_user *u = &m->users[i];
		bool every = !model_random(a->seed, 20);
		want_passwd(u, a->want);
		answers(a, &(struct call){ .kind = OF_PASSWD, .name = u->name }, every);
		answers(a, &(struct call){ .kind = OF_PASSWD, .id = u->uid }, every);
		want_shadow(u, a->want);
		answers(a, &(struct call){ .kind = OF_SHADOW, .name = u->name }, every);
		if (u->gid == u->uid) {
			(void)snprintf(a->want, LINE_ROOM, "%s:*:%u:", u->name, u->gid);
			answers(a, &(struct call){ .kind = OF_GROUP, .name = u->name }, every);
			answers(a, &(struct call){ .kind = OF_GROUP, .id = u->gid }, every);
		} else {
			lacks(a, &(struct call){ .kind = OF_GROUP, .name = u->name });
			lacks(a, &(struct call){ .kind = OF_GROUP, .id = u->uid });
		}
	}
	for (uint32_t n = 0; n < MODEL_USERS; n++) {
		uint32_t uid = MTLS_ID_WINDOW_MIN + n;
		size_t i = 0;
		while (i < m->user_count && m->users[i].uid != uid)
			i++;
		if (i == m->user_count)
			lacks(a, &(struct call){ .kind = OF_PASSWD, .id = uid });
	}
}

static void check_groups(struct ask *a, const struct model *m)
{
	for (size_t i = 0; i < m->group_count; i++) {
		const struct model_group *g = &m->groups[i];
		bool every = !model_random(a->seed, 8);
		want_group(m, g, a->want);
		answers(a, &(struct call){ .kind = OF_GROUP, .name = g->name }, every);
		answers(a, &(struct call){ .kind = OF_GROUP, .id = g->gid }, every);
		lacks(a, &(struct call){ .kind = OF_PASSWD, .name = g->name });
		lacks(a, &(struct call){ .kind = OF_PASSWD, .id = g->gid });
		lacks(a, &(struct call){ .kind = OF_SHADOW, .name = g->name });
	}
}

static int by_gid(const void *x, const void *y)
{
	gid_t a = *(const gid_t *)x, b = *(const gid_t *)y;
	return (a > b) - (a < b);
}

/* Behind what is there already, up to the limit, each once. */
static void check_memberships(struct ask *a, const struct model *m)
{
	for (size_t i = 0; i < m->user_count; i++) {
		const struct model_user *u = &m->users[i];
		gid_t want[MODEL_GROUPS + 2], *gids = calloc(2, sizeof(*gids));
		long size = 2, start = 1, count = 1;
		assert_non_null(gids);
		want[0] = gids[0] = u->gid;
		if (m->group_count && model_random(a->seed, 2) && m->groups[0].gid != u->gid)
			want[count++] = gids[start++] = m->groups[0].gid;
		for (size_t g = 0; g < m->group_count; g++)
			if (m->groups[g].member[i] && !(start == 2 && g == 0))
				want[count++] = m->groups[g].gid;
		long limit = model_random(a->seed, 2) ? -1 : 2 + (long)model_random(a->seed, 8);
		const struct nss_gids list = { &start, &size, &gids, limit };
		int err = 0;
		assert_int_equal(nss_groups_of_user(&a->fix->db, u->name, u->gid, &list, &err),
				 NSS_STATUS_SUCCESS);
		if (limit > 0 && limit < count) {
			assert_int_equal(start, limit);
			assert_true(size <= limit);
		} else {
			assert_int_equal(start, count);
			qsort(gids, (size_t)start, sizeof(*gids), by_gid);
			qsort(want, (size_t)count, sizeof(*want), by_gid);
			assert_memory_equal(gids, want, (size_t)count * sizeof(*gids));
		}
		free(gids);
	}
}

static void check_bindings(struct ask *a, const struct model *m)
{
	for (size_t i = 0; i < m->binding_count; i++) {
		const struct model_binding *b = &m->bindings[i];
		int n = snprintf(a->want, LINE_ROOM, "x509:*:65534:");
		for (size_t k = 0; k < b->count; k++)
			n += snprintf(a->want + n, LINE_ROOM - (size_t)n, "%s%s", k ? "," : "",
				      b->names[k]);
		answers(a, &(struct call){ .kind = OF_GROUP, .name = b->key, .x509 = true }, !i);
		size_t u = 0;
		while (u < m->user_count && strcmp(m->users[u].name, b->names[0]) != 0)
			u++;
		const struct call passwd = { .kind = OF_PASSWD, .name = b->key, .x509 = true };
		if (b->count > 1 || u == m->user_count) {
			lacks(a, &passwd);
			continue;
		}
		want_passwd(&m->users[u], a->want);
		answers(a, &passwd, !i);
	}
}

static int by_text(const void *x, const void *y)
{
	return strcmp(*(char *const *)x, *(char *const *)y);
}

/* The list has each line of @want once, and no other; ERANGE never costs an entry. */
static void lists(struct ask *a, enum kind kind, char **want, size_t count)
{
	struct nss_walk walk = { 0 };
	const struct call next = { .kind = kind, .walk = &walk };
	char **got = calloc(count + 1, sizeof(*got));
	assert_non_null(got);
	for (int turn = 0; turn < 2; turn++) {
		size_t n = 0;
		for (;;) {
			union entry e;
			int err = 0;
			size_t len = model_random(a->seed, 3) ? ROOM : model_random(a->seed, 400);
			enum nss_status status = run(a, &next, &e, len, &err);
			if (status == NSS_STATUS_TRYAGAIN && err == ERANGE && len < ROOM)
				continue;
			if (status == NSS_STATUS_NOTFOUND && err == ENOENT)
				break;
			assert_int_equal(status, NSS_STATUS_SUCCESS);
			assert_true(n < count);
			show(kind, &e, a->got);
			got[n++] = strdup(a->got);
			/* a lookup between two entries is none of the list's business */
			err = 0;
			(void)run(a, &(struct call){ .kind = OF_PASSWD, .name = "nosuch" }, &e,
				  ROOM, &err);
		}
		assert_int_equal(n, count);
		qsort(got, n, sizeof(*got), by_text);
		qsort(want, count, sizeof(*want), by_text);
		for (size_t i = 0; i < n; i++) {
			assert_string_equal(got[i], want[i]);
			free(got[i]);
		}
		lacks(a, &next); /* the end stays the end */
		nss_walk_reset(&a->fix->db, &walk);
	}
	free(got);
}

static void check_lists(struct ask *a, const struct model *m, bool forbidden)
{
	char *want[MODEL_USERS + MODEL_GROUPS];
	size_t users = forbidden ? 0 : m->user_count, count = 0;
	for (size_t i = 0; i < users; i++, count++) {
		want_passwd(&m->users[i], a->want);
		want[count] = strdup(a->want);
	}
	lists(a, OF_PASSWD, want, count);
	while (count)
		free(want[--count]);
	for (size_t i = 0; i < users; i++, count++) {
		want_shadow(&m->users[i], a->want);
		want[count] = strdup(a->want);
	}
	lists(a, OF_SHADOW, want, count);
	while (count)
		free(want[--count]);
	for (size_t i = 0; i < users; i++) {
		if (m->users[i].gid != m->users[i].uid)
			continue;
		(void)snprintf(a->want, LINE_ROOM, "%s:*:%u:", m->users[i].name, m->users[i].gid);
		want[count++] = strdup(a->want);
	}
	for (size_t i = 0; i < (forbidden ? 0 : m->group_count); i++, count++) {
		want_group(m, &m->groups[i], a->want);
		want[count] = strdup(a->want);
	}
	lists(a, OF_GROUP, want, count);
	while (count)
		free(want[--count]);
}

static void what_goes_in_comes_out(void **state)
{
	(void)state;
	static struct model model;
	uint32_t seed = 20261122;
	struct ask a = { .fix = fixture_new(), .seed = &seed };
	a.buffer = malloc(ROOM);
	a.want = malloc(LINE_ROOM);
	a.got = malloc(LINE_ROOM);
	assert_true(a.buffer && a.want && a.got);
	fixture_populate(a.fix);
	for (uint32_t round = 0; round < ROUNDS; round++) {
		model_make(&model, round);
		for (int way = 0; way < MODEL_WAYS; way++) {
			_cleanup_buf_ struct mtls_buf file = MTLS_BUF(16 << 20);
			print_message("# round %u, way %d: %zu users, %zu groups\n", round, way,
				      model.user_count, model.group_count);
			model_write(&model, (enum model_way)way, &file);
			fixture_replace(a.fix, file.data, file.len);
			check_users(&a, &model);
			check_groups(&a, &model);
			check_memberships(&a, &model);
			check_bindings(&a, &model);
			check_lists(&a, &model, model.no_enumeration && way != MODEL_FORMAT_1);
		}
	}
	free(a.buffer);
	free(a.want);
	free(a.got);
	fixture_free(a.fix);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_goes_in_comes_out),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
