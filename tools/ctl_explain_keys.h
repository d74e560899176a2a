/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A person's keys as signers list them that have become the person: in the own folder and on cards
 * at this machine, in the order of pam_mtls.conf. No secret is asked for, no agent is looked for:
 * root's environment knows none of the person's.
 */
#ifndef MTLS_TOOLS_CTL_EXPLAIN_KEYS_H
#define MTLS_TOOLS_CTL_EXPLAIN_KEYS_H

#include <pwd.h>

#include "lib/settings/pam_mtls.h"
#include "signer/client.h"
#include "signer/start.h"

#define EXPLAIN_KEYS_SOURCES 2 /* file, pkcs11 */

struct explain_keys {
	struct {
		enum mtls_source_kind kind;
		struct signer_process process;
		struct signer_client *client; /* owned; NULL: it could not be started */
		enum mtls_reason reason;      /* of its list */
		struct mtls_diag detail;      /* what was skipped, and why; or why it has none */
	} source[EXPLAIN_KEYS_SOURCES];
	size_t sources;
};

/* @settings NULL: files only. Embed it zeroed. 0 or a negative error. */
int explain_keys_open(struct explain_keys *keys, const struct passwd *pw,
		      const struct mtls_settings_pam *settings, struct mtls_diag *diag);
void explain_keys_done(struct explain_keys *keys);

size_t explain_keys_count(const struct explain_keys *keys);
/* Borrowed; NULL behind the end. */
const struct mtls_signer_credential *explain_keys_at(const struct explain_keys *keys, size_t index);

#endif
