/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Snapshots of all formats that readers accept: a file that the writer of format 1 made, headers of
 * format 2, and the builder's bytes against those that PROTOCOL.md asks for.
 */
#include <config.h>

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/file.h"
#include "lib/base/str.h"
#include "nss_mtls/walk.h"
#include "tests/nss/fixture.h"
#include "tests/nss/model.h"

static char room[65536], line[4096];

static const char *passwd_line(enum nss_status status, const struct passwd *pw)
{
	if (status != NSS_STATUS_SUCCESS)
		return NULL;
	(void)snprintf(line, sizeof(line), "%s:%s:%u:%u:%s:%s:%s", pw->pw_name, pw->pw_passwd,
		       pw->pw_uid, pw->pw_gid, pw->pw_gecos, pw->pw_dir, pw->pw_shell);
	return line;
}

static const char *group_line(enum nss_status status, const struct group *gr)
{
	if (status != NSS_STATUS_SUCCESS)
		return NULL;
	int n = snprintf(line, sizeof(line), "%s:%s:%u:", gr->gr_name, gr->gr_passwd, gr->gr_gid);
	for (char **m = gr->gr_mem; *m; m++)
		n += snprintf(line + n, sizeof(line) - (size_t)n, "%s%s",
			      m == gr->gr_mem ? "" : ",", *m);
	return line;
}

/* One question each; @want NULL: not found. */
static void passwd_is(struct nss_db *db, const char *name, uint32_t uid, const char *want)
{
	struct passwd pw;
	int err;
	const struct nss_out out = { room, sizeof(room), &err };
	const char *got = passwd_line(name ? nss_passwd_by_name(db, name, &pw, &out)
					   : nss_passwd_by_uid(db, uid, &pw, &out),
				      &pw);
	if (!want)
		assert_null(got);
	else
		assert_string_equal(got ? got : "not found", want);
}

static void group_is(struct nss_db *db, const char *name, uint32_t gid, const char *want)
{
	struct group gr;
	int err;
	const struct nss_out out = { room, sizeof(room), &err };
	const char *got = group_line(name ? nss_group_by_name(db, name, &gr, &out)
					  : nss_group_by_gid(db, gid, &gr, &out),
				     &gr);
	if (!want)
		assert_null(got);
	else
		assert_string_equal(got ? got : "not found", want);
}

/* That writer filled the gap of a member that left with the last one. */
#define CREW                                                                                       \
	"alice,bob,user-00,user-01,user-02,user-03,user-04,user-05,user-06,user-19,user-08,"       \
	"user-09,user-10,user-11,user-12,user-13,user-14,user-15,user-16,user-17,user-18"

static void read_format1(struct fixture *fix, struct mtls_buf *out)
{
	const char *source = getenv("top_srcdir");
	char path[4096];
	(void)snprintf(path, sizeof(path), "%s/tests/nss/format1.cdb", source ? source : "..");
	assert_int_equal(mtls_file_read(path, NULL, out, NULL), 0);
	fixture_replace(fix, out->data, out->len);
}

/* What the writer of format 1 was told, a year of upgrades later. */
static void format_1_is_read(void **state)
{
	struct fixture *fix = *state;
	struct nss_db *db = &fix->db;
	_cleanup_buf_ struct mtls_buf file = MTLS_BUF(1 << 20);
	read_format1(fix, &file);
	passwd_is(db, "alice", 0, "alice:*:2000200001:2000200001:A Person:/home/alice:/bin/sh");
	passwd_is(db, NULL, 2000200002, "bob:*:2000200002:2000200002:A Person:/home/bob:/bin/sh");
	passwd_is(db, "zoe", 0,
		  "zoe:*:2100000000:2100000000:Zo\xc3\xab \xe2\x82\xac:/home/zo\xc3\xab:/bin/bash");
	passwd_is(db, "carol", 0, NULL);
	passwd_is(db, NULL, 2000200005, NULL);
	passwd_is(db, "user-07", 0, NULL);
	group_is(db, "bob", 0, "bob:*:2000200002:");
	group_is(db, NULL, 2100000000, "zoe:*:2100000000:");
	group_is(db, "crew", 0, "crew:*:2000200004:" CREW);
	group_is(db, NULL, 2000200003, "staffers:*:2000200003:alice,zoe");
	group_is(db, "nobodys", 0, "nobodys:*:2000200007:");
	group_is(db, "gone", 0, NULL);
	group_is(db, "carol", 0, NULL);

	gid_t *gids = NULL;
	long start = 0, size = 0;
	int err;
	const struct nss_gids list = { &start, &size, &gids, -1 };
	assert_int_equal(nss_groups_of_user(db, "alice", 1, &list, &err), NSS_STATUS_SUCCESS);
	assert_int_equal(start, 2);
	assert_int_equal(gids[0] + gids[1], 2000200003U + 2000200004U);
	free(gids);

	struct group gr;
	struct passwd pw;
	const struct nss_out out = { room, sizeof(room), &err };
	assert_string_equal(group_line(nss_x509_group(db, FIX_KEY_MIXED, &gr, &out), &gr),
			    "x509:*:65534:alice,local.user");
	assert_string_equal(
		passwd_line(nss_x509_passwd(db, "issuer-serial:4d:CN=CA,O=Example", &pw, &out),
			    &pw),
		"bob:*:2000200002:2000200002:A Person:/home/bob:/bin/sh");
}

/* Every account of that file once in the lists, and no other. */
static void format_1_is_listed(void **state)
{
	struct fixture *fix = *state;
	_cleanup_buf_ struct mtls_buf file = MTLS_BUF(1 << 20);
	struct nss_walk walk = { 0 };
	struct passwd pw;
	struct group gr;
	int users = 0, groups = 0, err;
	uint64_t uids = 0, gids = 0;
	const struct nss_out out = { room, sizeof(room), &err };
	read_format1(fix, &file);
	for (; nss_passwd_next(&fix->db, &walk, &pw, &out) == NSS_STATUS_SUCCESS; users++)
		uids += pw.pw_uid;
	nss_walk_reset(&fix->db, &walk);
	for (; nss_group_next(&fix->db, &walk, &gr, &out) == NSS_STATUS_SUCCESS; groups++)
		gids += gr.gr_gid;
	nss_walk_reset(&fix->db, &walk);
	/* alice, bob, dave, zoe, and 19 of user-00 to user-19 */
	assert_int_equal(users, 23);
	assert_int_equal(groups, 23 + 3);
	assert_true(gids == uids + 2000200003U + 2000200004U + 2000200007U);
}

/* Its tombstones and next ids are there for who takes the accounts over. */
static void format_1_remembers(void **state)
{
	struct fixture *fix = *state;
	_cleanup_buf_ struct mtls_buf file = MTLS_BUF(1 << 20);
	struct mtls_acctdb db;
	struct mtls_acct_next next;
	struct mtls_acct_tombstone stone;
	struct mtls_acct_str name;
	read_format1(fix, &file);
	assert_int_equal(mtls_acctdb_open_memory(&db, file.data, file.len), 0);
	assert_int_equal(db.header.format, 1);
	assert_int_equal(db.header.users, 23);
	assert_int_equal(db.header.tombstones, 5);
	assert_false(db.header.no_enumeration);
	assert_int_equal(db.header.ids.foreign_count, 0);
	assert_int_equal(mtls_acctdb_next_ids(&db, &next), 0);
	assert_true(next.uid > 2000200005 && next.gid > 2000200005);
	assert_int_equal(mtls_acctdb_tombstone(&db, false, 2000200005, &stone), 0);
	assert_true(mtls_acct_str_eq(stone.name, "carol", 5));
	assert_int_equal(stone.time, 1700000000);
	assert_int_equal(mtls_acctdb_tombstone(&db, true, 2000200005, &stone), 0);
	assert_int_equal(mtls_acctdb_tombstone(&db, true, 2000200008, &stone), 0);
	assert_true(mtls_acct_str_eq(stone.name, "gone", 4));
	assert_int_equal(mtls_acctdb_tombstone(&db, false, 2000200001, &stone), MTLS_E_NOTFOUND);
	assert_int_equal(mtls_acctdb_source(&db, 0, &name), 0);
	assert_true(mtls_acct_str_eq(name, "store", 5));
	assert_int_equal(mtls_acctdb_source(&db, 1, &name), MTLS_E_NOTFOUND);
}

static void headers_of_format_2(void **state)
{
	static const struct {
		const char *name;
		uint32_t format, flags, count;
		uint32_t pairs[2 * (MTLS_ID_FOREIGN_MAX + 1)];
		size_t cut; /* bytes too few; SIZE_MAX: one too many */
		int want;
	} rows[] = {
		{ "plain", 2, 0, 0, { 0 }, 0, 0 },
		{ "no enumeration", 2, 1, 0, { 0 }, 0, 0 },
		{ "unknown flag", 2, 2, 0, { 0 }, 0, MTLS_E_VERSION },
		{ "known and unknown", 2, 0x80000001, 0, { 0 }, 0, MTLS_E_VERSION },
		{ "a foreign range", 2, 0, 1, { 5000, 5999 }, 0, 0 },
		{ "one id", 2, 0, 1, { 5000, 5000 }, 0, 0 },
		{ "upside down", 2, 0, 1, { 5000, 4999 }, 0, MTLS_E_CORRUPT },
		{ "as many as there may be", 2, 0, 8, { 1000, 1001 }, 0, 0 },
		{ "one more", 2, 0, 9, { 0 }, 0, MTLS_E_CORRUPT },
		{ "2^32-1", 2, 0, UINT32_MAX, { 0 }, 0, MTLS_E_CORRUPT },
		{ "half a range", 2, 0, 1, { 5000, 5999 }, 4, MTLS_E_CORRUPT },
		{ "no count", 2, 0, 0, { 0 }, 4, MTLS_E_CORRUPT },
		{ "no flags", 2, 0, 0, { 0 }, 8, MTLS_E_CORRUPT },
		{ "a byte too many", 2, 0, 0, { 0 }, SIZE_MAX, MTLS_E_CORRUPT },
		{ "format 3", 3, 0, 0, { 0 }, 0, MTLS_E_VERSION },
		{ "format 0", 0, 0, 0, { 0 }, 0, MTLS_E_VERSION },
		{ "format 1 with more behind", 1, 0, 0, { 0 }, 0, MTLS_E_CORRUPT },
	};
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		_cleanup_buf_ struct mtls_buf value = MTLS_BUF(1024);
		struct mtls_acct_header header = { .serial = 77 };
		print_message("# row '%s'\n", rows[i].name);
		assert_int_equal(mtls_buf_append_str(&value, "MTLSACCT"), 0);
		raw_u32(&value, rows[i].format);
		raw_u32(&value, MTLS_ID_WINDOW_MIN);
		raw_u32(&value, MTLS_ID_WINDOW_MAX);
		raw_u64(&value, 4);
		raw_u64(&value, 5);
		for (uint32_t n = 6; n < 10; n++)
			raw_u32(&value, n);
		raw_u32(&value, rows[i].flags);
		raw_u32(&value, rows[i].count);
		for (uint32_t n = 0; n < rows[i].count && n <= MTLS_ID_FOREIGN_MAX; n++) {
			raw_u32(&value, rows[i].pairs[2 * n]);
			raw_u32(&value, rows[i].pairs[2 * n + 1]);
		}
		if (rows[i].cut == SIZE_MAX)
			raw_u8(&value, 0);
		else
			value.len -= rows[i].cut;
		assert_int_equal(mtls_acct_header_decode(value.data, value.len, &header),
				 rows[i].want);
		if (rows[i].want < 0) {
			assert_int_equal(header.serial, 77);
			continue;
		}
		assert_int_equal(header.serial, 4);
		assert_int_equal(header.tombstones, 9);
		assert_int_equal(header.no_enumeration, rows[i].flags & 1);
		assert_int_equal(header.ids.foreign_count, rows[i].count);
		assert_int_equal(header.ids.foreign[0].max, rows[i].pairs[1]);
	}
}

/* An id of a foreign range is an id, a reserved one in it is none. */
static void foreign_ranges(void **state)
{
	struct fixture *fix = *state;
	static const struct {
		const char *name;
		uint32_t id;
		bool ok;
	} rows[] = {
		{ "below", 4999, false },  { "first", 5000, true },   { "last", 5999, true },
		{ "above", 6000, false },  { "second", 70000, true }, { "nobody", 65534, false },
		{ "homed", 60100, false },
	};
	_cleanup_buf_ struct mtls_buf file = MTLS_BUF(1 << 20);
	struct raw raw;
	const struct mtls_acct_header header = {
		.format = 2,
		.ids = { { MTLS_ID_WINDOW_MIN, MTLS_ID_WINDOW_MAX },
			 { { 5000, 5999 }, { 60000, 70000 } },
			 2 },
	};
	_cleanup_buf_ struct mtls_buf value = MTLS_BUF(4096);
	assert_int_equal(mtls_acct_header_encode(&header, &value), 0);
	raw_start(&raw);
	raw_put(&raw, "H", 1, &value);
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		const char *const fields[] = { rows[i].name, "", "/", "/s" };
		mtls_buf_reset(&value);
		raw_user(&value, 2, rows[i].id, rows[i].id, fields);
		raw_put_id(&raw, MTLS_ACCT_USER_ID, rows[i].id, &value);
		raw_u32(&value, 0);
		raw_put_name(&raw, MTLS_ACCT_USER_NAME, rows[i].name, &value);
	}
	raw_finish(&raw, &file);
	fixture_replace(fix, file.data, file.len);
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		char passwd[128], group[128];
		(void)snprintf(passwd, sizeof(passwd), "%s:*:%u:%u::/:/s", rows[i].name, rows[i].id,
			       rows[i].id);
		(void)snprintf(group, sizeof(group), "%s:*:%u:", rows[i].name, rows[i].id);
		print_message("# row '%s'\n", rows[i].name);
		passwd_is(&fix->db, rows[i].name, 0, rows[i].ok ? passwd : NULL);
		passwd_is(&fix->db, NULL, rows[i].id, rows[i].ok ? passwd : NULL);
		group_is(&fix->db, rows[i].name, 0, rows[i].ok ? group : NULL);
		group_is(&fix->db, NULL, rows[i].id, rows[i].ok ? group : NULL);
	}
}

static void sources_have_names(void **state)
{
	(void)state;
	_cleanup_buf_ struct mtls_buf file = MTLS_BUF(1 << 20);
	_cleanup_buf_ struct mtls_buf value = MTLS_BUF(4096);
	struct mtls_acctdb db;
	struct mtls_acct_str name;
	struct raw raw;
	raw_start(&raw);
	raw_put_header(&raw, 2, &fix_window, 0);
	raw_u32(&value, 3);
	raw_str(&value, "store");
	raw_str(&value, "staff");
	raw_str(&value, "ldap.example");
	raw_put(&raw, "S", 1, &value);
	raw_finish(&raw, &file);
	assert_int_equal(mtls_acctdb_open_memory(&db, file.data, file.len), 0);
	assert_int_equal(mtls_acctdb_source(&db, 2, &name), 0);
	assert_true(mtls_acct_str_eq(name, "ldap.example", 12));
	assert_int_equal(mtls_acctdb_source(&db, 1, &name), 0);
	assert_true(mtls_acct_str_eq(name, "staff", 5));
	assert_int_equal(mtls_acctdb_source(&db, 3, &name), MTLS_E_NOTFOUND);
	assert_int_equal(mtls_acctdb_source(&db, 255, &name), MTLS_E_NOTFOUND);
}

/* The bytes that the builder made, in search of each record that was written by hand. */
struct built {
	uint8_t *data;
	size_t size, count;
};

static int is_built(void *ctx, enum mtls_acct_kind kind, struct mtls_acct_str key,
		    const uint8_t *value, size_t len)
{
	struct built *built = ctx;
	size_t built_len = 0;
	if (kind == MTLS_ACCT_HEADER)
		return 0;
	const uint8_t *other =
		fixture_find(built->data, built->size, key.data, key.len, &built_len);
	assert_non_null(other);
	assert_int_equal(built_len, len);
	assert_memory_equal(other, value, len);
	built->count++;
	return 0;
}

static void the_builder_writes_what_is_specified(void **state)
{
	static struct model model;
	(void)state;
	size_t records = 0;
	for (uint32_t seed = 0; seed < 30; seed++) {
		_cleanup_buf_ struct mtls_buf by_hand = MTLS_BUF(16 << 20);
		_cleanup_buf_ struct mtls_buf file = MTLS_BUF(16 << 20);
		struct mtls_acctdb db;
		model_make(&model, seed);
		model_write(&model, MODEL_FORMAT_2, &by_hand);
		model_write(&model, MODEL_BUILDER, &file);
		struct built built = { file.data, file.len, 0 };
		assert_int_equal(mtls_acctdb_open_memory(&db, by_hand.data, by_hand.len), 0);
		assert_int_equal(mtls_acctdb_each(&db, is_built, &built), 0);
		assert_int_equal(built.count,
				 2 * (model.user_count + model.group_count) + model.binding_count);
		records += built.count;
	}
	assert_true(records > 1000);
}

/* What a record says, as the lines `says` of PROTOCOL.md have it. */
static void say_names(const struct mtls_acct_names *names, struct mtls_buf *out)
{
	struct mtls_acct_str name;
	for (size_t at = 0; mtls_acct_names_next(names, &at, &name);)
		(void)mtls_buf_printf(out, "%s%.*s", out->len ? " " : "", (int)name.len, name.data);
}

static void say_ids(const struct mtls_acct_ids *ids, struct mtls_buf *out)
{
	for (uint32_t i = 0; i < ids->count; i++)
		(void)mtls_buf_printf(out, "%s%u", out->len ? " " : "", mtls_acct_ids_get(ids, i));
}

static void say_header(const struct mtls_acct_header *h, struct mtls_buf *out)
{
	(void)mtls_buf_printf(out, "%u %u-%u", h->format, h->ids.window.min, h->ids.window.max);
	for (uint32_t i = 0; i < h->ids.foreign_count; i++)
		(void)mtls_buf_printf(out, " %u-%u", h->ids.foreign[i].min, h->ids.foreign[i].max);
	(void)mtls_buf_printf(out, " %" PRIu64 " %" PRIu64 " %u %u %u %u%s", h->serial, h->created,
			      h->users, h->groups, h->bindings, h->tombstones,
			      h->no_enumeration ? " no-enumeration" : "");
}

static int say(const struct mtls_acct_header *in, uint8_t kind, const uint8_t *value, size_t len,
	       struct mtls_buf *out)
{
	union {
		struct mtls_acct_header header;
		struct mtls_acct_next next;
		struct mtls_acct_names names;
		struct mtls_acct_group group;
		struct mtls_acct_tombstone stone;
	} u;
	struct mtls_acct_user user;
	struct mtls_acct_ids ids = { 0 };
	int r;
	switch (kind) {
	case 'H':
		r = mtls_acct_header_decode(value, len, &u.header);
		if (r == 0)
			say_header(&u.header, out);
		return r;
	case 'N':
		r = mtls_acct_next_decode(value, len, &u.next);
		return r < 0 ? r : mtls_buf_printf(out, "%u %u", u.next.uid, u.next.gid);
	case 'S':
	case 'b':
		r = kind == 'S' ? mtls_acct_sources_decode(value, len, &u.names)
				: mtls_acct_binding_decode(value, len, &u.names);
		if (r == 0)
			say_names(&u.names, out);
		return r;
	case 'u':
	case 'U':
		r = mtls_acct_user_decode(in, (enum mtls_acct_kind)kind, value, len, &user, &ids);
		if (r < 0)
			return r;
		(void)mtls_buf_printf(out, "%.*s:%u:%u:%u:%.*s:%.*s:%.*s", (int)user.name.len,
				      user.name.data, user.uid, user.gid, user.source,
				      (int)user.gecos.len, user.gecos.data, (int)user.home.len,
				      user.home.data, (int)user.shell.len, user.shell.data);
		say_ids(&ids, out);
		return 0;
	case 's':
		r = mtls_acct_user_groups_decode(&in->ids, value, len, &ids);
		if (r == 0)
			say_ids(&ids, out);
		return r;
	case 'g':
	case 'G':
		r = mtls_acct_group_decode(in, value, len, &u.group);
		if (r < 0)
			return r;
		(void)mtls_buf_printf(out, "%.*s:%u:%u", (int)u.group.name.len, u.group.name.data,
				      u.group.gid, u.group.source);
		say_names(&u.group.members, out);
		return 0;
	case 't':
		r = mtls_acct_tombstone_decode(value, len, &u.stone);
		return r < 0 ? r
			     : mtls_buf_printf(out, "%" PRIu64 " %.*s", u.stone.time,
					       (int)u.stone.name.len, u.stone.name.data);
	default:
		return MTLS_E_SYNTAX;
	}
}

static void append_hex(const char *text, struct mtls_buf *out)
{
	size_t len = strcspn(text, "\n");
	assert_int_equal(mtls_buf_reserve(out, len / 2), 0);
	int n = mtls_hex_decode(text, len, out->data + out->len, len / 2);
	assert_int_equal(n, len / 2);
	out->len += len / 2;
}

static void read_page(struct mtls_buf *out)
{
	const char *source = getenv("top_srcdir");
	char path[4096];
	(void)snprintf(path, sizeof(path), "%s/PROTOCOL.md", source ? source : "..");
	assert_int_equal(mtls_file_read(path, NULL, out, NULL), 0);
}

/* The examples of PROTOCOL.md, byte for byte, each with its checksum and without a byte of it. */
static void examples_hold(void **state)
{
	_cleanup_buf_ struct mtls_buf page = MTLS_BUF(1 << 20);
	_cleanup_buf_ struct mtls_buf key = MTLS_BUF(256);
	_cleanup_buf_ struct mtls_buf value = MTLS_BUF(4096);
	struct mtls_acct_header header = { .ids = { .window = fix_window } };
	int count = 0;
	(void)state;
	read_page(&page);
	const char *at = strstr(mtls_buf_cstr(&page), "\n```records\n");
	assert_non_null(at);
	for (at = strchr(at + 1, '\n') + 1; strncmp(at, "```", 3) != 0; at = strchr(at, '\n') + 1) {
		if (strncmp(at, "format ", 7) == 0)
			header.format = (uint32_t)strtoul(at + 7, NULL, 10);
		if (strncmp(at, "key ", 4) == 0) {
			mtls_buf_reset(&key);
			append_hex(at + 4, &key);
		}
		if (strncmp(at, "value ", 6) == 0)
			mtls_buf_reset(&value);
		if (strncmp(at, "value ", 6) == 0 || strncmp(at, "      ", 6) == 0)
			append_hex(at + 6, &value);
		if (strncmp(at, "says ", 5) != 0)
			continue;
		_cleanup_buf_ struct mtls_buf says = MTLS_BUF(4096);
		size_t len = value.len, want = strcspn(at + 5, "\n");
		print_message("# row %.*s\n", (int)want, at + 5);
		assert_int_equal(mtls_acct_verify(key.data, key.len, value.data, &len), 0);
		assert_int_equal(say(&header, key.data[0], value.data, len, &says), 0);
		assert_int_equal(says.len, want);
		assert_memory_equal(says.data, at + 5, want);
		for (size_t cut = 0; cut < len; cut++) {
			mtls_buf_reset(&says);
			assert_true(say(&header, key.data[0], value.data, cut, &says) < 0);
		}
		count++;
	}
	assert_true(count >= 12);
}

/* Numbers that the section gives. */
static void limits_are_those_of_the_code(void **state)
{
	static const struct {
		int number;
		const char *text;
	} rows[] = {
		{ MTLS_ID_FOREIGN_MAX, "(u32 u32, at most %d)" },
		{ MTLS_ACCTDB_SOURCES_MAX, "names of the sources (at most %d)" },
		{ MTLS_ACCTDB_GROUPS_MAX, "list of gids u32 (at most %d)" },
		{ MTLS_ACCTDB_MEMBERS_MAX, "the members (at most %d)" },
		{ MTLS_ACCTDB_NAMES_MAX, "it is bound to (1 to %d)" },
		{ MTLS_ACCTDB_VALUE_MAX, "at most %d bytes." },
		{ MTLS_ACCTDB_GEN_SIZE, "`accounts.gen`, %d bytes" },
		{ MTLS_ACCTDB_FORMAT, "value in format %d |" },
		{ MTLS_ACCTDB_FORMAT_OLDEST, "Format %d is read too" },
	};
	_cleanup_buf_ struct mtls_buf page = MTLS_BUF(1 << 20);
	(void)state;
	read_page(&page);
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		char text[128];
		const char *at = strstr(rows[i].text, "%d");
		(void)snprintf(text, sizeof(text), "%.*s%d%s", (int)(at - rows[i].text),
			       rows[i].text, rows[i].number, at + 2);
		print_message("# row %s\n", text);
		assert_non_null(strstr(mtls_buf_cstr(&page), text));
	}
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
		cmocka_unit_test_setup_teardown(format_1_is_read, setup, teardown),
		cmocka_unit_test_setup_teardown(format_1_is_listed, setup, teardown),
		cmocka_unit_test_setup_teardown(format_1_remembers, setup, teardown),
		cmocka_unit_test(headers_of_format_2),
		cmocka_unit_test_setup_teardown(foreign_ranges, setup, teardown),
		cmocka_unit_test(sources_have_names),
		cmocka_unit_test(the_builder_writes_what_is_specified),
		cmocka_unit_test(examples_hold),
		cmocka_unit_test(limits_are_those_of_the_code),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
