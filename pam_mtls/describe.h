/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A credential in the words of a prompt. */
#ifndef PAM_MTLS_DESCRIBE_H
#define PAM_MTLS_DESCRIBE_H

#include <stddef.h>

#include "lib/base/buf.h"
#include "lib/wire/msg.h"

enum describe_as {
	DESCRIBE_CHOICE, /* a line of a list */
	DESCRIBE_PASSPHRASE,
	DESCRIBE_PIN,
	DESCRIBE_PIN_PAD, /* no question: what to do */
};

/*
 * Appends to the empty @out "PIN for Alice's card (Alice, from Example CA, until 2027-01-01): " and
 * the like, with what is known; @number is that of a choice. Never NULL.
 */
const char *describe_credential(struct mtls_buf *out, enum describe_as as,
				const struct mtls_signer_credential *info, size_t number);

/* Its end has passed; false where the end is not known yet. */
bool describe_is_expired(const struct mtls_signer_credential *info);

/* The type of its key. */
const char *describe_key(const struct mtls_signer_credential *info);

#endif
