/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One record of mtls-authd's audit (mtls-authd(8) lists its fields), read back from its line. The
 * daemon wrote the line, but what stands in it comes from strangers: it is bounded and parsed
 * strictly, and texts may hold any character, so nothing of it goes to a terminal as it is.
 */
#ifndef MTLS_AUDIT_RECORD_H
#define MTLS_AUDIT_RECORD_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/cleanup.h"
#include "lib/base/err.h"

#define MTLS_AUDIT_LINE_MAX (256 * 1024) /* bytes of a record without its line end */
#define MTLS_AUDIT_ID_MAX   64

struct mtls_audit_request {
	bool reported; /* by root of the daemon's host; false: claimed by a peer that nobody knows
			*/
	const char *service, *account, *tty, *remote_host, *remote_user, *host_name;
};

struct mtls_audit_verified {
	const char *subject, *issuer, *serial, *sha256, *role, *ca;
};

struct mtls_audit_peer {
	const char *transport, *address;
	int64_t uid, pid, port; /* -1: not said */
};

/* Texts are borrowed from @json, NULL where the record has none; numbers are -1 then. */
struct mtls_audit_record {
	json_t *json; /* owned: the whole record */
	int64_t time_us;
	const char *id;
	bool allowed;
	const char *reason; /* a token; one of a newer version may be unknown to lib/wire */
	const char *detail;
	bool proven; /* the handshake was finished: who sent the certificate holds its key */
	struct mtls_audit_verified verified; /* only if proven */
	bool asked;                          /* a request came */
	struct mtls_audit_request request;
	struct mtls_audit_peer peer;
	const char *account; /* what the certificate was mapped to */
	int64_t account_uid;
	const char *rule;
	const char *leaf;                /* base64 of DER */
	json_t *keys, *bindings, *chain; /* borrowed arrays; NULL: none */
};

/*
 * Reads one line (@len bytes, no line end). 0, -ENOMEM, MTLS_E_LIMIT, MTLS_E_SYNTAX: not JSON, a
 * member twice, a needed member missing, one of the wrong type; @diag says which. Members that are
 * not known are kept in @json and ignored.
 */
int mtls_audit_parse(const char *line, size_t len, struct mtls_audit_record **ret,
		     struct mtls_diag *diag);
void mtls_audit_record_free(struct mtls_audit_record *record);
MTLS_DEFINE_CLEANUP(struct mtls_audit_record *, mtls_audit_record_free)

/* True for what stands in audit_id: hexadecimal digits, as the daemon makes 32 of. */
bool mtls_audit_id_valid(const char *text);

/* Which records are wanted. NULL, false, INT64_MIN, INT64_MAX: any. */
struct mtls_audit_filter {
	int64_t since_us, until_us; /* both ends included */
	const char *user;           /* the account that was found or asked for */
	const char *service;        /* "unprivileged:" before it in the record does not count */
	const char *reason;
	const char *id;
	bool denied;
};
#define MTLS_AUDIT_FILTER_ANY                                                                      \
	{                                                                                          \
		.since_us = INT64_MIN, .until_us = INT64_MAX                                       \
	}

bool mtls_audit_matches(const struct mtls_audit_record *record,
			const struct mtls_audit_filter *filter);

#endif
