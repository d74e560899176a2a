/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The snapshot reader and what libnss_mtls makes of its records. The first byte chooses:
 *
 *	0	the rest is a snapshot as it is
 *	1	a snapshot whose checksums are made good first: what a record says is reached
 *	2	the value of one record, without its checksum, to each decoder of format 1
 *	3	the same, of format 2
 *	4	a snapshot as it is, in a file
 */
#include <config.h>

#include <assert.h>
#include <endian.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "lib/acctdb/reader.h"
#include "lib/base/file.h"
#include "nss_mtls/pack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define VISITS 64

static struct mtls_acct_header header_of(uint32_t format)
{
	return (struct mtls_acct_header){
		.format = format,
		.ids = { .window = { MTLS_ID_WINDOW_MIN, MTLS_ID_WINDOW_MAX },
			 .foreign = { { 5000, 5999 } },
			 .foreign_count = format > 1 },
	};
}

static uint32_t read_u32(const uint8_t *p)
{
	uint32_t value;
	memcpy(&value, p, sizeof(value));
	return le32toh(value);
}

/* Every size of buffer near the one that is enough, the last byte guarded by the sanitizer. */
static void pack_user(const struct mtls_acct_user *user)
{
	struct passwd pw;
	int err;
	size_t enough = user->name.len + user->gecos.len + user->home.len + user->shell.len + 6;
	for (size_t len = enough - 1; len <= enough; len++) {
		char *buffer = malloc(len);
		const struct nss_out out = { buffer, len, &err };
		if (buffer && nss_pack_passwd(user, &pw, &out) == 0) {
			assert(len == enough);
			assert(pw.pw_uid >= 1000 && pw.pw_gid >= 1000 && *pw.pw_name);
			assert(strcmp(pw.pw_passwd, "*") == 0 && *pw.pw_dir == '/');
		}
		free(buffer);
	}
}

static void pack_group(struct mtls_acct_str name, gid_t gid, const struct mtls_acct_names *members)
{
	static const size_t sizes[] = { 1, 64, 300, 4096, 1 << 16, 8 << 20 };
	struct group gr;
	int err;
	for (size_t i = 0; i < MTLS_COUNT(sizes); i++) {
		char *buffer = malloc(sizes[i]);
		const struct nss_out out = { buffer, sizes[i], &err };
		bool done = buffer && nss_pack_group(name, gid, members, &gr, &out) == 0;
		for (size_t m = 0; done && m < members->count; m++)
			assert(gr.gr_mem[m] && *gr.gr_mem[m]);
		free(buffer);
		if (done)
			return;
	}
}

static void pack_shadow(const struct mtls_acct_user *user)
{
	struct spwd sp;
	int err;
	size_t enough = user->name.len + 3;
	for (size_t len = enough - 1; len <= enough; len++) {
		char *buffer = malloc(len);
		const struct nss_out out = { buffer, len, &err };
		if (buffer && nss_pack_shadow(user, &sp, &out) == 0)
			assert(len == enough && strcmp(sp.sp_pwdp, "*") == 0 && *sp.sp_namp);
		free(buffer);
	}
}

static void good_user(const struct mtls_acct_header *header, const struct mtls_acct_user *user)
{
	struct mtls_acct_group group;
	assert(mtls_id_admitted(&header->ids, user->uid) && !mtls_id_reserved(user->uid));
	assert(mtls_id_admitted(&header->ids, user->gid) && !mtls_id_reserved(user->gid));
	assert(mtls_account_name_ownable(user->name.data, user->name.len));
	pack_user(user);
	pack_shadow(user);
	if (mtls_acct_private_group(header, user, &group) == 0) {
		assert(group.gid == user->uid && group.members.count == 0);
		pack_group(group.name, group.gid, &group.members);
	}
}

static void good_group(const struct mtls_acct_header *header, const struct mtls_acct_group *group)
{
	struct mtls_acct_str name;
	size_t cursor = 0, count = 0;
	assert(mtls_id_admitted(&header->ids, group->gid) && !mtls_id_reserved(group->gid));
	assert(mtls_account_name_ownable(group->name.data, group->name.len));
	for (; mtls_acct_names_next(&group->members, &cursor, &name); count++)
		assert(mtls_account_name_ownable(name.data, name.len));
	assert(count == group->members.count);
	pack_group(group->name, group->gid, &group->members);
}

static void good_ids(const struct mtls_acct_header *header, const struct mtls_acct_ids *ids)
{
	for (uint32_t i = 0; i < ids->count; i++)
		assert(mtls_id_admitted(&header->ids, mtls_acct_ids_get(ids, i)));
}

static void decode_all(const struct mtls_acct_header *in, const uint8_t *value, size_t len)
{
	struct mtls_acct_header header;
	struct mtls_acct_next next;
	struct mtls_acct_user user;
	struct mtls_acct_group group;
	struct mtls_acct_ids ids;
	struct mtls_acct_names names;
	struct mtls_acct_tombstone stone;

	if (mtls_acct_header_decode(value, len, &header) == 0)
		assert(header.format >= 1 && header.format <= 2 &&
		       header.ids.foreign_count <= MTLS_ID_FOREIGN_MAX);
	(void)mtls_acct_next_decode(value, len, &next);
	(void)mtls_acct_tombstone_decode(value, len, &stone);
	(void)mtls_acct_sources_decode(value, len, &names);
	if (mtls_acct_user_decode(in, MTLS_ACCT_USER_ID, value, len, &user, NULL) == 0)
		good_user(in, &user);
	if (mtls_acct_user_decode(in, MTLS_ACCT_USER_NAME, value, len, &user, &ids) == 0) {
		good_user(in, &user);
		good_ids(in, &ids);
		assert(mtls_acct_user_decode(in, MTLS_ACCT_USER_NAME, value, len, &user, NULL) ==
		       0);
	}
	if (mtls_acct_group_decode(in, value, len, &group) == 0)
		good_group(in, &group);
	if (mtls_acct_binding_decode(value, len, &names) == 0)
		pack_group((struct mtls_acct_str){ "x509", 4 }, 65534, &names);
	if (mtls_acct_user_groups_decode(&in->ids, value, len, &ids) == 0)
		good_ids(in, &ids);
}

struct visit {
	const struct mtls_acctdb *db;
	int count;
};

/* Asks for each record by its own key. */
static int visit(void *ctx, enum mtls_acct_kind kind, struct mtls_acct_str key,
		 const uint8_t *value, size_t len)
{
	struct visit *v = ctx;
	const struct mtls_acctdb *db = v->db;
	struct mtls_acct_user user;
	struct mtls_acct_group group;
	struct mtls_acct_names names;
	struct mtls_acct_ids ids;
	struct mtls_acct_tombstone stone;
	const char *text = key.data + 1;
	size_t n = key.len - 1;

	decode_all(&db->header, value, len);
	if (kind == MTLS_ACCT_USER_NAME && mtls_acctdb_user_by_name(db, text, n, &user) == 0)
		assert(mtls_acct_str_eq(user.name, text, n));
	if (kind == MTLS_ACCT_GROUP_NAME && mtls_acctdb_group_by_name(db, text, n, &group) == 0)
		assert(mtls_acct_str_eq(group.name, text, n));
	if (n == 4) {
		uint32_t id = read_u32((const uint8_t *)text);
		if (mtls_acctdb_user_by_uid(db, id, &user) == 0)
			assert(user.uid == id && !mtls_id_reserved(id));
		if (mtls_acctdb_group_by_gid(db, id, &group) == 0)
			assert(group.gid == id && !mtls_id_reserved(id));
	}
	if (n == 5)
		(void)mtls_acctdb_tombstone(db, text[0] == 'g', read_u32((const uint8_t *)text + 1),
					    &stone);
	if (mtls_acctdb_user_groups(db, text, n, &ids) == 0)
		good_ids(&db->header, &ids);
	(void)mtls_acctdb_binding(db, text, n, &names);
	return ++v->count > VISITS;
}

/* What comes out of the lists is found by name and by id, unless there are two of it. */
static void walk(const struct mtls_acctdb *db)
{
	struct mtls_acctdb_cursor cursor = { 0 };
	struct mtls_acct_user user, again;
	struct mtls_acct_group group, same;
	int r = 0;
	for (int i = 0; i < VISITS && r != MTLS_E_NOTFOUND; i++) {
		uint32_t before = cursor.at;
		r = mtls_acctdb_next_user(db, &cursor, &user);
		assert(cursor.at > before || r == MTLS_E_NOTFOUND);
		if (r < 0)
			continue;
		good_user(&db->header, &user);
		if (mtls_acctdb_user_by_name(db, user.name.data, user.name.len, &again) == 0)
			assert(mtls_acct_str_eq(again.name, user.name.data, user.name.len));
	}
	cursor = (struct mtls_acctdb_cursor){ 0 };
	r = 0;
	for (int i = 0; i < VISITS && r != MTLS_E_NOTFOUND; i++) {
		r = mtls_acctdb_next_group(db, &cursor, &group);
		if (r < 0)
			continue;
		good_group(&db->header, &group);
		if (mtls_acctdb_group_by_name(db, group.name.data, group.name.len, &same) == 0)
			good_group(&db->header, &same);
		if (mtls_acctdb_group_by_gid(db, group.gid, &same) == 0)
			assert(same.gid == group.gid);
	}
}

static void look_around(const uint8_t *data, size_t size)
{
	struct mtls_acctdb db;
	struct mtls_acct_user user;
	struct mtls_acct_next next;
	struct mtls_acct_str name;
	if (mtls_acctdb_open_memory(&db, data, size) < 0)
		return;
	struct visit v = { .db = &db };
	(void)mtls_acctdb_each(&db, visit, &v);
	(void)mtls_acctdb_user_by_name(&db, "alice", 5, &user);
	(void)mtls_acctdb_next_ids(&db, &next);
	for (uint8_t i = 0; i < 4; i++)
		if (mtls_acctdb_source(&db, i, &name) == 0)
			assert(name.len > 0 && name.len <= MTLS_ACCTDB_SOURCE_MAX);
	walk(&db);
	mtls_acctdb_close(&db);
}

/* A file and its bytes in memory are judged alike. */
static void look_into_file(const uint8_t *data, size_t size)
{
	struct mtls_acctdb in_memory, in_file = { 0 };
	_cleanup_close_ int fd = memfd_create("snapshot", MFD_CLOEXEC);
	if (fd < 0 || mtls_fd_write_all(fd, data, size) < 0)
		return;
	int r = mtls_acctdb_open_memory(&in_memory, data, size);
	assert(mtls_acctdb_open_fd(&in_file, fd) == r);
	if (r == 0)
		walk(&in_file);
	mtls_acctdb_close(&in_file);
}

static void reseal(uint8_t *data, size_t size)
{
	if (size < 2048)
		return;
	size_t end = read_u32(data);
	if (end > size)
		end = size;
	for (size_t at = 2048; end >= 8 && at <= end - 8;) {
		size_t key_len = read_u32(data + at), len = read_u32(data + at + 4);
		uint8_t *key = data + at + 8;
		if (key_len > end - at - 8 || len > end - at - 8 - key_len)
			return;
		struct mtls_buf sealed = MTLS_BUF(1 << 20);
		if (len >= 8 && mtls_buf_append(&sealed, key + key_len, len - 8) == 0 &&
		    mtls_acct_seal(key, key_len, &sealed) == 0)
			memcpy(key + key_len, sealed.data, sealed.len);
		mtls_buf_done(&sealed);
		at += 8 + key_len + len;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size)
		return 0;
	uint8_t mode = data[0];
	size_t rest = size - 1;
	/* Exactly as large as the content, so that a read past the end is seen. */
	uint8_t *copy = malloc(rest ? rest : 1);
	if (!copy)
		return 0;
	memcpy(copy, data + 1, rest);
	if (mode == 1)
		reseal(copy, rest);
	const struct mtls_acct_header header = header_of(mode == 2 ? 1 : 2);
	if (mode <= 1)
		look_around(copy, rest);
	else if (mode <= 3)
		decode_all(&header, copy, rest);
	else if (mode == 4)
		look_into_file(copy, rest);
	free(copy);
	return 0;
}
