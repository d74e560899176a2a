/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Error codes of the whole project: 0 or positive is success, -errno a cause of the system,
 * MTLS_E_* our own. Codes of GnuTLS, libtasn1 and others are converted in the file that calls them.
 */
#ifndef MTLS_BASE_ERR_H
#define MTLS_BASE_ERR_H

/* clang-format off */
#define MTLS_ERRORS(X) \
	X(SYNTAX,     1000, "malformed data") \
	X(LIMIT,      1001, "over a limit") \
	X(NOTFOUND,   1002, "not found") \
	X(DENIED,     1003, "denied") \
	X(UNTRUSTED,  1004, "wrong owner or permissions") \
	X(CONFIG,     1005, "configuration error") \
	X(CORRUPT,    1006, "damaged file") \
	X(VERSION,    1007, "version not supported") \
	X(PROTOCOL,   1008, "protocol error") \
	X(TLS,        1009, "TLS failure") \
	X(ALERT,      1010, "the peer refused the TLS handshake") \
	X(IDENTITY,   1011, "the server is not the configured one") \
	X(CRYPTO,     1012, "cryptographic failure") \
	X(CERT,       1013, "certificate not acceptable") \
	X(SECRET,     1014, "wrong PIN or passphrase") \
	X(NEEDSECRET, 1015, "a PIN or passphrase is needed") \
	X(UNSUPPORTED,1016, "not supported") \
	X(EXISTS,     1017, "exists already") \
	X(CLOSED,     1018, "the other side closed the connection") \
	X(BUSY,       1019, "busy") \
	X(BUG,        1020, "internal error")
/* clang-format on */

enum mtls_err {
#define MTLS_ERR_ENUM(name, number, text) MTLS_E_##name = -(number),
	MTLS_ERRORS(MTLS_ERR_ENUM)
#undef MTLS_ERR_ENUM
};

/* A text for any code: MTLS_E_*, -errno, 0. Never NULL; static or per-thread storage. */
const char *mtls_strerror(int err);

#define MTLS_DIAG_MAX 512

/* One sentence for a human, when the code is not enough. Callers embed it zeroed. */
struct mtls_diag {
	char text[MTLS_DIAG_MAX];
};

/*
 * Sets the sentence; cut at MTLS_DIAG_MAX - 1 bytes (between characters), control characters become
 * '?'.
 * @diag may be NULL. Returns @err, so that a failing function ends in
 * `return mtls_diag_set(diag, MTLS_E_SYNTAX, "...")`.
 */
int mtls_diag_set(struct mtls_diag *diag, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Puts the name of the file that it is about in front of the sentence. Returns @err. */
int mtls_diag_set_file(struct mtls_diag *diag, int err, const char *path);

/* The sentence in @diag, or the text of @err where there is none. Never NULL. */
const char *mtls_diag_text(const struct mtls_diag *diag, int err);

#endif
