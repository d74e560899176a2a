/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Chain check, and which reasons and alerts failed handshakes give. Holds no state. */
#include <config.h>

#include <errno.h>

#include "authd/chain.h"
#include "lib/base/cleanup.h"
#include "lib/wire/msg.h"

enum mtls_reason chain_judge(gnutls_session_t session, const struct mtls_anchors *anchors,
			     const struct mtls_verify_bounds *bounds, struct mtls_memo *memo,
			     struct mtls_path **ret_path, struct mtls_diag *diag)
{
	_cleanup_(mtls_chain_freep) struct mtls_chain *parsed = NULL;
	const uint8_t *der[MTLS_CHAIN_MAX];
	size_t len[MTLS_CHAIN_MAX];
	unsigned int count = 0;

	const gnutls_datum_t *chain = gnutls_certificate_get_peers(session, &count);
	if (!chain || count == 0)
		return MTLS_REASON_CERT_REQUIRED;
	if (count > MTLS_CHAIN_MAX) {
		(void)mtls_diag_set(diag, 0, "%u certificates were sent, at most %d are taken",
				    count, MTLS_CHAIN_MAX);
		return MTLS_REASON_CERT_BOUNDS;
	}
	for (unsigned int i = 0; i < count; i++) {
		der[i] = chain[i].data;
		len[i] = chain[i].size;
	}
	int r = mtls_chain_parse(bounds, der, len, count, memo, &parsed, diag);
	if (r < 0)
		return mtls_chain_parse_reason(r);
	return mtls_chain_path_reason(mtls_chain_path(anchors, parsed, memo, ret_path, diag));
}

enum mtls_reason chain_reason_of(int code)
{
	static const struct {
		int code;
		enum mtls_reason reason;
	} rows[] = {
		{ GNUTLS_E_PK_SIG_VERIFY_FAILED, MTLS_REASON_BAD_SIGNATURE },
		{ GNUTLS_E_CERTIFICATE_REQUIRED, MTLS_REASON_CERT_REQUIRED },
		{ GNUTLS_E_NO_CERTIFICATE_FOUND, MTLS_REASON_CERT_REQUIRED },
		{ GNUTLS_E_KEY_USAGE_VIOLATION, MTLS_REASON_KU_WRONG },
		/* The only large message of a client is its chain. */
		{ GNUTLS_E_HANDSHAKE_TOO_LARGE, MTLS_REASON_CERT_BOUNDS },
		{ GNUTLS_E_CERTIFICATE_ERROR, MTLS_REASON_CERT_REFUSED },
		{ GNUTLS_E_UNSUPPORTED_CERTIFICATE_TYPE, MTLS_REASON_CERT_REFUSED },
		{ GNUTLS_E_NO_APPLICATION_PROTOCOL, MTLS_REASON_PROTOCOL },
		{ GNUTLS_E_MEMORY_ERROR, MTLS_REASON_INTERNAL },
	};
	for (size_t i = 0; i < MTLS_COUNT(rows); i++)
		if (rows[i].code == code)
			return rows[i].reason;
	return MTLS_REASON_HANDSHAKE;
}

gnutls_alert_description_t chain_alert(enum mtls_reason reason, int code)
{
	static const struct {
		enum mtls_reason reason;
		gnutls_alert_description_t alert;
	} rows[] = {
		{ MTLS_REASON_ISSUER_UNTRUSTED, GNUTLS_A_UNKNOWN_CA },
		{ MTLS_REASON_CERT_BOUNDS, GNUTLS_A_BAD_CERTIFICATE },
		{ MTLS_REASON_CERT_REFUSED, GNUTLS_A_CERTIFICATE_UNKNOWN },
		{ MTLS_REASON_BAD_SIGNATURE, GNUTLS_A_DECRYPT_ERROR },
		{ MTLS_REASON_CERT_REQUIRED, GNUTLS_A_CERTIFICATE_REQUIRED },
		{ MTLS_REASON_KU_WRONG, GNUTLS_A_UNSUPPORTED_CERTIFICATE },
		{ MTLS_REASON_PROTOCOL, GNUTLS_A_NO_APPLICATION_PROTOCOL },
		{ MTLS_REASON_INTERNAL, GNUTLS_A_INTERNAL_ERROR },
	};
	int level = 0;

	for (size_t i = 0; i < MTLS_COUNT(rows); i++)
		if (rows[i].reason == reason)
			return rows[i].alert;
	int alert = gnutls_error_to_alert(code, &level);
	return alert < 0 ? GNUTLS_A_HANDSHAKE_FAILURE : (gnutls_alert_description_t)alert;
}
