/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The snapshot reader and what libnss_mtls makes of its records. The first byte chooses:
 *
 *	0	the rest is a snapshot as it is
 *	1	a snapshot whose checksums are made good first: what a record says is reached
 *	2	the value of one record, without its checksum, to each decoder
 */
#include <config.h>

#include <assert.h>
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "lib/acctdb/set.h"
#include "nss_mtls/pack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct mtls_id_rules window = { .window = { MTLS_ID_WINDOW_MIN, MTLS_ID_WINDOW_MAX } };

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

static void decode_all(const struct mtls_id_rules *in, const uint8_t *value, size_t len)
{
	struct mtls_acct_header header;
	struct mtls_acct_next next;
	struct mtls_acct_user user;
	struct mtls_acct_group group;
	struct mtls_acct_ids ids;
	struct mtls_acct_names names;
	struct mtls_acct_tombstone stone;

	(void)mtls_acct_header_decode(value, len, &header);
	(void)mtls_acct_next_decode(value, len, &next);
	(void)mtls_acct_tombstone_decode(value, len, &stone);
	if (mtls_acct_user_decode(in, value, len, &user) == 0)
		pack_user(&user);
	if (mtls_acct_group_decode(in, value, len, &group) == 0)
		pack_group(group.name, group.gid, &group.members);
	if (mtls_acct_binding_decode(value, len, &names) == 0)
		pack_group((struct mtls_acct_str){ "x509", 4 }, 65534, &names);
	if (mtls_acct_user_groups_decode(in, value, len, &ids) == 0)
		for (uint32_t i = 0; i < ids.count; i++)
			assert(mtls_id_admitted(in, mtls_acct_ids_get(&ids, i)));
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

	decode_all(&db->header.ids, value, len);
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
	(void)mtls_acctdb_user_groups(db, text, n, &ids);
	(void)mtls_acctdb_binding(db, text, n, &names);
	return ++v->count > 64;
}

static void look_around(const uint8_t *data, size_t size)
{
	struct mtls_acctdb db;
	struct mtls_acct_user user;
	struct mtls_acct_next next;
	struct mtls_acctset *set = NULL;
	if (mtls_acctdb_open_memory(&db, data, size) < 0)
		return;
	struct visit v = { .db = &db };
	(void)mtls_acctdb_each(&db, visit, &v);
	(void)mtls_acctdb_user_by_name(&db, "alice", 5, &user);
	(void)mtls_acctdb_next_ids(&db, &next);
	(void)mtls_acctset_load(&db, &db.header.ids.window, NULL, &set, NULL);
	mtls_acctset_free(set);
	mtls_acctdb_close(&db);
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
	if (mode <= 1)
		look_around(copy, rest);
	else if (mode == 2)
		decode_all(&window, copy, rest);
	free(copy);
	return 0;
}
