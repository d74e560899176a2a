/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The certificate of mtls-authd: from the CA of `init` if that has made it, else by the command of
 * authd.conf. It is checked before it is put in place, and confirmed by a handshake with the
 * running daemon; if that fails the old one is put back.
 */
#include <config.h>

#include <errno.h>
#include <poll.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

#include <gnutls/crypto.h>

#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/base/str.h"
#include "lib/settings/pam_mtls.h"
#include "tools/ctl_handshake.h"
#include "tools/ctl_renew.h"
#include "tools/ctl_term.h"

#define CONFIRM_MS      15000 /* until new workers show the new certificate */
#define CONFIRM_STEP_MS 200
#define HANDSHAKE_MS    3000
#define NAME_MAX_BYTES  256

struct server {
	struct renew *rn;
	struct renew_item item;
	struct mtls_settings_pam *pam; /* NULL: this machine does not say whom it believes */
	struct mtls_buf old, new;      /* PEM */
	struct ctl_pair pair;          /* of the old certificate */
	char kept[PATH_MAX];           /* the copy of the old one */
};

/* --- where it comes from --- */

static int read_old(struct server *s, struct mtls_diag *diag)
{
	const struct mtls_settings_authd *authd = s->rn->authd;
	const struct passwd *user = getpwnam(authd->user);
	const struct mtls_file_trust public = { 0 };
	const struct mtls_file_trust secret = { .secret = true,
						.secret_gid = user ? user->pw_gid : 0 };
	_cleanup_buf_ struct mtls_buf key = MTLS_BUF_SECRET(CTL_PEM_MAX);
	struct mtls_diag why = { 0 };

	int r = mtls_file_read(authd->certificate, &public, &s->old, diag);
	if (r >= 0)
		r = mtls_file_read(authd->private_key, &secret, &key, diag);
	if (r < 0)
		return r;
	r = ctl_pair_load(&s->old, &key, &s->pair, &why);
	if (r < 0)
		return mtls_diag_set(diag, r, "'%s' and '%s': %s", authd->certificate,
				     authd->private_key, why.text);
	s->item.start = gnutls_x509_crt_get_activation_time(s->pair.crt);
	s->item.end = gnutls_x509_crt_get_expiration_time(s->pair.crt);
	return 0;
}

/* The issuers that lie behind the old certificate stay behind the new one. */
static int append_issuers(struct server *s, struct mtls_diag *diag)
{
	struct ctl_chain chain = { .count = 0 };

	int r = ctl_chain_parse(s->old.data, s->old.len, &chain, diag);
	if (r >= 0 && chain.count > 1) {
		mtls_cert_free(chain.certs[0]);
		memmove(chain.certs, chain.certs + 1, (chain.count - 1) * sizeof(chain.certs[0]));
		chain.count--;
		r = ctl_chain_pem(&chain, &s->new, diag);
	}
	ctl_chain_done(&chain);
	return r;
}

static int make_new(struct server *s, struct mtls_diag *diag)
{
	struct mtls_diag why = { 0 };

	int r = renew_by_ca(s->rn, &s->item, s->pair.crt, CTL_CA_SERVER_CRT, CTL_CA_SERVER_KEY,
			    &s->new, &why);
	if (r >= 0)
		return append_issuers(s, diag);
	bool ours = r != -ENOENT && r != MTLS_E_UNTRUSTED;
	if (!ours && s->rn->authd->renew_command)
		return s->rn->dry_run ? 0 : renew_by_command(s->rn, &s->pair, &s->new, diag);
	return mtls_diag_set(
		diag, r,
		ours ? "%s%s"
		     : "the CA of 'mtlsctl init' has not made it%s%s; set renew_command "
		       "in authd.conf, or put a new certificate there yourself and "
		       "'mtlsctl reload'",
		ours ? mtls_diag_text(&why, r) : "", "");
}

/* --- whether it would do --- */

/* The dNSName at @index; false behind the last. "" for a name of another kind. */
static bool dns_name_at(gnutls_x509_crt_t crt, unsigned int index, char name[NAME_MAX_BYTES])
{
	size_t len = NAME_MAX_BYTES - 1;

	int rc = gnutls_x509_crt_get_subject_alt_name(crt, index, name, &len, NULL);
	if (rc == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
		return false;
	name[rc == GNUTLS_SAN_DNSNAME ? len : 0] = '\0';
	return true;
}

static int check_names(const struct server *s, gnutls_x509_crt_t crt, struct mtls_diag *diag)
{
	char name[NAME_MAX_BYTES];

	for (unsigned int i = 0; dns_name_at(s->pair.crt, i, name); i++)
		if (*name && !ctl_crt_has_name(crt, name))
			return mtls_diag_set(diag, MTLS_E_CERT,
					     "it does not carry the name '%s', as the old one does",
					     name);
	if (s->pam && !ctl_crt_has_name(crt, s->pam->client.server_name))
		return mtls_diag_set(diag, MTLS_E_CERT,
				     "it does not carry the name '%s' of pam_mtls.conf",
				     s->pam->client.server_name);
	return 0;
}

static int add_cas(const struct server *s, gnutls_x509_trust_list_t trust, struct mtls_diag *diag)
{
	const struct mtls_file_trust public = { 0 };

	for (char **path = s->pam->client.server_ca; *path; path++) {
		_cleanup_buf_ struct mtls_buf pem = MTLS_BUF(CTL_PEM_MAX);
		int r = mtls_file_read(*path, &public, &pem, diag);
		if (r < 0)
			return r;
		const gnutls_datum_t text = { pem.data, (unsigned int)pem.len };
		if (gnutls_x509_trust_list_add_trust_mem(trust, &text, NULL, GNUTLS_X509_FMT_PEM, 0,
							 0) < 0)
			return mtls_diag_set(diag, MTLS_E_SYNTAX, "'%s' cannot be read", *path);
	}
	return 0;
}

/* By those whom pam_mtls.conf believes; without that file the issuer stays the one it was. */
static int check_issuer(const struct server *s, gnutls_x509_crt_t *certs, unsigned int count,
			struct mtls_diag *diag)
{
	gnutls_x509_trust_list_t trust = NULL;
	gnutls_datum_t a = { NULL, 0 }, b = { NULL, 0 };
	unsigned int status = GNUTLS_CERT_INVALID;

	if (!s->pam) {
		bool same = gnutls_x509_crt_get_raw_issuer_dn(certs[0], &a) >= 0 &&
			    gnutls_x509_crt_get_raw_issuer_dn(s->pair.crt, &b) >= 0 &&
			    a.size == b.size && memcmp(a.data, b.data, a.size) == 0;
		gnutls_free(a.data);
		gnutls_free(b.data);
		return same ? 0
			    : mtls_diag_set(diag, MTLS_E_CERT, "its issuer is another than before");
	}
	if (gnutls_x509_trust_list_init(&trust, 0) < 0)
		return mtls_diag_set(diag, -ENOMEM, "out of memory");
	int r = add_cas(s, trust, diag);
	if (r >= 0 && (gnutls_x509_trust_list_verify_crt2(trust, certs, count, NULL, 0, 0, &status,
							  NULL) < 0 ||
		       status))
		r = mtls_diag_set(diag, MTLS_E_CERT,
				  "it does not come from server_ca of pam_mtls.conf");
	gnutls_x509_trust_list_deinit(trust, 1);
	return r;
}

static int check_leaf(struct server *s, gnutls_x509_crt_t crt, struct mtls_diag *diag)
{
	uint8_t id[32], old_id[32];
	size_t len = sizeof(id), old_len = sizeof(old_id);
	time_t start = gnutls_x509_crt_get_activation_time(crt);
	/* A command takes its time, and its CA may begin with the moment that it signs. */
	time_t now = time(NULL);

	s->item.new_end = gnutls_x509_crt_get_expiration_time(crt);
	if (gnutls_x509_crt_get_key_id(crt, GNUTLS_KEYID_USE_SHA256, id, &len) < 0 ||
	    gnutls_x509_crt_get_key_id(s->pair.crt, GNUTLS_KEYID_USE_SHA256, old_id, &old_len) <
		    0 ||
	    memcmp(id, old_id, sizeof(id)) != 0)
		return mtls_diag_set(diag, MTLS_E_CERT, "it is not for the key in '%s'",
				     s->rn->authd->private_key);
	if (start > now || s->item.new_end <= now)
		return mtls_diag_set(diag, MTLS_E_CERT, "it is not valid now");
	if (s->item.new_end < s->item.end)
		return mtls_diag_set(diag, MTLS_E_CERT, "it ends before the old one");
	if (gnutls_x509_crt_equals(crt, s->pair.crt))
		return mtls_diag_set(diag, MTLS_E_CERT, "it is the old one");
	if (gnutls_x509_crt_get_ca_status(crt, NULL) > 0 ||
	    !ctl_crt_has_purpose(crt, GNUTLS_KP_TLS_WWW_SERVER))
		return mtls_diag_set(diag, MTLS_E_CERT,
				     "it is not a server's: no extendedKeyUsage serverAuth");
	return check_names(s, crt, diag);
}

/* What else a command wrote, the key for instance, does not go into a file that all may read. */
static int keep_certificates(struct server *s, const gnutls_x509_crt_t *certs, unsigned int count,
			     struct mtls_diag *diag)
{
	int r = 0;

	mtls_buf_reset(&s->new);
	for (unsigned int i = 0; i < count && r >= 0; i++)
		r = ctl_pem_crt(certs[i], &s->new, diag);
	return r;
}

static int check_new(struct server *s, struct mtls_diag *diag)
{
	gnutls_x509_crt_t certs[CTL_CHAIN_MAX];
	unsigned int count = CTL_CHAIN_MAX;
	const gnutls_datum_t text = { s->new.data, (unsigned int)s->new.len };

	int rc = gnutls_x509_crt_list_import(certs, &count, &text, GNUTLS_X509_FMT_PEM,
					     GNUTLS_X509_CRT_LIST_IMPORT_FAIL_IF_EXCEED);
	if (rc <= 0)
		return mtls_diag_set(diag, MTLS_E_SYNTAX, "there is no PEM certificate in it");
	int r = check_leaf(s, certs[0], diag);
	if (r >= 0)
		r = check_issuer(s, certs, count, diag);
	if (r >= 0)
		r = keep_certificates(s, certs, count, diag);
	for (unsigned int i = 0; i < count; i++)
		gnutls_x509_crt_deinit(certs[i]);
	return r;
}

/* --- in place --- */

/* The socket of the daemon that is nearest. */
static const char *address_of(const struct server *s)
{
	for (char **address = s->rn->authd->listen; *address; address++)
		if (strncmp(*address, "unix:", strlen("unix:")) == 0)
			return *address;
	return s->rn->authd->listen[0];
}

/* 0: the daemon shows it, and would be believed. -ENOENT, -ECONNREFUSED: there is no daemon. */
static int confirm(const struct server *s, struct mtls_diag *diag)
{
	mtls_deadline deadline = mtls_deadline_in_ms(CONFIRM_MS);
	uint8_t wanted[32], shown[32];
	gnutls_datum_t pem = { s->new.data, (unsigned int)s->new.len }, der = { NULL, 0 };

	if (gnutls_pem_base64_decode2("CERTIFICATE", &pem, &der) < 0)
		return mtls_diag_set(diag, -ENOMEM, "out of memory");
	(void)gnutls_hash_fast(GNUTLS_DIG_SHA256, der.data, der.size, wanted);
	gnutls_free(der.data);
	for (;;) {
		int r = ctl_handshake(address_of(s), s->pam ? &s->pam->client : NULL, HANDSHAKE_MS,
				      shown, diag);
		if (r >= 0 && memcmp(shown, wanted, sizeof(shown)) == 0)
			return 0;
		if (r >= 0)
			r = mtls_diag_set(diag, MTLS_E_IDENTITY,
					  "mtls-authd still shows the old certificate");
		/* Old workers go as new ones come. */
		if (r == -ENOENT || r == -ECONNREFUSED || mtls_deadline_left_ms(deadline) <= 0)
			return r;
		(void)poll(NULL, 0, CONFIRM_STEP_MS);
	}
}

static void put_back(struct server *s, const struct mtls_diag *why)
{
	struct mtls_diag diag = { 0 };

	int r = renew_write(s->item.file, &s->old, &diag);
	if (r < 0) {
		renew_report(s->rn, &s->item, RENEW_FAILED,
			     "%s; and the old certificate could not be put back: %s; it is in '%s'",
			     why->text, mtls_diag_text(&diag, r), s->kept);
		return;
	}
	r = renew_reload(&diag);
	(void)unlink(s->kept);
	s->item.new_end = 0;
	renew_report(s->rn, &s->item, RENEW_FAILED, "%s; the old certificate is back%s%s",
		     why->text, r < 0 ? ", but: " : "", r < 0 ? diag.text : "");
}

static void put_in_place(struct server *s)
{
	struct mtls_diag diag = { 0 };

	int r = renew_keep_old(s->item.file, &s->old, s->kept, &diag);
	if (r >= 0) {
		r = renew_write(s->item.file, &s->new, &diag);
		if (r < 0)
			(void)unlink(s->kept);
	}
	if (r < 0) {
		s->item.new_end = 0;
		renew_report(s->rn, &s->item, RENEW_FAILED, "%s", mtls_diag_text(&diag, r));
		return;
	}
	int running = renew_reload(&diag);
	r = running < 0 ? running : confirm(s, &diag);
	if (!running && (r == -ENOENT || r == -ECONNREFUSED)) {
		renew_report(s->rn, &s->item, RENEW_DONE,
			     "mtls-authd does not run, so nothing is confirmed; the old one is in "
			     "'%s'",
			     s->kept);
	} else if (r < 0) {
		put_back(s, &diag);
	} else {
		(void)unlink(s->kept);
		renew_report(s->rn, &s->item, RENEW_DONE, "mtls-authd shows it");
	}
}

/*
 * A run that was killed between writing and its end, or that found no daemon, left the copy of the
 * old certificate: mtls-authd may still show that one, and nothing would be due for a long time.
 * True: it has been reported.
 */
static bool finish_earlier(struct server *s)
{
	struct mtls_diag diag = { 0 };

	int n = snprintf(s->kept, sizeof(s->kept), "%s" RENEW_OLD, s->item.file);
	if (s->rn->dry_run || !s->rn->if_due || n < 0 || (size_t)n >= sizeof(s->kept) ||
	    access(s->kept, F_OK) < 0 || ctl_is_due(s->item.start, s->item.end, s->rn->now))
		return false;
	(void)mtls_buf_append(&s->new, s->old.data, s->old.len);
	int running = renew_reload(&diag);
	int r = running < 0 ? running : confirm(s, &diag);
	if (!running && (r == -ENOENT || r == -ECONNREFUSED))
		return false;
	if (r >= 0) {
		(void)unlink(s->kept);
		renew_report(s->rn, &s->item, RENEW_DONE,
			     "by an earlier run that was not finished; mtls-authd shows it");
	} else {
		renew_report(s->rn, &s->item, RENEW_FAILED,
			     "an earlier run put it in place, but: %s; the one before is in '%s'",
			     mtls_diag_text(&diag, r), s->kept);
	}
	return true;
}

static void go(struct server *s)
{
	struct mtls_diag diag = { 0 }, why = { 0 };

	int r = read_old(s, &diag);
	if (r >= 0 && (finish_earlier(s) || renew_waits(s->rn, &s->item)))
		return;
	if (r >= 0)
		r = make_new(s, &diag);
	if (r >= 0 && s->new.len && (r = check_new(s, &why)) < 0) {
		s->item.new_end = 0;
		(void)mtls_diag_set(&diag, r, "the new certificate is of no use: %s", why.text);
	}
	if (r < 0)
		renew_report(s->rn, &s->item, RENEW_FAILED, "%s", mtls_diag_text(&diag, r));
	else if (s->rn->dry_run)
		renew_report(s->rn, &s->item, RENEW_WOULD, "%s",
			     s->new.len ? "" : "by renew_command");
	else
		put_in_place(s);
}

/* Whom this machine believes, if that is its own mtls-authd. */
static void load_pam(struct server *s)
{
	char conf[PATH_MAX];

	if (ctl_dir_path(s->rn->dir, "pam_mtls.conf", conf) < 0 ||
	    mtls_settings_pam_load(conf, NULL, 0, NULL, &s->pam, NULL) < 0)
		return;
	for (char **server = s->pam->client.servers; *server; server++)
		if (strncmp(*server, "unix:", strlen("unix:")) == 0)
			return;
	mtls_settings_pam_free(s->pam);
	s->pam = NULL;
}

void renew_server(struct renew *rn)
{
	struct server s = {
		.rn = rn,
		.item.kind = "server",
		.old = MTLS_BUF(CTL_PEM_MAX),
		.new = MTLS_BUF(CTL_PEM_MAX),
	};

	if (!rn->authd) {
		renew_report(rn, &s.item, RENEW_FAILED, "there is no authd.conf in '%s'", rn->dir);
		return;
	}
	(void)mtls_strcopy(s.item.file, sizeof(s.item.file), rn->authd->certificate);
	load_pam(&s);
	go(&s);
	mtls_settings_pam_free(s.pam);
	ctl_pair_done(&s.pair);
	mtls_buf_done(&s.old);
	mtls_buf_done(&s.new);
}
