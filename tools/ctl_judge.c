/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Certificates of persons: read, and held against the CAs of authd.conf. Holds no state. */
#include <config.h>

#include <errno.h>
#include <limits.h>
#include <stdio.h>

#include <gnutls/x509.h>

#include "lib/base/cleanup.h"
#include "lib/trust/trust.h"
#include "lib/verify/verify.h"
#include "lib/wire/reason.h"
#include "tools/ctl_ca.h"
#include "tools/ctl_judge.h"

void ctl_chain_done(struct ctl_chain *chain)
{
	for (size_t i = 0; i < chain->count; i++)
		mtls_cert_free(chain->certs[i]);
	chain->count = 0;
}

static int add_crt(struct ctl_chain *chain, gnutls_x509_crt_t crt, struct mtls_diag *diag)
{
	gnutls_datum_t der = { NULL, 0 };

	if (gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_DER, &der) < 0)
		return mtls_diag_set(diag, -ENOMEM, "out of memory");
	int r = mtls_cert_from_der(der.data, der.size, &chain->certs[chain->count], diag);
	gnutls_free(der.data);
	if (r >= 0)
		chain->count++;
	return r;
}

int ctl_chain_parse(const uint8_t *data, size_t len, struct ctl_chain *ret, struct mtls_diag *diag)
{
	gnutls_x509_crt_t certs[CTL_CHAIN_MAX];
	unsigned int count = CTL_CHAIN_MAX;
	const gnutls_datum_t text = { (unsigned char *)(uintptr_t)data, (unsigned int)len };
	int r = 0;

	int rc = gnutls_x509_crt_list_import(certs, &count, &text, GNUTLS_X509_FMT_PEM,
					     GNUTLS_X509_CRT_LIST_IMPORT_FAIL_IF_EXCEED);
	if (rc == GNUTLS_E_SHORT_MEMORY_BUFFER)
		return mtls_diag_set(diag, MTLS_E_LIMIT, "more than %d certificates",
				     CTL_CHAIN_MAX);
	if (rc < 0) {
		r = mtls_cert_from_der(data, len, &ret->certs[0], diag);
		if (r < 0)
			return mtls_diag_set(diag, r, "it is not a certificate (PEM or DER)");
		ret->count = 1;
		return 0;
	}
	for (unsigned int i = 0; i < count; i++) {
		if (r >= 0)
			r = add_crt(ret, certs[i], diag);
		gnutls_x509_crt_deinit(certs[i]);
	}
	if (r < 0)
		ctl_chain_done(ret);
	return r;
}

int ctl_chain_pem(const struct ctl_chain *chain, struct mtls_buf *out, struct mtls_diag *diag)
{
	for (size_t i = 0; i < chain->count; i++) {
		gnutls_datum_t der, pem = { NULL, 0 };
		size_t len;
		der.data = (unsigned char *)(uintptr_t)mtls_cert_der(chain->certs[i], &len);
		der.size = (unsigned int)len;
		if (gnutls_pem_base64_encode2("CERTIFICATE", &der, &pem) < 0)
			return mtls_diag_set(diag, -ENOMEM, "out of memory");
		int r = mtls_buf_append(out, pem.data, pem.size);
		gnutls_free(pem.data);
		if (r < 0)
			return mtls_diag_set(diag, r, "%s", mtls_strerror(r));
	}
	return 0;
}

static int refuse(enum mtls_reason reason, const struct mtls_diag *why, struct mtls_diag *diag)
{
	const char *advice = mtls_reason_advice(reason);

	return mtls_diag_set(diag, MTLS_E_CERT, "%s (%s)%s%s%s%s", mtls_reason_text(reason),
			     mtls_reason_token(reason), why->text[0] ? ": " : "", why->text,
			     advice && *advice ? "; " : "", advice ? advice : "");
}

static int judge(const struct mtls_settings_authd *settings, const struct mtls_anchors *anchors,
		 const struct ctl_chain *chain, int64_t now, struct mtls_diag *diag)
{
	const struct mtls_verify_bounds bounds = mtls_trust_bounds(settings);
	_cleanup_(mtls_path_freep) struct mtls_path *path = NULL;
	const uint8_t *der[CTL_CHAIN_MAX];
	size_t len[CTL_CHAIN_MAX];
	struct mtls_diag why = { 0 };

	for (size_t i = 0; i < chain->count; i++)
		der[i] = mtls_cert_der(chain->certs[i], &len[i]);
	int r = mtls_verify_path(anchors, &bounds, der, len, chain->count, &path, &why);
	if (r < 0)
		return mtls_diag_set(diag, MTLS_E_CERT,
				     "no CA of authd.conf accepts it: %s; add its CA to a section "
				     "'ca' there first",
				     mtls_diag_text(&why, r));
	enum mtls_reason reason = mtls_verify_policy(anchors, &bounds, path, now, &why);
	return reason == MTLS_REASON_ALLOWED ? 0 : refuse(reason, &why, diag);
}

int ctl_judge(const char *dir, const struct ctl_chain *chain, int64_t now, struct mtls_diag *diag)
{
	_cleanup_(mtls_settings_authd_freep) struct mtls_settings_authd *settings = NULL;
	_cleanup_(mtls_anchors_freep) struct mtls_anchors *anchors = NULL;
	char path[PATH_MAX];

	if (ctl_dir_path(dir, "authd.conf", path) < 0)
		return mtls_diag_set(diag, -ENAMETOOLONG, "'%s': path too long", dir);
	int r = mtls_settings_authd_load(path, &settings, diag);
	if (r == -ENOENT)
		return 1;
	if (r >= 0)
		r = mtls_trust_load(settings, &anchors, diag);
	return r < 0 ? r : judge(settings, anchors, chain, now, diag);
}
