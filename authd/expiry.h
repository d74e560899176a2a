/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What of a configuration ends some day: the server's certificate, the CAs' certificates, the
 * revocation lists. Told in time, because the day after it everybody is refused.
 */
#ifndef AUTHD_EXPIRY_H
#define AUTHD_EXPIRY_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/cleanup.h"
#include "lib/cert/cert.h"
#include "lib/trust/trust.h"
#include "lib/verify/verify.h"

enum expiry_kind {
	EXPIRY_CERTIFICATE,
	EXPIRY_CA,
	EXPIRY_CRL,
};

struct expiry {
	enum expiry_kind kind;
	const char *file; /* borrowed from the settings */
	const char *ca;   /* likewise; NULL for the server's certificate */
	enum mtls_role role;
	char *subject;  /* owned; NULL for a list */
	int64_t begins; /* seconds since 1970 */
	int64_t ends;   /* -1: it does not say */
	int stage_told; /* of expiry_stage(), when it was last logged */
};

struct expiries {
	struct expiry *list; /* owned */
	size_t count;
	/* While files are noted: */
	size_t next_anchor, next_crl;
	const struct mtls_settings_ca *ca;
};

/* Notes the server's own certificate; @file is borrowed. 0 or -ENOMEM. */
int expiries_note_server(struct expiries *expiries, const char *file, const struct mtls_cert *cert);

/* A mtls_trust_note; @ctx is the struct expiries. The texts of @ca and @path are borrowed. */
int expiries_note(void *ctx, const struct mtls_anchors *anchors, const struct mtls_settings_ca *ca,
		  const char *path, enum mtls_trust_file file);

void expiries_done(struct expiries *expiries);

/*
 * How near the end is: 0 not near, then 1, 2, 3 from 30, 14, 7 days before, 4 when it is over. What
 * lives shorter than 90 days is near its end in its last third, sixth, twelfth. Pure.
 */
int expiry_stage(const struct expiry *expiry, int64_t now);

/*
 * Logs what is near its end: @all of it, or (once a day) only what has come to a new stage, has a
 * week or less, or is over.
 */
void expiries_log(struct expiries *expiries, int64_t now, bool all);

#endif
