/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Keys in an agent, and what both kinds of keys share. Inside of enroll only. */
#ifndef MTLS_TOOLS_CTL_ENROLL_AGENT_H
#define MTLS_TOOLS_CTL_ENROLL_AGENT_H

#include "tools/ctl_enroll_key.h"

/* What a child hands back of one key. */
struct enroll_found {
	char label[MTLS_TOKEN_LABEL_MAX + 1]; /* an agent's comment */
	char fingerprint[64];                 /* of a key in an agent: "SHA256:..." */
	uint8_t id[64];                       /* CKA_ID of one on a token */
	size_t id_len;
	uint8_t spki[MTLS_TOKEN_SPKI_MAX];
	size_t spki_len;
};

int enroll_found_add(struct mtls_buf *out, const struct enroll_found *found);

/*
 * The one of @list that is meant: the only one, or the person's answer; @where is in words. Sets
 * key->spki and key->what. -ENOTTY: several, and nobody to be asked.
 */
int enroll_found_choose(struct enroll_key *key, struct mtls_buf *list, const char *where,
			struct enroll_found *ret, struct mtls_diag *diag);

int enroll_agent_find(struct enroll_key *key, const struct ctl_person *person,
		      struct mtls_diag *diag);

#endif
