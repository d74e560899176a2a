/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The audit record: one for each connection that showed a certificate or failed in the handshake,
 * whatever the verdict. Formatting is pure; writing is audit_sink's. doc/mtls-authd.8 lists the
 * fields.
 */
#ifndef AUTHD_AUDIT_H
#define AUTHD_AUDIT_H

#include <stddef.h>
#include <stdint.h>

#include "authd/peer.h"
#include "authd/request.h"

/* All borrowed; absent parts are NULL. */
struct audit_record {
	int64_t time_us; /* CLOCK_REALTIME */
	const char *audit_id;
	enum mtls_reason reason; /* ALLOWED: the verdict that is about to be sent */
	const char *detail;
	const struct peer *peer;
	const struct mtls_path *path;  /* the verified path, only after a finished handshake */
	const struct request *request; /* where a request came */
	const uint8_t *leaf;           /* as sent by the peer */
	size_t leaf_len;
	int64_t handshake_ms; /* negative: not finished */
	int64_t total_ms;
};

#define AUDIT_LEAF_MAX 16384 /* a longer leaf is only counted, not recorded */

/*
 * The record as one line of JSON without line end; malloc'ed, NULL when memory is short. Every
 * string is escaped by the JSON writer, so no field can forge another or a further line.
 */
char *audit_json(const struct audit_record *record);

/* One sentence for the log: "denied 'alice' for 'sudo': unmapped". malloc'ed or NULL. */
char *audit_sentence(const struct audit_record *record);

#endif
