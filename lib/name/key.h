/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Typed certificate keys, `kind:value`: what a binding binds and what service x509 looks up.
 *
 *	sha256:HEX                 SHA-256 of the certificate's DER
 *	spki-sha256:HEX            SHA-256 of the SubjectPublicKeyInfo: survives renewal
 *	issuer-serial:HEX:DN       serial number (hex, no leading zero octets), canonical issuer DN
 *	subject:DN                 canonical subject DN
 *
 *	ski: sid: upn: kpn: mail: uri: altsec:
 *	                           opaque: what a certificate says, valid UTF-8 without control
 *	                           characters, compared to the byte
 *
 * mtls-authd does not ask for the opaque kinds yet: they are stored and found, and
 * mtls_key_kind_supported() tells the tools so.
 */
#ifndef MTLS_NAME_KEY_H
#define MTLS_NAME_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"

#define MTLS_KEY_MAX 4400 /* bytes of a key: the longest DN, kind, serial */

enum mtls_key_kind {
	MTLS_KEY_SHA256,
	MTLS_KEY_SPKI_SHA256,
	MTLS_KEY_ISSUER_SERIAL,
	MTLS_KEY_SUBJECT,
	MTLS_KEY_SKI,
	MTLS_KEY_SID,
	MTLS_KEY_UPN,
	MTLS_KEY_KPN,
	MTLS_KEY_MAIL,
	MTLS_KEY_URI,
	MTLS_KEY_ALTSEC,
	MTLS_KEY_KINDS,
};

const char *mtls_key_kind_name(enum mtls_key_kind kind); /* "sha256", ... */
/* Does mtls-authd map by it? */
bool mtls_key_kind_supported(enum mtls_key_kind kind);

/*
 * Parses @text, normalises the value (hex to lower case without colons, DN to canonical form) and
 * appends `kind:value` to @out; opaque values stay as they are. Returns 0, MTLS_E_SYNTAX,
 * MTLS_E_LIMIT (the key is over MTLS_KEY_MAX); @diag says what is expected.
 */
int mtls_key_parse(const char *text, size_t len, enum mtls_key_kind *ret_kind, struct mtls_buf *out,
		   struct mtls_diag *diag);

/*
 * Append a canonical key made of parts. Leading zero octets of the serial are dropped; names are
 * brought to canonical form, so an empty or malformed one is refused. 0, MTLS_E_*, -ENOMEM.
 */
int mtls_key_format_digest(enum mtls_key_kind kind, const uint8_t digest[32], struct mtls_buf *out);
int mtls_key_format_issuer_serial(const uint8_t *serial, size_t serial_len, const char *issuer_dn,
				  struct mtls_buf *out);
int mtls_key_format_subject(const char *subject_dn, struct mtls_buf *out);

#endif
