/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Revocation lists that the CA of `init` signs itself: the same entries, a later end. Lists of
 * other CAs are theirs to renew; where one lies in the same file it stays as it is.
 */
#include <config.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "lib/base/str.h"
#include "tools/ctl_renew.h"

#define CRL_FILE_MAX (4 * 1024 * 1024)

struct list {
	struct renew *rn;
	struct renew_item item;
	struct mtls_buf old, new;
	struct ctl_pair ca;
	gnutls_x509_crl_t crl;
	size_t at, len; /* of its block in the file */
};

static void forget(struct list *l)
{
	if (l->crl)
		gnutls_x509_crl_deinit(l->crl);
	l->crl = NULL;
}

/* The list in PEM at or behind @from. */
static int read_block(struct list *l, size_t from, struct mtls_diag *diag)
{
	static const char begin[] = "-----BEGIN X509 CRL-----", end[] = "-----END X509 CRL-----";
	const uint8_t *stop = l->old.data + l->old.len;
	const uint8_t *at = memmem(l->old.data + from, l->old.len - from, begin, strlen(begin));
	const uint8_t *to = at ? memmem(at, (size_t)(stop - at), end, strlen(end)) : NULL;

	forget(l);
	if (!to)
		return mtls_diag_set(diag, MTLS_E_SYNTAX, "no revocation list in PEM");
	l->at = (size_t)(at - l->old.data);
	l->len = (size_t)(to - at) + strlen(end);
	const gnutls_datum_t text = { l->old.data + l->at, (unsigned int)l->len };
	int rc = gnutls_x509_crl_init(&l->crl);
	if (rc >= 0)
		rc = gnutls_x509_crl_import(l->crl, &text, GNUTLS_X509_FMT_PEM);
	return rc < 0 ? mtls_diag_set(diag, MTLS_E_SYNTAX, "no revocation list in PEM: %s",
				      gnutls_strerror(rc))
		      : 0;
}

/* The one of our CA among those of the file. MTLS_E_UNTRUSTED: there is none. */
static int read_list(struct list *l, struct mtls_diag *diag)
{
	const struct mtls_file_trust trust = { 0 };

	int r = mtls_file_read(l->item.file, &trust, &l->old, diag);
	if (r >= 0)
		r = read_block(l, 0, diag);
	if (r < 0)
		return renew_code(r);
	r = renew_code(ctl_pair_read(l->rn->dir, CTL_CA_USER_CRT, CTL_CA_USER_KEY, &l->ca, diag));
	while (r >= 0 && !gnutls_x509_crl_check_issuer(l->crl, l->ca.crt))
		if (read_block(l, l->at + l->len, NULL) < 0)
			r = MTLS_E_UNTRUSTED;
	if (r < 0)
		return r == -ENOENT ? MTLS_E_UNTRUSTED : r;
	l->item.start = gnutls_x509_crl_get_this_update(l->crl);
	l->item.end = gnutls_x509_crl_get_next_update(l->crl);
	return 0;
}

/* The file with the new list in the place of the old one. MTLS_E_UNTRUSTED: it is not ours. */
static int make_list(struct list *l, struct mtls_diag *diag)
{
	_cleanup_buf_ struct mtls_buf pem = MTLS_BUF(CRL_FILE_MAX);
	size_t behind = l->at + l->len;

	int r = ctl_crl_again(l->crl, &l->ca, l->rn->now - CTL_CLOCK_SLACK, &pem, &l->item.new_end,
			      diag);
	if (r < 0)
		return r;
	while (pem.len && pem.data[pem.len - 1] == '\n')
		pem.len--; /* the line's end is there */
	(void)mtls_buf_append(&l->new, l->old.data, l->at);
	(void)mtls_buf_append(&l->new, pem.data, pem.len);
	return mtls_buf_append(&l->new, l->old.data + behind, l->old.len - behind);
}

static void put_in_place(struct list *l)
{
	struct mtls_diag diag = { 0 }, again = { 0 };

	int r = renew_write(l->item.file, &l->new, &diag);
	if (r < 0) {
		l->item.new_end = 0;
		renew_report(l->rn, &l->item, RENEW_FAILED, "%s", mtls_diag_text(&diag, r));
		return;
	}
	r = renew_reload(&diag);
	if (r >= 0) {
		renew_report(l->rn, &l->item, RENEW_DONE, "%s",
			     r ? "mtls-authd uses it" : "mtls-authd does not run");
		return;
	}
	int back = renew_write(l->item.file, &l->old, &again);
	l->item.new_end = 0;
	renew_report(l->rn, &l->item, RENEW_FAILED, "%s; the old list %s%s", diag.text,
		     back < 0 ? "could not be put back: " : "is back", back < 0 ? again.text : "");
}

static void go(struct list *l)
{
	struct mtls_diag diag = { 0 };

	int r = read_list(l, &diag);
	if (r >= 0)
		r = make_list(l, &diag);
	if (r == MTLS_E_UNTRUSTED) {
		renew_report(l->rn, &l->item, RENEW_SKIPPED,
			     "the CA of 'mtlsctl init' has not signed it");
	} else if (r < 0) {
		renew_report(l->rn, &l->item, RENEW_FAILED, "%s", mtls_diag_text(&diag, r));
	} else if (l->item.new_end <= l->item.end) {
		l->item.new_end = 0;
		renew_report(l->rn, &l->item, RENEW_NOT_DUE, "it lasts as long as its CA");
	} else if (!renew_waits(l->rn, &l->item)) {
		if (l->rn->dry_run)
			renew_report(l->rn, &l->item, RENEW_WOULD, "%s", "");
		else
			put_in_place(l);
	}
}

static void renew_list(struct renew *rn, const char *path)
{
	struct list l = {
		.rn = rn,
		.item.kind = "crl",
		.old = MTLS_BUF(CRL_FILE_MAX),
		.new = MTLS_BUF(CRL_FILE_MAX),
	};

	(void)mtls_strcopy(l.item.file, sizeof(l.item.file), path);
	go(&l);
	forget(&l);
	ctl_pair_done(&l.ca);
	mtls_buf_done(&l.old);
	mtls_buf_done(&l.new);
}

void renew_crls(struct renew *rn)
{
	const struct renew_item none = { .kind = "crl" };

	if (!rn->authd) {
		renew_report(rn, &none, RENEW_FAILED, "there is no authd.conf in '%s'", rn->dir);
		return;
	}
	for (size_t i = 0; i < rn->authd->ca_count; i++)
		for (char **path = rn->authd->cas[i].crl; path && *path; path++)
			renew_list(rn, *path);
}
