/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The records of the account snapshot, as bytes. The snapshot is a constant database (tinycdb);
 * each key begins with a byte that names its kind, each value ends in XXH64 over key and value, so
 * that a damaged file never yields another record. Integers are little-endian, strings have a
 * length and no NUL. This file is pure: no I/O, no allocation while decoding.
 *
 *	key			value
 *	H			magic, format, id rules, serial, created, counts, flags
 *	N			next uid, next gid
 *	S			names of the sources of accounts, by index; 0 is "store"
 *	u NAME			a user, and the gids of its supplementary groups
 *	U UID			the same user without them
 *	g NAME, G GID		a group with its members; not the private groups of users
 *	b KIND:VALUE		a binding: the names of the accounts that a certificate key maps to
 *	t u|g ID		a tombstone: an id that was used and never is again, with its name
 *
 * A user whose gid is its uid has a private group of its name, which nobody else is a member of:
 * readers make it from the user's record.
 *
 * That is format 2. In format 1 a private group has records of its own (g and G), the gids of a
 * user stand in a record `s NAME`, `u` and `U` are alike, and there are no sources, foreign ranges
 * or flags.
 *
 * Decoders check everything again that the publisher checked: grammar of names, id window, fields,
 * that the record is the one asked for. MTLS_E_CORRUPT is their only complaint.
 */
#ifndef MTLS_ACCTDB_RECORD_H
#define MTLS_ACCTDB_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/name/account.h"
#include "lib/name/id.h"
#include "lib/name/key.h"

/*
 * Readers accept MTLS_ACCTDB_FORMAT and the one before it, because old processes keep an old
 * module mapped and an upgrade changes the module before the file.
 */
#define MTLS_ACCTDB_FORMAT        2
#define MTLS_ACCTDB_FORMAT_OLDEST 1

#define MTLS_ACCTDB_FIELD_MAX   255   /* bytes of gecos, home, shell each */
#define MTLS_ACCTDB_MEMBERS_MAX 65536 /* members of a group */
#define MTLS_ACCTDB_GROUPS_MAX  4096  /* supplementary groups of a user */
#define MTLS_ACCTDB_SOURCES_MAX 64    /* sources, the store included */
#define MTLS_ACCTDB_SERIAL_MAX                                                                     \
	(UINT64_C(1) << 62)              /* a store can go on after a snapshot up to here */
#define MTLS_ACCTDB_SOURCE_MAX 32        /* bytes of a source's name: as an owned account's */
#define MTLS_ACCTDB_NAMES_MAX  64        /* accounts bound to one key */
#define MTLS_ACCTDB_VALUE_MAX  (6 << 20) /* bytes of a value */

/*
 * Beside the snapshot: a page, never replaced, whose first eight bytes (native order) count the
 * snapshots. The writer renames first and counts second.
 */
#define MTLS_ACCTDB_GEN_NAME "accounts.gen"
#define MTLS_ACCTDB_GEN_SIZE 4096

/* Answered by service x509 as a group without members iff the snapshot can be read; see x509.c. */
#define MTLS_X509_PROBE "probe:"

/*
 * A key as it stands in the file, but for bindings, whose keys are long: this one is small because
 * every lookup has one on its stack.
 */
struct mtls_acct_key {
	size_t len;
	uint8_t bytes[1 + MTLS_OWNED_NAME_MAX];
};

#define MTLS_ACCT_BINDING_KEY_MAX (1 + MTLS_KEY_MAX)

enum mtls_acct_kind {
	MTLS_ACCT_HEADER = 'H',
	MTLS_ACCT_NEXT = 'N',
	MTLS_ACCT_SOURCES = 'S',
	MTLS_ACCT_USER_NAME = 'u',
	MTLS_ACCT_USER_ID = 'U',
	MTLS_ACCT_GROUP_NAME = 'g',
	MTLS_ACCT_GROUP_ID = 'G',
	MTLS_ACCT_USER_GROUPS = 's', /* format 1 */
	MTLS_ACCT_BINDING = 'b',
	MTLS_ACCT_TOMBSTONE = 't',
};

/* Bytes inside the snapshot or inside the caller's set: borrowed, not NUL-terminated. */
struct mtls_acct_str {
	const char *data;
	size_t len;
};

struct mtls_acct_header {
	uint32_t format;
	struct mtls_id_rules ids;
	uint64_t serial;                              /* one more with every snapshot written */
	uint64_t created;                             /* seconds since 1970 */
	uint32_t users, groups, bindings, tombstones; /* groups: in format 2 without private ones */
	bool no_enumeration;                          /* getpwent(3) and getgrent(3) see nothing */
};

struct mtls_acct_next {
	uint32_t uid;
	uint32_t gid;
};

struct mtls_acct_user {
	uint32_t uid, gid;
	uint8_t source; /* index into the sources; 0 is the store */
	struct mtls_acct_str name, gecos, home, shell;
};

/* A list of names or ids, packed as in the file; walk it with mtls_acct_names_next(). */
struct mtls_acct_names {
	uint32_t count;
	const uint8_t *data; /* borrowed */
	size_t len;
};

struct mtls_acct_ids {
	uint32_t count;
	const uint8_t *data; /* borrowed; count * 4 bytes, any alignment */
};

struct mtls_acct_group {
	uint32_t gid;
	uint8_t source;
	struct mtls_acct_str name;
	struct mtls_acct_names members;
};

struct mtls_acct_tombstone {
	bool group;
	uint32_t id;
	uint64_t time; /* when it was given up, seconds since 1970 */
	struct mtls_acct_str name;
};

/* Keys. MTLS_E_LIMIT when @name is too long to be one. */
void mtls_acct_key_plain(enum mtls_acct_kind kind, struct mtls_acct_key *ret_key);
int mtls_acct_key_name(enum mtls_acct_kind kind, const char *name, size_t len,
		       struct mtls_acct_key *ret_key);
void mtls_acct_key_id(enum mtls_acct_kind kind, uint32_t id, struct mtls_acct_key *ret_key);
void mtls_acct_key_tombstone(bool group, uint32_t id, struct mtls_acct_key *ret_key);
/* Writes the key of a binding to @out; its length, or MTLS_E_LIMIT over MTLS_KEY_MAX. */
int mtls_acct_key_binding(const char *text, size_t len, uint8_t out[MTLS_ACCT_BINDING_KEY_MAX]);

/*
 * Checks and cuts off the checksum: @len becomes the length of what it protects. 0 or
 * MTLS_E_CORRUPT.
 */
int mtls_acct_verify(const void *key, size_t key_len, const uint8_t *value, size_t *len);

/* Appends the checksum of @key and what @value holds. 0 or the buffer's error. */
int mtls_acct_seal(const void *key, size_t key_len, struct mtls_buf *value);

/*
 * Decode a value without its checksum, as the format of @header has it; ids that its rules do not
 * admit are damage. 0 or MTLS_E_CORRUPT; the header also MTLS_E_VERSION. Outputs on success only.
 */
int mtls_acct_header_decode(const uint8_t *value, size_t len, struct mtls_acct_header *ret);
int mtls_acct_next_decode(const uint8_t *value, size_t len, struct mtls_acct_next *ret);
/* By index; the first is the store's. Format 1 has no such record. */
int mtls_acct_sources_decode(const uint8_t *value, size_t len, struct mtls_acct_names *ret);
/*
 * @kind is MTLS_ACCT_USER_NAME or MTLS_ACCT_USER_ID. @ret_gids may be NULL: then the gids of the
 * supplementary groups are passed over unread. Format 1 and MTLS_ACCT_USER_ID have none: the list
 * is empty.
 */
int mtls_acct_user_decode(const struct mtls_acct_header *header, enum mtls_acct_kind kind,
			  const uint8_t *value, size_t len, struct mtls_acct_user *ret,
			  struct mtls_acct_ids *ret_gids);
int mtls_acct_group_decode(const struct mtls_acct_header *header, const uint8_t *value, size_t len,
			   struct mtls_acct_group *ret);
/* The private group of @user, or MTLS_E_NOTFOUND: it has none. */
int mtls_acct_private_group(const struct mtls_acct_header *header,
			    const struct mtls_acct_user *user, struct mtls_acct_group *ret);
/* The record `s` of format 1. */
int mtls_acct_user_groups_decode(const struct mtls_id_rules *ids, const uint8_t *value, size_t len,
				 struct mtls_acct_ids *ret);
int mtls_acct_binding_decode(const uint8_t *value, size_t len, struct mtls_acct_names *ret);
/* @ret->group and @ret->id come from the key and are the caller's to fill. */
int mtls_acct_tombstone_decode(const uint8_t *value, size_t len, struct mtls_acct_tombstone *ret);

/*
 * Encode a value of format 2 without its checksum, appended to @out: 0, MTLS_E_LIMIT, or the
 * buffer's error. They check lengths and counts, nothing else. The header is written as its
 * format says.
 */
int mtls_acct_header_encode(const struct mtls_acct_header *header, struct mtls_buf *out);
int mtls_acct_next_encode(const struct mtls_acct_next *next, struct mtls_buf *out);
/* @names[0] is "store". */
int mtls_acct_sources_encode(const struct mtls_acct_str *names, size_t count, struct mtls_buf *out);
/* With @gids the value of `u`, without (NULL) that of `U`. */
int mtls_acct_user_encode(const struct mtls_acct_user *user, const struct mtls_acct_ids *gids,
			  struct mtls_buf *out);
int mtls_acct_group_encode(const struct mtls_acct_group *group, struct mtls_buf *out);
int mtls_acct_binding_encode(const struct mtls_acct_names *names, struct mtls_buf *out);
int mtls_acct_tombstone_encode(const struct mtls_acct_tombstone *stone, struct mtls_buf *out);

/*
 * The next name of a decoded list; start with @cursor 0. True and @ret, or false at the end. The
 * decoder checked the list, so this cannot leave it.
 */
bool mtls_acct_names_next(const struct mtls_acct_names *names, size_t *cursor,
			  struct mtls_acct_str *ret);
uint32_t mtls_acct_ids_get(const struct mtls_acct_ids *ids, size_t index);

/* Equal as bytes. */
bool mtls_acct_str_eq(struct mtls_acct_str a, const char *text, size_t len);

/* May a binding name this account? The grammar of any source, but for reserved names. */
bool mtls_acct_bindable(const char *name, size_t len);

#endif
