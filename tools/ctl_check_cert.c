/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* mtlsctl check: the server's certificate and key, the CAs, the revocation lists. */
#include <config.h>

#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <gnutls/x509.h>

#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "lib/base/str.h"
#include "lib/verify/verify.h"
#include "tools/ctl_check.h"
#include "tools/ctl_x509.h"

#define FILE_MAX (4 * 1024 * 1024) /* a CRL may be long */
#define DAY      86400

#define FIX_FILE   "check path, owner and mode: root's, writable by root only"
#define FIX_SERVER "make a new server certificate: move both files away and run 'mtlsctl init'"
#define FIX_TIME   "mtlsctl renew --server"
#define FIX_DUE    "systemctl enable --now mtls-renew.timer, or now: mtlsctl renew --server"

/* Certificates of one or several PEM files. */
struct certs {
	gnutls_x509_crt_t *list;
	unsigned int count;
};

static void certs_done(struct certs *certs)
{
	for (unsigned int i = 0; i < certs->count; i++)
		gnutls_x509_crt_deinit(certs->list[i]);
	gnutls_free(certs->list);
	*certs = (struct certs){ 0 };
}

static int read_file(struct check *check, const char *area, const char *path,
		     const struct mtls_file_trust *trust, struct mtls_buf *buf)
{
	struct mtls_diag diag = { 0 };

	int r = mtls_file_read(path, trust, buf, &diag);
	if (r < 0)
		check_add(check, CHECK_ERROR, area, FIX_FILE, "%s", mtls_diag_text(&diag, r));
	return r;
}

static int load_certs(struct check *check, const char *area, const char *path, struct certs *ret)
{
	const struct mtls_file_trust trust = { 0 };
	_cleanup_buf_ struct mtls_buf pem = MTLS_BUF(FILE_MAX);

	int r = read_file(check, area, path, &trust, &pem);
	if (r < 0)
		return r;
	const gnutls_datum_t data = { pem.data, (unsigned int)pem.len };
	int rc = gnutls_x509_crt_list_import2(&ret->list, &ret->count, &data, GNUTLS_X509_FMT_PEM,
					      0);
	if (rc >= 0)
		return 0;
	*ret = (struct certs){ 0 };
	check_add(check, CHECK_ERROR, area, "it must hold PEM certificates", "'%s': %s", path,
		  gnutls_strerror(rc));
	return MTLS_E_SYNTAX;
}

static void format_day(time_t when, char out[16])
{
	struct tm tm;

	if (!gmtime_r(&when, &tm) || !strftime(out, 16, "%Y-%m-%d", &tm))
		(void)snprintf(out, 16, "?");
}

static void check_times(struct check *check, const char *area, const char *path,
			gnutls_x509_crt_t crt, const char *advice)
{
	time_t start = gnutls_x509_crt_get_activation_time(crt);
	time_t end = gnutls_x509_crt_get_expiration_time(crt);
	char day[16];

	if (start > check->now) {
		format_day(start, day);
		check_add(check, CHECK_ERROR, area, "check the clock of this machine",
			  "'%s' is not valid before %s", path, day);
		return;
	}
	format_day(end, day);
	if (end < check->now)
		check_add(check, CHECK_ERROR, area, advice, "'%s' expired on %s", path, day);
	else if (end < check->now + (time_t)CHECK_WARN_DAYS * DAY)
		check_add(check, CHECK_WARNING, area, advice, "'%s' expires on %s", path, day);
	else
		check_add(check, CHECK_OK, area, NULL, "'%s' is valid until %s", path, day);
}

/* Somebody should have renewed it by now, while there is time. */
static void check_due(struct check *check, const char *path, gnutls_x509_crt_t crt)
{
	time_t start = gnutls_x509_crt_get_activation_time(crt);
	time_t end = gnutls_x509_crt_get_expiration_time(crt);

	if (end >= check->now + (time_t)CHECK_WARN_DAYS * DAY && ctl_is_due(start, end, check->now))
		check_add(check, CHECK_WARNING, "server", FIX_DUE,
			  "'%s' has used up two thirds of its time", path);
}

/* Every server CA of pam_mtls.conf. */
static int load_server_cas(struct check *check, gnutls_x509_trust_list_t trust)
{
	int total = 0;

	for (char **path = check->pam->client.server_ca; *path; path++) {
		struct certs certs = { 0 };
		if (load_certs(check, "server CA", *path, &certs) < 0)
			return -1;
		for (unsigned int i = 0; i < certs.count; i++)
			check_times(check, "server CA", *path, certs.list[i],
				    "make a new CA and server certificate");
		/* On success the list owns the certificates. */
		int added = gnutls_x509_trust_list_add_cas(trust, certs.list, certs.count, 0);
		if (added == (int)certs.count) {
			total += added;
			gnutls_free(certs.list);
		} else {
			certs_done(&certs);
			return -1;
		}
	}
	return total;
}

static void check_chain(struct check *check, const struct certs *chain)
{
	gnutls_x509_trust_list_t trust = NULL;
	unsigned int status = 1;

	if (!check->pam || gnutls_x509_trust_list_init(&trust, 0) < 0)
		return;
	if (load_server_cas(check, trust) > 0) {
		int rc = gnutls_x509_trust_list_verify_crt2(
			trust, chain->list, chain->count, NULL, 0,
			GNUTLS_VERIFY_DISABLE_TIME_CHECKS |
				GNUTLS_VERIFY_DISABLE_TRUSTED_TIME_CHECKS,
			&status, NULL);
		if (rc < 0 || status)
			check_add(check, check_server_is_local(check) ? CHECK_ERROR : CHECK_WARNING,
				  "server", "server_ca of pam_mtls.conf must be its issuer",
				  "'%s' does not come from server_ca of pam_mtls.conf",
				  check->authd->certificate);
	}
	gnutls_x509_trust_list_deinit(trust, 1);
}

static void check_key(struct check *check, const struct mtls_buf *crt_pem)
{
	const struct passwd *user = getpwnam(check->authd->user);
	const struct mtls_file_trust trust = { .secret = true,
					       .secret_gid = user ? user->pw_gid : 0 };
	_cleanup_buf_ struct mtls_buf key_pem = MTLS_BUF_SECRET(FILE_MAX);
	_cleanup_(ctl_pair_done) struct ctl_pair pair = { 0 };
	struct mtls_diag diag = { 0 };

	if (geteuid() != 0) {
		check_add(check, CHECK_NOTE, "server", NULL, "only root can look at the key '%s'",
			  check->authd->private_key);
		return;
	}
	if (read_file(check, "server", check->authd->private_key, &trust, &key_pem) < 0)
		return;
	int r = ctl_pair_load(crt_pem, &key_pem, &pair, &diag);
	if (r < 0)
		check_add(check, CHECK_ERROR, "server", FIX_SERVER, "'%s' and '%s': %s",
			  check->authd->certificate, check->authd->private_key,
			  mtls_diag_text(&diag, r));
	else
		check_add(check, CHECK_OK, "server", NULL, "'%s' is the certificate's key",
			  check->authd->private_key);
}

void check_server(struct check *check)
{
	const struct mtls_file_trust trust = { 0 };
	_cleanup_buf_ struct mtls_buf pem = MTLS_BUF(FILE_MAX);
	_cleanup_(certs_done) struct certs chain = { 0 };

	if (!check->authd)
		return;
	const char *path = check->authd->certificate;
	if (load_certs(check, "server", path, &chain) < 0 ||
	    read_file(check, "server", path, &trust, &pem) < 0)
		return;
	gnutls_x509_crt_t leaf = chain.list[0];
	check_times(check, "server", path, leaf, FIX_TIME);
	check_due(check, path, leaf);
	if (!ctl_crt_has_purpose(leaf, GNUTLS_KP_TLS_WWW_SERVER))
		check_add(check, CHECK_ERROR, "server", FIX_SERVER,
			  "'%s' has no extendedKeyUsage serverAuth", path);
	if (check->pam && !ctl_crt_has_name(leaf, check->pam->client.server_name))
		check_add(check, check_server_is_local(check) ? CHECK_ERROR : CHECK_WARNING,
			  "server", "server_name of pam_mtls.conf must be one of its DNS names",
			  "'%s' does not carry the name '%s'", path,
			  check->pam->client.server_name);
	check_key(check, &pem);
	check_chain(check, &chain);
}

/* --- the CAs of persons and hosts --- */

static void check_crl_times(struct check *check, const char *path, const struct mtls_buf *text)
{
	const gnutls_datum_t data = { text->data, (unsigned int)text->len };
	gnutls_x509_crl_t crl;
	char day[16];

	if (gnutls_x509_crl_init(&crl) < 0)
		return;
	if (gnutls_x509_crl_import(crl, &data, GNUTLS_X509_FMT_PEM) >= 0 ||
	    gnutls_x509_crl_import(crl, &data, GNUTLS_X509_FMT_DER) >= 0) {
		time_t next = gnutls_x509_crl_get_next_update(crl);
		format_day(next, day);
		if (next != (time_t)-1 && next < check->now)
			check_add(check, CHECK_ERROR, "revocation",
				  "install a current list: until then nobody of this CA logs in",
				  "'%s' is outdated since %s", path, day);
		else
			check_add(check, CHECK_OK, "revocation", NULL, "'%s' holds until %s", path,
				  day);
	}
	gnutls_x509_crl_deinit(crl);
}

static void add_crls(struct check *check, struct mtls_anchors *anchors,
		     const struct mtls_settings_ca *ca)
{
	const struct mtls_file_trust trust = { 0 };

	for (char **path = ca->crl; path && *path; path++) {
		_cleanup_buf_ struct mtls_buf text = MTLS_BUF(FILE_MAX);
		struct mtls_diag diag = { 0 };
		if (read_file(check, "revocation", *path, &trust, &text) < 0)
			continue;
		int r = mtls_anchors_add_crl(anchors, ca->name, text.data, text.len, &diag);
		if (r < 0)
			check_add(check, CHECK_ERROR, "revocation",
				  "the list must be signed by the CA that it is for", "'%s': %s",
				  *path, mtls_diag_text(&diag, r));
		else
			check_crl_times(check, *path, &text);
	}
}

static void add_ca(struct check *check, struct mtls_anchors *anchors,
		   const struct mtls_settings_ca *ca)
{
	enum mtls_role role = ca->host_role ? MTLS_ROLE_HOST : MTLS_ROLE_USER;
	const struct mtls_file_trust trust = { 0 };

	for (char **path = ca->files; *path; path++) {
		_cleanup_buf_ struct mtls_buf pem = MTLS_BUF(FILE_MAX);
		_cleanup_(certs_done) struct certs certs = { 0 };
		struct mtls_diag diag = { 0 };
		if (read_file(check, "CA", *path, &trust, &pem) < 0)
			continue;
		int r = mtls_anchors_add_pem(anchors, role, ca->name, pem.data, pem.len, &diag);
		if (r < 0) {
			check_add(check, CHECK_ERROR, "CA",
				  "each CA has one name, one role, and certificates with CA:true",
				  "ca '%s', '%s': %s", ca->name, *path, mtls_diag_text(&diag, r));
			continue;
		}
		if (load_certs(check, "CA", *path, &certs) < 0)
			continue;
		for (unsigned int i = 0; i < certs.count; i++)
			check_times(check, "CA", *path, certs.list[i],
				    "add the new CA's certificate to files");
	}
	add_crls(check, anchors, ca);
}

/* One CA for persons and servers: then a certificate for a person may pass as the server's. */
static bool is_anchor(const struct mtls_anchors *anchors, gnutls_x509_crt_t crt)
{
	unsigned char want[64], have[64];
	size_t want_len = sizeof(want), have_len, len;
	const uint8_t *der;

	if (gnutls_x509_crt_get_key_id(crt, GNUTLS_KEYID_USE_SHA256, want, &want_len) < 0)
		return false;
	for (size_t i = 0; (der = mtls_anchors_der(anchors, i, &len)); i++) {
		const gnutls_datum_t data = { (unsigned char *)(uintptr_t)der, (unsigned int)len };
		gnutls_x509_crt_t anchor;
		if (gnutls_x509_crt_init(&anchor) < 0)
			return false;
		have_len = sizeof(have);
		bool same = gnutls_x509_crt_import(anchor, &data, GNUTLS_X509_FMT_DER) >= 0 &&
			    gnutls_x509_crt_get_key_id(anchor, GNUTLS_KEYID_USE_SHA256, have,
						       &have_len) >= 0 &&
			    have_len == want_len && memcmp(have, want, want_len) == 0;
		gnutls_x509_crt_deinit(anchor);
		if (same)
			return true;
	}
	return false;
}

static void compare_with_server_cas(struct check *check, const struct mtls_anchors *anchors)
{
	for (char **path = check->pam->client.server_ca; *path; path++) {
		_cleanup_(certs_done) struct certs certs = { 0 };
		struct check quiet = { .now = check->now };
		int r = load_certs(&quiet, "server CA", *path, &certs);
		free(quiet.findings);
		for (unsigned int i = 0; r >= 0 && i < certs.count; i++)
			if (is_anchor(anchors, certs.list[i]))
				check_add(check, CHECK_ERROR, "CA",
					  "use different CAs for persons and for servers",
					  "'%s' is the CA of servers and one of authd.conf's too",
					  *path);
	}
}

static void check_ca_keys(struct check *check)
{
	static const char *const names[] = { "user-ca.key", "server-ca.key", "host-ca.key" };
	const struct mtls_file_trust trust = { .secret = true };

	for (size_t i = 0; geteuid() == 0 && i < MTLS_COUNT(names); i++) {
		char path[PATH_MAX];
		struct mtls_diag diag = { 0 };
		_cleanup_close_ int fd = -1;
		(void)snprintf(path, sizeof(path), "%s/private/%s", check->dir, names[i]);
		int r = mtls_file_open_trusted(path, &trust, &fd, &diag);
		if (r < 0 && r != -ENOENT)
			check_add(check, CHECK_ERROR, "CA", "chown root:root and chmod 0600", "%s",
				  mtls_diag_text(&diag, r));
	}
}

void check_authorities(struct check *check)
{
	_cleanup_(mtls_anchors_freep) struct mtls_anchors *anchors = NULL;

	check_ca_keys(check);
	if (!check->authd)
		return;
	if (mtls_anchors_new(&anchors) < 0) {
		check->err = -ENOMEM;
		return;
	}
	for (size_t i = 0; i < check->authd->ca_count; i++)
		add_ca(check, anchors, &check->authd->cas[i]);
	if (check->pam)
		compare_with_server_cas(check, anchors);
}
