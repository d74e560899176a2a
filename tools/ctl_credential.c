/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Makes what one person needs to log in. Before anything is written into a person's folder the CA's
 * key is wiped from memory; what the writing process sees of the new key is encrypted.
 */
#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "lib/base/str.h"
#include "lib/name/account.h"
#include "lib/name/key.h"
#include "lib/wire/msg.h"
#include "tools/ctl_common.h"
#include "tools/ctl_credential.h"

#define CN_MAX       64 /* bytes; X.520 counts characters */
#define SHORT_SECRET 8

static const struct {
	const char *word, *suffix;
} formats[] = {
	[CTL_FORMAT_PEM] = { "pem", "pem" },
	[CTL_FORMAT_PKCS12] = { "pkcs12", "p12" },
};

static bool parse_format(const char *text, enum ctl_format *ret)
{
	for (size_t i = 0; i < MTLS_COUNT(formats); i++)
		if (!text || mtls_streq(text, formats[i].word)) {
			*ret = (enum ctl_format)i;
			return true;
		}
	return false;
}

const char *ctl_format_suffix(enum ctl_format format)
{
	return formats[format].suffix;
}

static int check_plan(const struct ctl_action *action, const struct ctl_credential_plan *plan)
{
	const uint8_t *cn = (const uint8_t *)plan->cn;
	size_t cn_len = strlen(plan->cn);

	if (!mtls_account_name_valid(plan->user, strlen(plan->user)))
		return ctl_action_usage(action, "'%s' is not an account name", plan->user);
	if (!cn_len || cn_len > CN_MAX || mtls_has_control(cn, cn_len) ||
	    !mtls_utf8_valid(cn, cn_len))
		return ctl_action_usage(action, "--cn needs 1 to %d bytes of text", CN_MAX);
	if (plan->dir[0] != '/' || strlen(plan->dir) > PATH_MAX - 64)
		return ctl_action_usage(action, "--dir needs an absolute path");
	return CTL_OK;
}

int ctl_credential_parse(const struct ctl_action *action, const struct ctl_credential_words *words,
			 const char *user, struct ctl_credential_plan *plan, int *ret_passphrase_fd)
{
	uint32_t fd = 0;

	plan->days = CTL_DAYS_DEFAULT;
	plan->user = user;
	plan->cn = words->cn ? words->cn : user;
	plan->dir = words->dir ? words->dir : MTLS_SYSCONFDIR;
	int code = ctl_action_number(action, "days", words->days, 1, CTL_DAYS_MAX, &plan->days);
	if (!code)
		code = ctl_action_number(action, "passphrase-fd", words->passphrase_fd, 0, INT_MAX,
					 &fd);
	if (!code && !parse_format(words->format, &plan->format))
		code = ctl_action_usage(action, "--format is pem or pkcs12");
	*ret_passphrase_fd = words->passphrase_fd ? (int)fd : -1;
	return code ? code : check_plan(action, plan);
}

void ctl_credential_done(struct ctl_credential *credential)
{
	mtls_cert_free(credential->cert);
	mtls_buf_done(&credential->file);
	credential->cert = NULL;
}

int ctl_cert_of(gnutls_x509_crt_t crt, struct mtls_cert **ret, struct mtls_diag *diag)
{
	gnutls_datum_t der = { NULL, 0 };

	if (gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_DER, &der) < 0)
		return mtls_diag_set(diag, MTLS_E_CRYPTO, "cannot write the certificate");
	int r = mtls_cert_from_der(der.data, der.size, ret, diag);
	gnutls_free(der.data);
	return r;
}

int ctl_cert_binding(const struct mtls_cert *cert, struct mtls_buf *out)
{
	return mtls_key_format_digest(MTLS_KEY_SPKI_SHA256, mtls_cert_spki_sha256(cert), out);
}

static int fill_file(const struct ctl_credential_plan *plan, const struct ctl_pair *pair,
		     const struct ctl_pair *ca, const char *secret, struct mtls_buf *out,
		     struct mtls_diag *diag)
{
	if (plan->key)
		return ctl_pem_crt(pair->crt, out, diag);
	if (plan->format == CTL_FORMAT_PKCS12)
		return ctl_pkcs12(pair, ca->crt, plan->cn, secret, out, diag);
	int r = ctl_pem_key(pair, secret, out, diag);
	return r < 0 ? r : ctl_pem_crt(pair->crt, out, diag);
}

int ctl_credential_make(const struct ctl_credential_plan *plan, struct mtls_buf *secret,
			struct ctl_credential *ret, struct mtls_diag *diag)
{
	_cleanup_(ctl_pair_done) struct ctl_pair ca = { 0 };
	_cleanup_(ctl_pair_done) struct ctl_pair pair = { 0 };
	time_t now = time(NULL);
	const struct ctl_certificate what = {
		.profile = CTL_PROFILE_USER,
		.common_name = plan->cn,
		.key = plan->key,
		.not_before = now - CTL_CLOCK_SLACK,
		.not_after = now + (time_t)CTL_DAY * plan->days,
	};
	const char *text = plan->key ? NULL : mtls_buf_cstr(secret);

	if (!plan->key && !text)
		return mtls_diag_set(diag, -ENOMEM, "out of memory");
	mtls_buf_init(&ret->file, CTL_PEM_MAX, false);
	int r = ctl_pair_read(plan->dir, CTL_CA_USER_CRT, CTL_CA_USER_KEY, &ca, diag);
	if (r >= 0)
		r = ctl_pair_make(&what, &ca, &pair, diag);
	if (r >= 0)
		r = fill_file(plan, &pair, &ca, text, &ret->file, diag);
	if (r >= 0)
		r = ctl_cert_of(pair.crt, &ret->cert, diag);
	if (r < 0)
		ctl_credential_done(ret);
	return r;
}

static int ask_twice(struct mtls_buf *secret, struct mtls_diag *diag)
{
	_cleanup_buf_ struct mtls_buf again = MTLS_BUF_SECRET(MTLS_SECRET_MAX);

	int r = ctl_ask_secret("Passphrase for the new key: ", secret);
	if (r < 0 || !secret->len)
		return r;
	r = ctl_ask_secret("The same again: ", &again);
	if (r < 0)
		return r;
	if (again.len != secret->len || memcmp(again.data, secret->data, again.len) != 0)
		return mtls_diag_set(diag, MTLS_E_SECRET, "the two passphrases differ");
	return 0;
}

int ctl_new_passphrase(const char *command, int fd, struct mtls_buf *secret, struct mtls_diag *diag)
{
	int r = fd >= 0 ? ctl_read_secret(fd, secret) : ask_twice(secret, diag);
	if (r == -ENOTTY)
		return mtls_diag_set(diag, r,
				     "there is no terminal to ask on: use --passphrase-fd");
	if (r == MTLS_E_SECRET)
		return r;
	if (r < 0)
		return mtls_diag_set(diag, r, "cannot read the passphrase: %s", mtls_strerror(r));
	if (!secret->len)
		return mtls_diag_set(diag, MTLS_E_NEEDSECRET,
				     "the passphrase is empty: a key without one is not accepted");
	/* GnuTLS takes a string; and other programs must be able to type it. */
	if (mtls_has_control(secret->data, secret->len) ||
	    !mtls_utf8_valid(secret->data, secret->len))
		return mtls_diag_set(diag, MTLS_E_SYNTAX,
				     "the passphrase has a control character or is not UTF-8");
	if (secret->len < SHORT_SECRET)
		(void)fprintf(stderr,
			      "mtlsctl %s: warning: the passphrase has less than %d characters\n",
			      command, SHORT_SECRET);
	return 0;
}

/* --- the person's folder --- */

struct delivery {
	const struct ctl_person *person;
	const char *path;
	const struct mtls_buf *content;
};

static int write_as_person(void *ctx, struct mtls_buf *out, struct mtls_diag *diag)
{
	const struct delivery *d = ctx;
	const struct mtls_file_mode mode = {
		.mode = 0600, .uid = (uid_t)-1, .gid = (gid_t)-1, .exclusive = true
	};

	(void)out;
	int r = ctl_person_make_folder(d->person, diag);
	if (r >= 0)
		r = mtls_file_replace(d->path, d->content->data, d->content->len, &mode, diag);
	return r;
}

int ctl_deliver(const struct ctl_person *person, const char *path, const struct mtls_buf *content,
		struct mtls_diag *diag)
{
	struct delivery delivery = { person, path, content };

	int r = ctl_as_person(person, write_as_person, &delivery, NULL, diag);
	if (r == -EEXIST)
		return mtls_diag_set(diag, r, "'%s' exists already and is kept", path);
	return r;
}
