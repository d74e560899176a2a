/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Accounts as a stream: what the store sends through a pipe, the publisher checks and the builder
 * turns into a snapshot. One item is one frame: length (4 bytes, little-endian, of what follows),
 * kind (1 byte), fields encoded as in lib/acctdb/record.h. A stream is
 *
 *	BEGIN NEXT SOURCE* TOMBSTONE* GROUP* USER* MEMBERS* BINDING* END
 *
 *	TOMBSTONE	users before groups, each by ascending id
 *	GROUP		supplementary groups only, by ascending name (as bytes, like all names here)
 *	USER		by ascending name; its gids by ascending number, without its primary gid
 *	MEMBERS		one for every GROUP, in their order; names ascending
 *	BINDING		by ascending key; names ascending
 *
 * so that the reader of a stream proves that nothing is there twice by comparing neighbours.
 * Everything in an item is borrowed: a decoded one points into the frame.
 */
#ifndef MTLS_ACCTDB_ITEM_H
#define MTLS_ACCTDB_ITEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/acctdb/record.h"

#define MTLS_ACCT_FRAME_HEAD 5                              /* bytes of length and kind */
#define MTLS_ACCT_FRAME_MAX  (MTLS_ACCTDB_VALUE_MAX + 8192) /* bytes of a frame with its head */

enum mtls_acct_item_kind {
	MTLS_ACCT_ITEM_BEGIN = 1,
	MTLS_ACCT_ITEM_NEXT,
	MTLS_ACCT_ITEM_SOURCE,
	MTLS_ACCT_ITEM_TOMBSTONE,
	MTLS_ACCT_ITEM_GROUP,
	MTLS_ACCT_ITEM_USER,
	MTLS_ACCT_ITEM_MEMBERS,
	MTLS_ACCT_ITEM_BINDING,
	MTLS_ACCT_ITEM_END,
};

struct mtls_acct_item {
	enum mtls_acct_item_kind kind;
	union {
		struct {
			uint64_t generation; /* becomes the serial of the snapshot */
			bool no_enumeration;
		} begin;
		struct mtls_acct_next next;
		struct {
			uint8_t index; /* 1, 2, ...: 0 is the store and is not sent */
			struct mtls_acct_str name;
		} source;
		struct mtls_acct_tombstone tombstone;
		struct mtls_acct_group group; /* without members */
		struct {
			struct mtls_acct_user user;
			struct mtls_acct_ids gids;
		} user;
		struct {
			uint32_t gid;
			struct mtls_acct_names names;
		} members;
		struct {
			struct mtls_acct_str key; /* kind:value */
			struct mtls_acct_names names;
		} binding;
		struct {
			uint64_t items; /* in this stream, BEGIN and END included */
		} end;
	} u;
};

/* Appends the frame of @item to @out, or nothing. 0, MTLS_E_LIMIT, or the buffer's error. */
int mtls_acct_item_encode(const struct mtls_acct_item *item, struct mtls_buf *out);

/*
 * How many bytes the whole frame has that begins with @data; @ret_size is 0 if @len is too little
 * to tell. 0, or what it cannot be a frame for: MTLS_E_LIMIT (longer than its kind allows),
 * MTLS_E_SYNTAX.
 */
int mtls_acct_frame_size(const uint8_t *data, size_t len, size_t *ret_size);

/*
 * Decodes one whole frame. Checks syntax and limits only (lengths, counts, that nothing is left
 * over): names, ids and order are the builder's business. 0 or MTLS_E_SYNTAX.
 */
int mtls_acct_item_decode(const uint8_t *frame, size_t len, struct mtls_acct_item *ret);

/*
 * Packs one name as struct mtls_acct_names wants them, appended to @out. MTLS_E_LIMIT over
 * MTLS_ACCOUNT_NAME_MAX.
 */
int mtls_acct_names_pack(const char *name, struct mtls_buf *out);
/* Likewise one id. */
int mtls_acct_ids_pack(uint32_t id, struct mtls_buf *out);

#endif
