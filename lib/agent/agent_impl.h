/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The bytes of the protocol, without a socket: for the files of lib/agent, tests, fuzz targets. */
#ifndef MTLS_AGENT_AGENT_IMPL_H
#define MTLS_AGENT_AGENT_IMPL_H

#include "lib/agent/agent.h"

enum {
	AGENT_FAILURE = 5,
	AGENT_SUCCESS = 6,
	AGENT_REQUEST_IDENTITIES = 11,
	AGENT_IDENTITIES_ANSWER = 12,
	AGENT_SIGN_REQUEST = 13,
	AGENT_SIGN_RESPONSE = 14,
	AGENT_EXTENSION = 27,
};

/* Bytes not read yet; borrowed. */
struct agent_in {
	const uint8_t *data;
	size_t len;
};

/* False: it is cut off. */
bool agent_in_u32(struct agent_in *in, uint32_t *ret);
bool agent_in_string(struct agent_in *in, struct agent_in *ret);
bool agent_in_is(const struct agent_in *in, const char *text);

/*
 * @answer (@len bytes behind the length) of AGENT_REQUEST_IDENTITIES, whose memory goes to @ret on
 * success, else stays the caller's. Codes of mtls_agent_list().
 */
int agent_read_keys(uint8_t *answer, size_t len, struct mtls_agent_keys *ret,
		    struct mtls_diag *diag);

/* The answer to AGENT_SIGN_REQUEST. Codes of mtls_agent_sign(). */
int agent_read_signature(enum mtls_key_type type, const uint8_t *answer, size_t len,
			 uint8_t ret[MTLS_AGENT_SIGNATURE_MAX], size_t *ret_len,
			 struct mtls_diag *diag);

/* What an agent does that is not locked, see locked.c. */
#define AGENT_HARMLESS_LEN 208
extern const uint8_t agent_harmless_request[AGENT_HARMLESS_LEN];

/* One row a kind of key that can be used. */
struct agent_kind {
	enum mtls_key_type type;
	const char *name;  /* "ecdsa-sha2-nistp256" */
	const char *curve; /* "nistp256"; NULL for Ed25519 */
	size_t point_len;
	size_t number_len; /* bytes of r and s; 0 for Ed25519 */
	const char *spki;  /* DER in front of the point */
	size_t spki_len;
};
const struct agent_kind *agent_kind_of(enum mtls_key_type type);
const struct agent_kind *agent_kind_named(const struct agent_in *name);

#endif
