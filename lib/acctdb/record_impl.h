/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The bytes of the values, for encoder and decoder. Each value is followed by its checksum. A
 * string is one byte of length and its bytes; a list is a count (u32) and what it counts; all
 * integers are little-endian.
 *
 * Format 2:
 *
 *	H	magic (8 bytes), format u32, window min u32, max u32, serial u64, created u64,
 *		users u32, groups u32, bindings u32, tombstones u32,
 *		flags u32, foreign ranges: u32 count, and for each min u32, max u32
 *	N	uid u32, gid u32
 *	S	list of strings; the first is "store"
 *	u	HEAD, list of gids (u32 each, ascending)
 *	U	HEAD
 *	g, G	gid u32, source u8, name string, list of strings (members, ascending)
 *	b	list of strings (ascending, at least one)
 *	t	time u64, name string
 *
 *	HEAD	uid u32, gid u32, source u8, name string, gecos string, home string, shell string
 *
 * Format 1: H ends before the flags; HEAD and groups have no source; u is HEAD alone; s is a list
 * of gids.
 *
 * "Ascending" is what the builder promises, so that two snapshots of the same accounts are the
 * same bytes; readers need not rely on it.
 */
#ifndef MTLS_ACCTDB_RECORD_IMPL_H
#define MTLS_ACCTDB_RECORD_IMPL_H

#define MTLS_ACCT_MAGIC     "MTLSACCT"
#define MTLS_ACCT_MAGIC_LEN 8

/* Flags of the header; others are of a later version: MTLS_E_VERSION. */
#define MTLS_ACCT_FLAG_NO_ENUMERATION 1U

/* Name of source 0. */
#define MTLS_ACCT_SOURCE_STORE "store"

#endif
