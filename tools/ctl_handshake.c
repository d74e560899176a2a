/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The first half of a login: the server's certificate comes before ours would be shown, and in TLS
 * 1.3 our side is done before the server complains that there is none.
 */
#include <config.h>

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include <gnutls/crypto.h>

#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/client/connect.h"
#include "lib/tls/peer.h"
#include "lib/tls/tls.h"
#include "tools/ctl_ca.h"
#include "tools/ctl_handshake.h"

static int add_trust(gnutls_certificate_credentials_t credentials,
		     const struct mtls_settings_client *client, struct mtls_diag *diag)
{
	const struct mtls_file_trust trust = { 0 };

	for (char **path = client->server_ca; *path; path++) {
		_cleanup_buf_ struct mtls_buf pem = MTLS_BUF(CTL_PEM_MAX);
		int r = mtls_file_read(*path, &trust, &pem, diag);
		if (r >= 0)
			r = mtls_peer_trust(credentials, pem.data, pem.len, diag);
		if (r < 0)
			return r;
	}
	return 0;
}

static int shake(gnutls_session_t session, int fd, mtls_deadline deadline, struct mtls_diag *diag)
{
	for (;;) {
		int rc = gnutls_handshake(session);
		if (rc >= 0)
			return 0;
		if (gnutls_error_is_fatal(rc))
			return mtls_diag_set(diag, MTLS_E_TLS, "handshake: %s",
					     gnutls_strerror(rc));
		short events = gnutls_record_get_direction(session) ? POLLOUT : POLLIN;
		int r = mtls_wait_fd(fd, events, deadline);
		if (r < 0)
			return mtls_diag_set(diag, r, "handshake: %s", mtls_strerror(r));
	}
}

static int take_digest(gnutls_session_t session, uint8_t ret_sha256[32], struct mtls_diag *diag)
{
	unsigned int count = 0;
	const gnutls_datum_t *list = gnutls_certificate_get_peers(session, &count);

	if (!list || !count ||
	    gnutls_hash_fast(GNUTLS_DIG_SHA256, list[0].data, list[0].size, ret_sha256) < 0)
		return mtls_diag_set(diag, MTLS_E_TLS, "the server shows no certificate");
	return 0;
}

int ctl_handshake(const char *server, const struct mtls_settings_client *client,
		  uint32_t timeout_ms, uint8_t ret_sha256[32], struct mtls_diag *diag)
{
	_cleanup_(gnutls_certificate_free_credentialsp)
		gnutls_certificate_credentials_t credentials = NULL;
	_cleanup_(gnutls_deinitp) gnutls_session_t session = NULL;
	_cleanup_close_ int fd = -1;
	mtls_deadline deadline = mtls_deadline_in_ms(timeout_ms);
	char *const servers[] = { (char *)(uintptr_t)server, NULL };

	int r = mtls_tls_credentials_new(&credentials);
	if (r >= 0 && client)
		r = add_trust(credentials, client, diag);
	if (r >= 0)
		r = mtls_client_connect(servers, 0, deadline, &fd, diag);
	if (r >= 0)
		r = mtls_tls_session_new(GNUTLS_CLIENT | GNUTLS_NONBLOCK, &session, diag);
	if (r < 0)
		return r;
	if (gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, credentials) < 0)
		return mtls_diag_set(diag, -ENOMEM, "out of memory");
	gnutls_transport_set_int(session, fd);
	r = shake(session, fd, deadline, diag);
	if (r >= 0)
		r = take_digest(session, ret_sha256, diag);
	if (r < 0 || !client)
		return r;
	enum mtls_reason reason = mtls_peer_verify(session, client->server_name, diag);
	return reason == MTLS_REASON_ALLOWED
		       ? 0
		       : mtls_diag_set(diag, MTLS_E_IDENTITY, "%s (%s)", mtls_reason_text(reason),
				       mtls_reason_token(reason));
}
