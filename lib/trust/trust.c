/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reading of trust anchors and revocation lists. Holds no state. */
#include <config.h>

#include "lib/base/buf.h"
#include "lib/base/file.h"
#include "lib/trust/trust.h"
#include "lib/wire/msg.h"

#define PEM_FILE_MAX (1024 * 1024)
#define CRL_FILE_MAX (64 * 1024 * 1024)

static const struct mtls_file_trust public_file = { .owner = 0 };

static int load_ca_file(struct mtls_anchors *anchors, const struct mtls_settings_ca *ca,
			const char *path, struct mtls_diag *diag)
{
	_cleanup_buf_ struct mtls_buf pem = MTLS_BUF(PEM_FILE_MAX);
	enum mtls_role role = ca->host_role ? MTLS_ROLE_HOST : MTLS_ROLE_USER;

	int r = mtls_file_read(path, &public_file, &pem, diag);
	if (r < 0)
		return r;
	r = mtls_anchors_add_pem(anchors, role, ca->name, pem.data, pem.len, diag);
	return r < 0 ? mtls_diag_set_file(diag, r, path) : 0;
}

static int load_crl_file(struct mtls_anchors *anchors, const struct mtls_settings_ca *ca,
			 const char *path, struct mtls_diag *diag)
{
	_cleanup_buf_ struct mtls_buf data = MTLS_BUF(CRL_FILE_MAX);

	int r = mtls_file_read(path, &public_file, &data, diag);
	if (r < 0)
		return r;
	r = mtls_anchors_add_crl(anchors, ca->name, data.data, data.len, diag);
	return r < 0 ? mtls_diag_set_file(diag, r, path) : 0;
}

/* What is to be done for each file. */
struct loading {
	struct mtls_anchors *anchors;
	mtls_trust_note *note; /* NULL: nothing more */
	void *ctx;
	struct mtls_diag *diag;
};

static int note(const struct loading *loading, const struct mtls_settings_ca *ca, const char *path,
		enum mtls_trust_file file)
{
	if (!loading->note)
		return 0;
	int r = loading->note(loading->ctx, loading->anchors, ca, path, file);
	return r < 0 ? mtls_diag_set(loading->diag, r, "'%s': %s", path, mtls_strerror(r)) : 0;
}

static int load_ca(const struct loading *loading, const struct mtls_settings_ca *ca)
{
	static const enum mtls_verify_crl policies[] = {
		[MTLS_CRL_OFF] = MTLS_VERIFY_CRL_OFF,
		[MTLS_CRL_IF_PRESENT] = MTLS_VERIFY_CRL_IF_PRESENT,
		[MTLS_CRL_REQUIRED] = MTLS_VERIFY_CRL_REQUIRED,
	};
	int r = 0;

	for (char **path = ca->files; r >= 0 && path && *path; path++) {
		r = load_ca_file(loading->anchors, ca, *path, loading->diag);
		if (r >= 0)
			r = note(loading, ca, *path, MTLS_TRUST_CA);
	}
	for (char **path = ca->crl; r >= 0 && path && *path; path++) {
		r = load_crl_file(loading->anchors, ca, *path, loading->diag);
		if (r >= 0)
			r = note(loading, ca, *path, MTLS_TRUST_CRL);
	}
	if (r < 0)
		return r;
	r = mtls_anchors_set_crl_policy(loading->anchors, ca->name, policies[ca->crl_policy]);
	return r < 0 ? mtls_diag_set(loading->diag, r, "ca '%s': no certificate was loaded",
				     ca->name)
		     : 0;
}

int mtls_trust_load_noting(const struct mtls_settings_authd *settings, mtls_trust_note *note_file,
			   void *ctx, struct mtls_anchors **ret, struct mtls_diag *diag)
{
	_cleanup_(mtls_anchors_freep) struct mtls_anchors *anchors = NULL;

	int r = mtls_anchors_new(&anchors);
	if (r < 0)
		return mtls_diag_set(diag, r, "out of memory");
	const struct loading loading = {
		.anchors = anchors, .note = note_file, .ctx = ctx, .diag = diag
	};
	for (size_t i = 0; r >= 0 && i < settings->ca_count; i++)
		r = load_ca(&loading, &settings->cas[i]);
	if (r < 0)
		return r;
	*ret = MTLS_TAKE(anchors);
	return 0;
}

int mtls_trust_load(const struct mtls_settings_authd *settings, struct mtls_anchors **ret,
		    struct mtls_diag *diag)
{
	return mtls_trust_load_noting(settings, NULL, NULL, ret, diag);
}

struct mtls_verify_bounds mtls_trust_bounds(const struct mtls_settings_authd *settings)
{
	return (struct mtls_verify_bounds){
		.max_certs = MTLS_CHAIN_MAX,
		.max_depth = settings->max_depth,
		.min_rsa_bits = settings->min_rsa_bits,
		.max_rsa_bits = settings->max_rsa_bits,
	};
}
