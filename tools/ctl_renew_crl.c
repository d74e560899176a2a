/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Revocation lists that the CA of `init` signs itself: the same entries, a later end. Lists of
 * other CAs are theirs to renew.
 */
#include <config.h>

#include <errno.h>
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
	gnutls_x509_crl_t crl;
};

static int read_list(struct list *l, struct mtls_diag *diag)
{
	const struct mtls_file_trust trust = { 0 };

	int r = mtls_file_read(l->item.file, &trust, &l->old, diag);
	if (r < 0)
		return r;
	const gnutls_datum_t text = { l->old.data, (unsigned int)l->old.len };
	int rc = gnutls_x509_crl_init(&l->crl);
	if (rc >= 0)
		rc = gnutls_x509_crl_import(l->crl, &text, GNUTLS_X509_FMT_PEM);
	if (rc < 0)
		return mtls_diag_set(diag, MTLS_E_SYNTAX, "no revocation list in PEM: %s",
				     gnutls_strerror(rc));
	l->item.start = gnutls_x509_crl_get_this_update(l->crl);
	l->item.end = gnutls_x509_crl_get_next_update(l->crl);
	return 0;
}

/* 0, or MTLS_E_UNTRUSTED: not ours. */
static int make_list(struct list *l, struct mtls_diag *diag)
{
	_cleanup_(ctl_pair_done) struct ctl_pair ca = { 0 };

	int r = ctl_pair_read(l->rn->dir, CTL_CA_USER_CRT, CTL_CA_USER_KEY, &ca, diag);
	if (r >= 0)
		r = ctl_crl_again(l->crl, &ca, l->rn->now - CTL_CLOCK_SLACK, &l->new,
				  &l->item.new_end, diag);
	return r == -ENOENT ? MTLS_E_UNTRUSTED : r;
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
	if (l.crl)
		gnutls_x509_crl_deinit(l.crl);
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
