/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whatever somebody writes into a snapshot, with good checksums: refused ids and names never come
 * out, by any way of asking. What is refused is written down here once more, by hand.
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

#define ROOM      65536
#define MUTATIONS 4000

static const uint32_t bad_ids[] = { 0,     1,     6,           42,         999,        60001,
				    60577, 61184, 65519,       65534,      65535,      0x80000000,
				    1000,  99999, 0x7fffffffU, 0xfffffffe, 0xffffffff, 2000200000 };

static const char *const bad_names[] = { "root",  "sudo",      "disk",   "shadow", "nobody",
					 "_apt",  "systemd-x", "daemon", "wheel",  "mtls-authd",
					 "Alice", "0day",      "-rf",    "a:b",    "a\nb",
					 "",      "a.b",       "a/b",    "a b",    "\xc3\xa9",
					 "x,y",   "docker",    "*",      "lxd",    "video",
					 "a@b",   "..",        "+",      "adm",    "libvirt" };

static bool in_list(const char *name)
{
	for (size_t i = 0; i < MTLS_COUNT(bad_names); i++)
		if (strcmp(bad_names[i], name) == 0)
			return true;
	return false;
}

/* True if an account of ours may be called this. */
static bool name_ok(const char *name)
{
	size_t len = strlen(name);
	return len > 0 && len <= 32 &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-") == len && name[0] >= 'a' &&
	       name[0] <= 'z' && !in_list(name) && strncmp(name, "systemd-", 8) != 0;
}

/* True if it may be an id at all, in any window. */
static bool id_ok(uint32_t id)
{
	return id >= 1000 && id < 0x80000000U && !(id >= 60001 && id <= 60577) &&
	       !(id >= 61184 && id <= 65519) && id != 65534 && id != 65535;
}

struct seen {
	uint32_t min, max; /* the window, unless the header was changed */
	size_t users, groups, gids;
};

static void good_id(const struct seen *seen, uint32_t id)
{
	if (!id_ok(id) || id < seen->min || id > seen->max)
		fail_msg("id %u came out", id);
}

static void good_text(const char *text)
{
	for (const char *c = text; *c; c++)
		if (*c == ':' || (uint8_t)*c < 0x20 || *c == 0x7f)
			fail_msg("a character %d came out", *c);
}

static void good_passwd(struct seen *seen, const struct passwd *pw)
{
	if (!name_ok(pw->pw_name))
		fail_msg("user '%s' came out", pw->pw_name);
	good_id(seen, pw->pw_uid);
	good_id(seen, pw->pw_gid);
	assert_string_equal(pw->pw_passwd, "*");
	good_text(pw->pw_gecos);
	good_text(pw->pw_dir);
	good_text(pw->pw_shell);
	assert_int_equal(pw->pw_dir[0], '/');
	assert_int_equal(pw->pw_shell[0], '/');
	assert_null(strstr(pw->pw_dir, "/../"));
	seen->users++;
}

static void good_group(struct seen *seen, const struct group *gr)
{
	if (!name_ok(gr->gr_name))
		fail_msg("group '%s' came out", gr->gr_name);
	good_id(seen, gr->gr_gid);
	assert_string_equal(gr->gr_passwd, "*");
	for (char **m = gr->gr_mem; *m; m++)
		if (!name_ok(*m))
			fail_msg("member '%s' came out", *m);
	seen->groups++;
}

/* By name and by id, and that it is the one that was asked for. */
static void ask_name(struct nss_db *db, struct seen *seen, char *room, const char *name)
{
	struct passwd pw;
	struct group gr;
	struct spwd sp;
	int err;
	const struct nss_out out = { room, ROOM, &err };
	if (nss_passwd_by_name(db, name, &pw, &out) == NSS_STATUS_SUCCESS) {
		assert_string_equal(pw.pw_name, name);
		good_passwd(seen, &pw);
	}
	if (nss_group_by_name(db, name, &gr, &out) == NSS_STATUS_SUCCESS) {
		assert_string_equal(gr.gr_name, name);
		good_group(seen, &gr);
	}
	if (nss_shadow_by_name(db, name, &sp, &out) == NSS_STATUS_SUCCESS) {
		assert_string_equal(sp.sp_namp, name);
		assert_true(name_ok(sp.sp_namp));
		assert_string_equal(sp.sp_pwdp, "*");
	}
	gid_t *gids = NULL;
	long start = 0, size = 0;
	const struct nss_gids list = { &start, &size, &gids, -1 };
	if (nss_groups_of_user(db, name, 1, &list, &err) == NSS_STATUS_SUCCESS)
		assert_true(name_ok(name));
	for (long i = 0; i < start; i++)
		good_id(seen, gids[i]);
	seen->gids += (size_t)start;
	free(gids);
}

static void ask_id(struct nss_db *db, struct seen *seen, char *room, uint32_t id)
{
	struct passwd pw;
	struct group gr;
	int err;
	const struct nss_out out = { room, ROOM, &err };
	if (nss_passwd_by_uid(db, id, &pw, &out) == NSS_STATUS_SUCCESS) {
		assert_int_equal(pw.pw_uid, id);
		good_passwd(seen, &pw);
	}
	if (nss_group_by_gid(db, id, &gr, &out) == NSS_STATUS_SUCCESS) {
		assert_int_equal(gr.gr_gid, id);
		good_group(seen, &gr);
	}
}

static void ask_key(struct nss_db *db, struct seen *seen, char *room, const char *key)
{
	struct passwd pw;
	struct group gr;
	int err;
	const struct nss_out out = { room, ROOM, &err };
	if (nss_x509_passwd(db, key, &pw, &out) == NSS_STATUS_SUCCESS)
		good_passwd(seen, &pw);
	if (nss_x509_group(db, key, &gr, &out) != NSS_STATUS_SUCCESS)
		return;
	assert_string_equal(gr.gr_name, "x509");
	assert_int_equal(gr.gr_gid, 65534);
	for (char **m = gr.gr_mem; *m; m++)
		if (strcmp(*m, "root") == 0 || strcmp(*m, "nobody") == 0 || **m == '_' || !**m ||
		    strpbrk(*m, ":/ \n"))
			fail_msg("bound name '%s' came out", *m);
}

static void ask_lists(struct nss_db *db, struct seen *seen, char *room)
{
	struct nss_walk walk = { 0 };
	struct passwd pw;
	struct group gr;
	struct spwd sp;
	int err;
	const struct nss_out out = { room, ROOM, &err };
	while (nss_passwd_next(db, &walk, &pw, &out) == NSS_STATUS_SUCCESS)
		good_passwd(seen, &pw);
	nss_walk_reset(db, &walk);
	while (nss_group_next(db, &walk, &gr, &out) == NSS_STATUS_SUCCESS)
		good_group(seen, &gr);
	nss_walk_reset(db, &walk);
	while (nss_shadow_next(db, &walk, &sp, &out) == NSS_STATUS_SUCCESS)
		assert_true(name_ok(sp.sp_namp) && strcmp(sp.sp_pwdp, "*") == 0);
	nss_walk_reset(db, &walk);
}

static void ask_everything(struct nss_db *db, struct seen *seen, char *room, const struct model *m)
{
	ask_lists(db, seen, room);
	for (size_t i = 0; i < MTLS_COUNT(bad_names); i++)
		ask_name(db, seen, room, bad_names[i]);
	for (size_t i = 0; i < MTLS_COUNT(bad_ids); i++)
		ask_id(db, seen, room, bad_ids[i]);
	for (size_t i = 0; i < m->user_count; i++) {
		ask_name(db, seen, room, m->users[i].name);
		ask_id(db, seen, room, m->users[i].uid);
	}
	for (size_t i = 0; i < m->group_count; i++) {
		ask_name(db, seen, room, m->groups[i].name);
		ask_id(db, seen, room, m->groups[i].gid);
	}
	for (size_t i = 0; i < m->binding_count; i++)
		ask_key(db, seen, room, m->bindings[i].key);
}

/* A user and a group under every key that they could be asked for by. */
static void put_person(struct raw *raw, uint32_t format, const char *name, uint32_t uid,
		       uint32_t gid)
{
	const char *const fields[] = { name, "E", "/h", "/s" };
	_cleanup_buf_ struct mtls_buf user = MTLS_BUF(4096);
	_cleanup_buf_ struct mtls_buf none = MTLS_BUF(16);
	_cleanup_buf_ struct mtls_buf group = MTLS_BUF(4096);
	raw_user(&user, format, uid, gid, fields);
	raw_put_id(raw, MTLS_ACCT_USER_ID, uid, &user);
	raw_u32(&none, 0);
	if (format > 1)
		raw_u32(&user, 0);
	else
		raw_put_name(raw, MTLS_ACCT_USER_GROUPS, name, &none);
	raw_put_name(raw, MTLS_ACCT_USER_NAME, name, &user);
	raw_u32(&group, gid);
	if (format > 1)
		raw_u8(&group, 0);
	raw_str(&group, name);
	raw_u32(&group, 1);
	raw_str(&group, name);
	/* the odd ones have a private group only */
	if (format > 1 && uid % 2)
		return;
	raw_put_name(raw, MTLS_ACCT_GROUP_NAME, name, &group);
	raw_put_id(raw, MTLS_ACCT_GROUP_ID, gid, &group);
}

/* In the usual window, and in one that would allow everything. */
static void hand_made(void **state)
{
	static const struct mtls_id_window windows[] = {
		{ MTLS_ID_WINDOW_MIN, MTLS_ID_WINDOW_MAX },
		{ 0, UINT32_MAX },
	};
	const struct model none = { 0 };
	struct fixture *fix = *state;
	char *room = malloc(ROOM);
	assert_non_null(room);
	for (uint32_t format = 1; format <= 2; format++) {
		for (size_t w = 0; w < MTLS_COUNT(windows); w++) {
			_cleanup_buf_ struct mtls_buf file = MTLS_BUF(1 << 20);
			struct seen seen = { windows[w].min, windows[w].max, 0, 0, 0 };
			struct raw raw;
			char name[32];
			raw_start(&raw);
			raw_put_header(&raw, format, &windows[w], 0);
			put_person(&raw, format, "honest", 2000300000, 2000300000);
			put_person(&raw, format, "honester", 2000300001, 2000300001);
			for (size_t i = 0; i < MTLS_COUNT(bad_names); i++)
				put_person(&raw, format, bad_names[i], 2000400000 + (uint32_t)i,
					   2000400000 + (uint32_t)i);
			for (size_t i = 0; i < MTLS_COUNT(bad_ids); i++) {
				(void)snprintf(name, sizeof(name), "evil%zu", i);
				put_person(&raw, format, name, bad_ids[i], bad_ids[i]);
				(void)snprintf(name, sizeof(name), "gid%zu", i);
				put_person(&raw, format, name, 2000500000 + (uint32_t)i,
					   bad_ids[i]);
			}
			raw_finish(&raw, &file);
			fixture_replace(fix, file.data, file.len);
			ask_everything(&fix->db, &seen, room, &none);
			for (size_t i = 0; i < MTLS_COUNT(bad_ids); i++) {
				(void)snprintf(name, sizeof(name), "evil%zu", i);
				ask_name(&fix->db, &seen, room, name);
				(void)snprintf(name, sizeof(name), "gid%zu", i);
				ask_name(&fix->db, &seen, room, name);
			}
			for (uint32_t i = 0; i < 64; i++) {
				ask_id(&fix->db, &seen, room, 2000400000 + i);
				ask_id(&fix->db, &seen, room, 2000500000 + i);
			}
			size_t before = seen.users;
			ask_name(&fix->db, &seen, room, "honest");
			ask_name(&fix->db, &seen, room, "honester");
			assert_int_equal(seen.users, before + 2);
			/* the honest ones came out of the list too, between all the others */
			assert_true(before >= 2 && seen.groups >= 4);
		}
	}
	free(room);
}

struct records {
	struct {
		uint8_t *key, *value;
		size_t key_len, len;
	} at[2048];
	size_t count;
};

/* Those of users and groups, where they lie in the file. */
static void find_records(uint8_t *file, struct records *ret)
{
	uint32_t end;
	memcpy(&end, file, sizeof(end));
	ret->count = 0;
	for (size_t at = 2048; at < end && ret->count < MTLS_COUNT(ret->at);) {
		uint32_t key_len, len;
		memcpy(&key_len, file + at, 4);
		memcpy(&len, file + at + 4, 4);
		ret->at[ret->count].key = file + at + 8;
		ret->at[ret->count].key_len = key_len;
		ret->at[ret->count].value = file + at + 8 + key_len;
		ret->at[ret->count++].len = len - 8;
		at += 8 + key_len + len;
	}
}

/* Changes one value somehow; true if it was the header's. */
static bool mutate(uint32_t *seed, struct records *records)
{
	size_t i = model_random(seed, (uint32_t)records->count);
	uint8_t *value = records->at[i].value;
	size_t len = records->at[i].len;
	uint32_t id = bad_ids[model_random(seed, MTLS_COUNT(bad_ids))];
	const char *name = bad_names[model_random(seed, MTLS_COUNT(bad_names))];
	size_t name_len = strlen(name);
	if (!len)
		return false;
	size_t at = model_random(seed, (uint32_t)len);
	switch (model_random(seed, 5)) {
	case 0: /* an id where ids are: at the front */
		at = 4 * model_random(seed, 2);
		if (at + 4 <= len)
			memcpy(value + at, &id, 4);
		break;
	case 1: /* or anywhere, as in a list of gids */
		at = len - 4 * (1 + model_random(seed, (uint32_t)len / 4 + 1));
		if (at < len && at + 4 <= len)
			memcpy(value + at, &id, 4);
		break;
	case 2: /* a name with its length */
		if (at + 1 + name_len <= len) {
			value[at] = (uint8_t)name_len;
			memcpy(value + at + 1, name, name_len);
		}
		break;
	case 3: /* a name over letters */
		if (at + name_len <= len)
			memcpy(value + at, name, name_len);
		break;
	default:
		value[at] = (uint8_t)model_random(seed, 256);
	}
	fixture_reseal(records->at[i].key, records->at[i].key_len, value, len);
	return records->at[i].key_len == 1;
}

static void mutated(void **state)
{
	static struct model model;
	static struct records records;
	struct fixture *fix = *state;
	struct seen seen = { 0 };
	uint32_t seed = 7;
	char *room = malloc(ROOM);
	assert_non_null(room);
	for (int round = 0; round < MUTATIONS; round += 40) {
		model_make(&model, (uint32_t)round);
		model.no_enumeration = false;
		for (int way = 0; way < MODEL_WAYS; way++) {
			_cleanup_buf_ struct mtls_buf file = MTLS_BUF(16 << 20);
			bool header = false;
			model_write(&model, (enum model_way)way, &file);
			find_records(file.data, &records);
			/* more and more of them */
			for (int i = 0; i < 40; i++) {
				header |= mutate(&seed, &records);
				if (i % 8)
					continue;
				seen.min = header ? 0 : MTLS_ID_WINDOW_MIN;
				seen.max = header ? UINT32_MAX : MTLS_ID_WINDOW_MAX;
				fixture_replace(fix, file.data, file.len);
				ask_everything(&fix->db, &seen, room, &model);
			}
		}
	}
	print_message("# %zu users, %zu groups, %zu memberships came out, all of them good\n",
		      seen.users, seen.groups, seen.gids);
	assert_true(seen.users > 10000 && seen.groups > 10000 && seen.gids > 1000);
	free(room);
}

static int setup(void **state)
{
	struct fixture *fix = fixture_new();
	fixture_populate(fix);
	*state = fix;
	return 0;
}

static int teardown(void **state)
{
	fixture_free(*state);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(hand_made, setup, teardown),
		cmocka_unit_test_setup_teardown(mutated, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
