/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Loading of settings and of the files that they name: as root at the start, before any fork, and
 * as the daemon's user at a reload.
 */
#include <config.h>

#include <errno.h>
#include <pwd.h>
#include <string.h>

#include <gnutls/x509.h>

#include "authd/address.h"
#include "authd/configuration.h"
#include "authd/datum.h"
#include "lib/base/buf.h"
#include "lib/base/file.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "lib/cert/cert.h"
#include "lib/tls/tls.h"
#include "lib/trust/trust.h"
#include "lib/wire/msg.h"

#define PEM_FILE_MAX (1024 * 1024)
#define HINTS_MAX    16384 /* bytes of the names in CertificateRequest */

static const struct mtls_file_trust public_file = { .owner = 0 };

void configuration_free(struct configuration *configuration)
{
	if (!configuration)
		return;
	if (configuration->credentials)
		gnutls_certificate_free_credentials(configuration->credentials);
	expiries_done(&configuration->expiries);
	mtls_anchors_free(configuration->anchors);
	mtls_settings_authd_free(configuration->settings);
	free(configuration);
}

static int find_user(struct configuration *c, struct mtls_diag *diag)
{
	errno = 0;
	const struct passwd *pw = getpwnam(c->settings->user);
	if (!pw)
		return mtls_diag_set(diag, MTLS_E_CONFIG,
				     "user '%s' does not exist: systemd-sysusers mtls.conf",
				     c->settings->user);
	if (pw->pw_uid == 0 || pw->pw_gid == 0)
		return mtls_diag_set(diag, MTLS_E_CONFIG,
				     "user '%s' is root: the daemon must become somebody else",
				     c->settings->user);
	c->uid = pw->pw_uid;
	c->gid = pw->pw_gid;
	return 0;
}

static int check_listen(const struct configuration *c, struct mtls_diag *diag)
{
	struct address address;
	int r = 0;

	for (char **text = c->settings->listen; r >= 0 && *text; text++)
		r = address_parse(*text, &address, diag);
	return r;
}

/* The next anchor of people's CAs at or behind *@index, which is set to the one behind it. */
static const struct mtls_cert *next_user_ca(const struct mtls_anchors *anchors, size_t *index)
{
	enum mtls_role role = MTLS_ROLE_HOST;

	for (;;) {
		const struct mtls_cert *ca = mtls_anchors_cert(anchors, (*index)++, &role);
		if (!ca || role == MTLS_ROLE_USER)
			return ca;
	}
}

static bool hints_fit(const struct mtls_anchors *anchors)
{
	const struct mtls_cert *ca;
	size_t index = 0, total = 0, len;

	while ((ca = next_user_ca(anchors, &index))) {
		(void)mtls_cert_raw_subject(ca, &len);
		total += 2 + len;
	}
	return total <= HINTS_MAX;
}

/*
 * The names of people's CAs go into CertificateRequest. They are a hint only, lib/verify decides: a
 * client with several certificates sends one that fits, and who is refused can be told whose
 * certificate it takes. Half a list would make such clients keep back what is good, and one over 64
 * KiB would fail every handshake, so it is all of them or none.
 */
static int add_hints(struct configuration *c, struct mtls_diag *diag)
{
	const struct mtls_cert *ca;
	size_t index = 0, len;

	if (!hints_fit(c->anchors)) {
		mtls_log(MTLS_LOG_NOTICE,
			 "the names of people's CAs are over %d bytes: clients are not told them",
			 HINTS_MAX);
		return 0;
	}
	while ((ca = next_user_ca(c->anchors, &index))) {
		const uint8_t *der = mtls_cert_der(ca, &len);
		gnutls_datum_t datum = datum_borrow(der, len);
		int r = gnutls_certificate_set_x509_trust_mem(c->credentials, &datum,
							      GNUTLS_X509_FMT_DER);
		if (r < 0)
			return mtls_diag_set(diag, MTLS_E_TLS, "trust anchor: %s",
					     gnutls_strerror(r));
	}
	return 0;
}

static int load_key(struct configuration *c, struct mtls_diag *diag)
{
	const struct mtls_file_trust secret = { .secret = true, .secret_gid = c->gid };
	const struct mtls_settings_authd *s = c->settings;
	_cleanup_buf_ struct mtls_buf cert = MTLS_BUF(PEM_FILE_MAX);
	_cleanup_buf_ struct mtls_buf key = MTLS_BUF_SECRET(PEM_FILE_MAX);

	int r = mtls_file_read(s->certificate, &public_file, &cert, diag);
	if (r >= 0)
		r = mtls_file_read(s->private_key, &secret, &key, diag);
	if (r < 0)
		return r;
	gnutls_datum_t cert_datum = { cert.data, (unsigned int)cert.len };
	gnutls_datum_t key_datum = { key.data, (unsigned int)key.len };
	r = gnutls_certificate_set_x509_key_mem2(c->credentials, &cert_datum, &key_datum,
						 GNUTLS_X509_FMT_PEM, NULL, 0);
	if (r == GNUTLS_E_CERTIFICATE_KEY_MISMATCH)
		return mtls_diag_set(diag, MTLS_E_CONFIG,
				     "private_key '%s' does not belong to certificate '%s'",
				     s->private_key, s->certificate);
	if (r < 0)
		return mtls_diag_set(diag, MTLS_E_CONFIG, "certificate '%s', private_key '%s': %s",
				     s->certificate, s->private_key, gnutls_strerror(r));
	return 0;
}

static int check_server_certificate(struct configuration *c, struct mtls_diag *diag)
{
	_cleanup_(mtls_cert_freep) struct mtls_cert *cert = NULL;
	_cleanup_(mtls_path_freep) struct mtls_path *path = NULL;
	const uint8_t *der[MTLS_CHAIN_MAX];
	size_t len[MTLS_CHAIN_MAX];
	size_t count = 0;

	for (gnutls_datum_t datum;
	     count < MTLS_CHAIN_MAX &&
	     gnutls_certificate_get_crt_raw(c->credentials, 0, (unsigned int)count, &datum) >= 0;
	     count++) {
		der[count] = datum.data;
		len[count] = datum.size;
	}
	int r = count ? mtls_cert_from_der(der[0], len[0], &cert, diag) : MTLS_E_SYNTAX;
	if (r < 0)
		return mtls_diag_set_file(diag, r, c->settings->certificate);
	/* Clients refuse one that has expired; a daemon that does not start helps nobody. */
	r = expiries_note_server(&c->expiries, c->settings->certificate, cert);
	if (r < 0)
		return r;
	if (!(mtls_cert_flags(cert) & MTLS_CERT_EKU_SERVER))
		mtls_log(MTLS_LOG_WARNING,
			 "certificate '%s' lacks extendedKeyUsage serverAuth: clients will refuse "
			 "it",
			 c->settings->certificate);
	/* Who may issue for people could then pose as this server: separate CAs. */
	if (mtls_verify_path(c->anchors, &c->bounds, der, len, count, &path, NULL) >= 0)
		mtls_log(MTLS_LOG_WARNING,
			 "certificate '%s' comes from ca '%s', which issues for %s: use a CA of "
			 "its own",
			 c->settings->certificate, path->ca_name,
			 path->role == MTLS_ROLE_USER ? "people" : "hosts");
	return 0;
}

static int needs_restart(const char *key, struct mtls_diag *diag)
{
	return mtls_diag_set(diag, MTLS_E_CONFIG,
			     "'%s' was changed, which needs a restart; until then nothing else of "
			     "the new settings is used either",
			     key);
}

static bool same_list(char *const *a, char *const *b)
{
	for (; *a && *b; a++, b++)
		if (!mtls_streq(*a, *b))
			return false;
	return !*a && !*b;
}

int configuration_replaces(const struct configuration *after, const struct configuration *before,
			   struct mtls_diag *diag)
{
	const struct mtls_settings_authd *a = after->settings, *b = before->settings;

	if (!same_list(a->listen, b->listen))
		return needs_restart("listen", diag);
	if (!mtls_streq(a->control_socket, b->control_socket))
		return needs_restart("control_socket", diag);
	if (a->worker_timeout_ms != b->worker_timeout_ms)
		return needs_restart("worker_timeout", diag);
	if (!mtls_streq(a->user, b->user))
		return needs_restart("user", diag);
	return 0;
}

int configuration_load(const char *path, uint64_t generation, const struct configuration *before,
		       struct configuration **ret, struct mtls_diag *diag)
{
	_cleanup_(configuration_freep) struct configuration *c = calloc(1, sizeof(*c));
	if (!c)
		return mtls_diag_set(diag, -ENOMEM, "out of memory");
	int r = mtls_settings_authd_load(path, &c->settings, diag);
	if (r < 0)
		return r;
	c->generation = generation;
	c->bounds = mtls_trust_bounds(c->settings);
	if (mtls_tls_credentials_new(&c->credentials) < 0)
		return mtls_diag_set(diag, -ENOMEM, "out of memory");
	if (before) {
		c->uid = before->uid;
		c->gid = before->gid;
	} else {
		r = find_user(c, diag);
	}
	if (r >= 0)
		r = check_listen(c, diag);
	if (r >= 0)
		r = mtls_trust_load_noting(c->settings, expiries_note, &c->expiries, &c->anchors,
					   diag);
	if (r >= 0)
		r = add_hints(c, diag);
	if (r >= 0)
		r = load_key(c, diag);
	if (r >= 0)
		r = check_server_certificate(c, diag);
	if (r < 0)
		return r;
	*ret = MTLS_TAKE(c);
	return 0;
}
