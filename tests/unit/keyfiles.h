/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The forms in which a person may keep a key, made when the test runs. Failures abort. */
#ifndef TESTS_KEYFILES_H
#define TESTS_KEYFILES_H

#include "lib/base/buf.h"
#include "tests/unit/certgen.h"

/* PEM; each appends. */
void keyfile_cert(struct mtls_buf *out, const struct certgen *cert);
void keyfile_plain(struct mtls_buf *out, const struct certgen *cert);
void keyfile_traditional(struct mtls_buf *out, const struct certgen *cert);
void keyfile_encrypted(struct mtls_buf *out, const struct certgen *cert, const char *secret);

/* A P-256 key of OpenSSL's old encrypted form, passphrase "secret"; and the same in the clear. */
extern const char keyfile_openssl_encrypted[];
extern const char keyfile_openssl_plain[];

struct keyfile_p12 {
	const struct certgen *cert;
	const struct certgen *issuer; /* NULL: none */
	const char *secret;           /* NULL: none, not the empty one */
	bool clear_certs;
	bool clear_key;
	const char *key_secret; /* NULL: as secret */
	bool no_mac;
	bool old_ciphers; /* 3DES, as old programs wrote it */
};
void keyfile_pkcs12(struct mtls_buf *out, const struct keyfile_p12 *options);

#endif
