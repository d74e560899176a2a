/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The blocks of PEM text. Pure. */
#ifndef MTLS_SIGNER_PEM_H
#define MTLS_SIGNER_PEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All borrowed from the text. */
struct pem_block {
	const char *label; /* between BEGIN and the dashes, e.g. "CERTIFICATE" */
	size_t label_len;
	const uint8_t *whole; /* from the BEGIN to behind the END line; to the end of the text if
				 there is no END of that label */
	size_t whole_len;
	const uint8_t *body; /* between the two lines */
	size_t body_len;
	bool ended; /* there was an END */
};

/* Whether there is the beginning of any block. */
bool pem_is(const uint8_t *data, size_t len);

/*
 * The next block of @data at or behind *@pos, which moves behind its BEGIN line, so that blocks
 * inside of others are seen too: none can hide a private key. False: there is none.
 */
bool pem_next(const uint8_t *data, size_t len, size_t *pos, struct pem_block *ret);

bool pem_label_is(const struct pem_block *block, const char *label);

/* Of any kind of private key. */
bool pem_label_is_key(const struct pem_block *block);

#endif
