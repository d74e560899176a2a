/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Hashing by crypt(3), nothing of our own: yescrypt or SHA-512 with a salt, whatever the
 * machine's libcrypt prefers of these. One salt for a whole set of codes, so that a try costs one
 * hash, however many codes there are; they are random, so nobody gains by that.
 */
#ifndef MTLS_RESCUE_HASH_H
#define MTLS_RESCUE_HASH_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/err.h"
#include "lib/rescue/code.h"

#define MTLS_RESCUE_HASH_MAX 256 /* bytes, with the NUL */

/* Salt and parameters, or a hash: as crypt(5) has them. */
struct mtls_rescue_hash {
	char text[MTLS_RESCUE_HASH_MAX];
};

/* True if @text can be a setting or a hash of a method that we take; '$', method, no odd bytes. */
bool mtls_rescue_hash_valid(const char *text, size_t len);

/* Parameters with a new salt. 0, -errno, or MTLS_E_UNSUPPORTED. */
int mtls_rescue_setting_new(struct mtls_rescue_hash *ret, struct mtls_diag *diag);

/*
 * Hashes @code. 0, -ENOMEM, or MTLS_E_UNSUPPORTED where this machine's libcrypt does not do it:
 * then nothing matches.
 */
int mtls_rescue_hash(const struct mtls_rescue_code *code, const struct mtls_rescue_hash *setting,
		     struct mtls_rescue_hash *ret, struct mtls_diag *diag);

/* Compares without telling by the time where they differ. */
bool mtls_rescue_hash_equal(const struct mtls_rescue_hash *a, const struct mtls_rescue_hash *b);

#endif
